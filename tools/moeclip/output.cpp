// SPDX-License-Identifier: MIT
#include "output.hpp"

#include <cerrno>
#include <cstdio>
#include <moeclip/base/text.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json_writer.hpp>
#include <system_error>

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

void prepare_folder(const std::string& folder) {
  write_outputs([&] {
    moeclip::create_directories(folder);
    moeclip::expect_file_writable(moeclip::join_path(folder, "file"));
  });
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
