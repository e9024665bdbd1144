// SPDX-License-Identifier: MIT
#pragma once
// A folder of the system's temporary one that goes when the test ends.

#include <unistd.h>

#include <filesystem>
#include <moeclip/io/file.hpp>
#include <string>
#include <string_view>

class TemporaryFolder {
 public:
  /// `purpose` is part of its name, and differs from test to test.
  explicit TemporaryFolder(std::string_view purpose)
      : path_((std::filesystem::temp_directory_path() / moeclip::concat("moeclip_test_", purpose, "_", ::getpid()))
                  .generic_string()) {
    moeclip::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

  /// Writes a file into the folder and returns its path.
  std::string write(const std::string& name, std::string_view text) const {
    const std::string path = moeclip::join_path(path_, name);
    moeclip::write_file(path, moeclip::as_bytes(text));
    return path;
  }

  /// Copies a file into the folder.
  std::string copy(const std::string& from) const {
    const std::string to = moeclip::join_path(path_, moeclip::file_name(from));
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
    return to;
  }

 private:
  std::string path_;
};
