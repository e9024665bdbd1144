// SPDX-License-Identifier: MIT
#include "ablation_store.hpp"

#include <moeclip/eval/picture_table_file.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/io/json_writer.hpp>

namespace cli {

using moeclip::concat;
using moeclip::Json;

namespace {

std::string table_path(const std::string& path, const std::string& key) {
  return moeclip::join_path(path + ".pictures", key + ".safetensors");
}

Json record_of(const AblationRun& run, const AblationResult& result) {
  Json scores = Json::object(), classes = Json::array();
  for (std::size_t m = 0; m < result.scores.size(); ++m)
    scores.set(std::string(moeclip::kComparedMetrics[m]), result.scores[m]);
  for (const Json& row : result.classes) classes.push_back(row);
  return Json::object()
      .set("key", run.key)
      .set("variant", run.variant->name)
      .set("seed", run.seed)
      .set("scores", std::move(scores))
      .set("loss", result.loss)
      .set("seconds", result.seconds)
      .set("judge_seconds", result.judge_seconds)
      .set("trained", result.trained)
      .set("bytes", result.bytes)
      .set("classes", std::move(classes));
}

}  // namespace

AblationStore::AblationStore(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  moeclip::expect_file_writable(path_);
  if (moeclip::file_exists(path_)) read(path_);
}

void AblationStore::read(const std::string& path) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 30;
  const auto bytes = moeclip::read_file(path, kLargest);
  std::string_view text = moeclip::as_text(bytes);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) {
      Json run = moeclip::parse_json(text.substr(0, end), path);
      const std::string key = moeclip::member<std::string>(run, "key", path);
      // a key becomes the name of a file
      if (key.empty() || key.find_first_not_of("0123456789abcdef") != std::string::npos)
        moeclip::fail(moeclip::ErrorCode::format, concat(path, ": a run has the key ", moeclip::in_quotes(key)));
      bool is_whole = moeclip::file_exists(table_path(path, key));  // older files have no tables, and fewer members
      for (const char* name : {"scores", "judge_seconds", "trained", "bytes"})
        is_whole = is_whole && run.find(name) != nullptr;
      if (is_whole) {
        if (!runs_.contains(key)) order_.push_back(key);
        runs_.insert_or_assign(key, std::move(run));
      }
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void AblationStore::merge(const std::string& path) {
  const std::size_t own = order_.size();
  read(path);
  for (std::size_t i = own; i < order_.size(); ++i) {
    moeclip::PictureTable table = moeclip::read_picture_table(table_path(path, order_[i]));
    if (path_.empty()) {
      tables_.emplace(order_[i], std::move(table));
      continue;
    }
    moeclip::create_directories(path_ + ".pictures");
    moeclip::write_picture_table(table_path(path_, order_[i]), table);
  }
  write();
}

const Json* AblationStore::find(const std::string& key) const {
  const auto found = runs_.find(key);
  return found == runs_.end() ? nullptr : &found->second;
}

const moeclip::PictureTable& AblationStore::pictures(const std::string& key) {
  const auto found = tables_.find(key);
  if (found != tables_.end()) return found->second;
  return tables_.emplace(key, moeclip::read_picture_table(table_path(path_, key))).first->second;
}

void AblationStore::write() const {
  if (path_.empty()) return;
  std::string text;
  for (const std::string& key : order_) text += moeclip::dump_json(runs_.at(key)) + "\n";
  moeclip::write_file(path_, moeclip::as_bytes(text));
}

void AblationStore::keep(const AblationRun& run, AblationResult result) {
  const std::lock_guard lock(mutex_);
  Json record = record_of(run, result);
  if (path_.empty()) {
    tables_.insert_or_assign(run.key, std::move(result.pictures));
  } else {  // the table first: a run whose line is there has one
    moeclip::create_directories(path_ + ".pictures");
    moeclip::write_picture_table(table_path(path_, run.key), result.pictures);
  }
  if (!runs_.contains(run.key)) order_.push_back(run.key);
  runs_.insert_or_assign(run.key, std::move(record));
  write();
}

}  // namespace cli
