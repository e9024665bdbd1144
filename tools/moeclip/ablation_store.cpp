// SPDX-License-Identifier: MIT
#include "ablation_store.hpp"

#include <moeclip/eval/picture_table_file.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json_writer.hpp>

#include "file_lock.hpp"
#include "progress.hpp"

namespace cli {

using moeclip::concat;
using moeclip::Json;

namespace {

std::string folder_of(const std::string& path) { return path + ".pictures"; }

std::string table_path(const std::string& path, const std::string& key) {
  return moeclip::join_path(folder_of(path), key + ".safetensors");
}

constexpr const char* kLeftOut = "; the run is left out, and made again if it is wanted";

const std::string& key_of(const Json& record) { return record.at("key").as_string(); }

}  // namespace

template <class Change>
void AblationStore::update(Change change) {
  if (path_.empty()) return change();
  moeclip::create_directories(folder_of(path_));
  const FileLock lock(moeclip::join_path(folder_of(path_), ".lock"));
  if (!lock.is_held())
    remark(concat(path_, ": this disk has no locks; give each process an --out of its own, and --merge them"));
  if (moeclip::file_exists(path_)) read(path_);
  change();
}

AblationStore::AblationStore(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  moeclip::expect_file_writable(path_);
  if (moeclip::file_exists(path_)) read(path_);
}

std::vector<std::string> AblationStore::read(const std::string& path) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 30;
  const auto bytes = moeclip::read_file(path, kLargest);
  const bool has_tables = moeclip::is_directory(folder_of(path));
  std::vector<std::string> keys, damages;
  bool has_runs = bytes.empty();
  std::string_view text = moeclip::as_text(bytes);
  for (std::int64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    try {
      if (end > 0) {
        Json record = read_record(text.substr(0, end), path, number);
        has_runs = true;
        std::string key = key_of(record);
        if (has_tables && take(std::move(record), path, number)) keys.push_back(std::move(key));
      }
    } catch (const moeclip::Error& error) {
      if (error.code() == moeclip::ErrorCode::io) throw;
      damages.emplace_back(error.what());
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!has_runs && !damages.empty())  // somebody's other file: it stays as it is
    moeclip::fail(moeclip::ErrorCode::format, concat(damages.front(), "; no finished run of `ablate` is in this file"));
  if (!has_tables && !bytes.empty())
    remark(
        concat(path, ": no run of it is taken, because ", folder_of(path), ", which has their pictures, is missing"));
  for (const std::string& damage : damages) remark(concat(damage, kLeftOut));
  return keys;
}

/// Takes a run in unless it is known, or not to be believed; says whether it is there now.
bool AblationStore::take(Json record, const std::string& path, std::int64_t line) {
  const std::string place = concat(path, ": line ", line), table = table_path(path, key_of(record));
  if (const Json* const known = find(key_of(record))) {
    if (!has_same_scores(*known, record))
      remark(concat(place, ": the same run was read before, with other scores; this line is left out"));
    return true;
  }
  moeclip::PictureTable pictures;
  try {
    pictures = moeclip::read_picture_table(table);
    expect_agreement(record, pictures, place);
  } catch (const moeclip::Error& error) {
    const bool is_table = std::string_view(error.what()).starts_with(table);
    remark(concat(is_table ? concat(place, ": its pictures cannot be used: ") : "", error.what(), kLeftOut));
    return false;
  }
  if (path == path_) pictures = {};  // they are where they belong
  add(std::move(record), std::move(pictures));
  return true;
}

/// Adds a run; its table, unless it is empty, goes to the file's folder, or stays in memory.
void AblationStore::add(Json record, moeclip::PictureTable pictures) {
  std::string key = key_of(record);
  if (path_.empty())
    tables_.emplace(key, std::move(pictures));
  else if (!pictures.pictures.empty())
    moeclip::write_picture_table(table_path(path_, key), pictures);
  runs_.emplace(key, std::move(record));
  order_.push_back(std::move(key));
}

void AblationStore::remark(const std::string& message) {
  if (remarks_.insert(message).second) say(message);
}

std::vector<std::string> AblationStore::merge(const std::string& path) {
  std::vector<std::string> keys;
  update([&] {
    keys = read(path);
    write();
  });
  return keys;
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
  update([&] {
    if (find(run.key) != nullptr) return;                     // another process was faster
    add(record_of(run, result), std::move(result.pictures));  // the table first: a run whose line is there has one
    write();
  });
}

}  // namespace cli
