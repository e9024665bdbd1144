// SPDX-License-Identifier: MIT
#include "output.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <moeclip/base/text.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json_writer.hpp>
#include <system_error>
#include <vector>

#include "progress.hpp"

namespace cli {

using moeclip::concat;

namespace {

[[noreturn]] void fail_output() {
  const int error = errno;
  const std::string reason = std::error_code(error, std::generic_category()).message();
  const std::string message = concat("standard output cannot be written: ", reason);
  if (error == EPIPE) throw ClosedOutput(message);
  throw OutputError(message);
}

}  // namespace

void print(std::string_view text) {
  messages().clear();  // both may be one terminal
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output();
}

void finish_output() {
  if (std::fflush(stdout) != 0) fail_output();
}

void write_outputs(moeclip::function_ref<void()> work) {
  try {
    work();
  } catch (const moeclip::Error& error) {
    throw OutputError(error.what());
  }
}

void expect_free_name(const std::string& path, bool force) {
  if (moeclip::is_directory(path)) throw OutputError(concat(path, ": is a directory, a file was to be written"));
  if (!force && moeclip::file_exists(path)) throw OutputError(concat(path, ": exists already; --force overwrites it"));
}

void expect_writable(const std::string& path, bool force) {
  expect_free_name(path, force);
  write_outputs([&] { moeclip::expect_file_writable(path); });
}

namespace {

/// `path`, which is UTF-8, as std::filesystem wants it.
std::filesystem::path native_path(const std::string& path) {
  return std::filesystem::path(std::u8string(path.begin(), path.end()));
}

/// The folders that a command has made. Those that are empty when it ends, since it failed, go again.
class MadeFolders {
 public:
  MadeFolders() = default;
  MadeFolders(const MadeFolders&) = delete;
  MadeFolders& operator=(const MadeFolders&) = delete;

  ~MadeFolders() {
    std::error_code ignored;
    for (const std::filesystem::path& folder : folders_) std::filesystem::remove(folder, ignored);  // if it is empty
  }

  /// To be called before `folder` is made.
  void add(const std::string& folder) {
    std::error_code ignored;
    for (std::filesystem::path path = native_path(folder); !path.empty() && !std::filesystem::exists(path, ignored);
         path = path.parent_path())
      folders_.push_back(std::filesystem::absolute(path, ignored));
  }

 private:
  std::vector<std::filesystem::path> folders_;  // the inner ones first
};

MadeFolders& made_folders() {
  static MadeFolders folders;
  return folders;
}

}  // namespace

void prepare_folder(const std::string& folder) {
  made_folders().add(folder);
  write_outputs([&] { moeclip::create_directories(folder); });
  const std::string probe = moeclip::join_path(folder, "file");
  try {
    moeclip::expect_file_writable(probe);
  } catch (const moeclip::Error& error) {
    const std::string what = error.what();
    throw OutputError(what.starts_with(probe) ? folder + what.substr(probe.size()) : what);
  }
}

UnfinishedFolder::UnfinishedFolder(const std::string& out)
    : out_(out), path_(moeclip::join_path(out, ".moeclip-unfinished")) {
  clear();
}

void UnfinishedFolder::finish() {
  namespace fs = std::filesystem;
  const fs::path from = native_path(path_), to = native_path(out_);
  try {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(from))
      if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(from));
    // clang 14 cannot read what the ranges' version returns
    std::stable_partition(files.begin(), files.end(), [](const fs::path& file) { return file.has_parent_path(); });
    for (const fs::path& file : files) {
      fs::create_directories((to / file).parent_path());
      fs::rename(from / file, to / file);
    }
  } catch (const fs::filesystem_error& error) {
    throw OutputError(error.what());
  }
}

void UnfinishedFolder::clear() const {
  std::error_code ignored;
  std::filesystem::remove_all(native_path(path_), ignored);
}

JsonLine::JsonLine(bool is_on) : is_on_(is_on), open_("}") {
  if (is_on_) print("{");
}

void JsonLine::next() {
  if (!is_first_) print(", ");
  is_first_ = false;
}

void JsonLine::member(std::string_view key, const moeclip::Json& value) {
  if (!is_on_) return;
  next();
  print(concat(moeclip::dump_json(key), ": ", moeclip::dump_json(value)));
}

void JsonLine::item(const moeclip::Json& value) {
  if (!is_on_) return;
  next();
  print(moeclip::dump_json(value));
}

void JsonLine::begin(std::string_view key, std::string_view brackets) {
  if (!is_on_) return;
  next();
  print(concat(moeclip::dump_json(key), ": ", brackets[0]));
  open_.push_back(brackets[1]);
  is_first_ = true;
}

void JsonLine::end() {
  if (!is_on_) return;
  print(std::string_view(&open_.back(), 1));
  open_.pop_back();
  is_first_ = false;
}

void JsonLine::finish() {
  if (!is_on_) return;
  while (!open_.empty()) end();
  print("\n");
}

void JsonLine::finish(const moeclip::Error& error) {
  if (!is_on_) return;
  while (open_.size() > 1) end();
  member("error", moeclip::Json::object().set("code", to_string(error.code())).set("message", error.what()));
  finish();
}

}  // namespace cli
