// SPDX-License-Identifier: MIT
#pragma once
// Files and folders. Paths are UTF-8 std::string on every system (on POSIX any bytes). Every failure is an Error with
// code io that names the path and the reason. What talks to the operating system is in file/system.hpp.

#include <memory>
#include <string>
#include <vector>

#include "bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
class PendingFile;
}

/// A file in memory without reading it: pages come from disk as they are touched. The mapping is private and
/// copy-on-write, so it may be written to, and what is written never reaches the file. An empty file is an empty span.
/// While it is mapped, no other program may cut the file short.
class MappedFile {
 public:
  /// Throws io if `path` is missing, a directory, unreadable, or not a regular file (a pipe cannot be mapped).
  static std::shared_ptr<MappedFile> open(const std::string& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::byte* data() noexcept { return data_; }  ///< the first byte, writable; null if there are none
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  ///< in bytes
  /// The whole file, to be read; valid as long as the mapping.
  [[nodiscard]] Bytes bytes() const noexcept { return {data_, static_cast<std::size_t>(size_)}; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }  ///< as it was given to open

  /// Lets the system take back the memory of [offset, offset + length), which will not be used again. Only whole pages
  /// go; a hint, without effect where the system knows none.
  void discard(std::uint64_t offset, std::uint64_t length) noexcept;

 private:
  explicit MappedFile(const std::string& path) : path_(path) {}
  void map();

  std::string path_;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

/// Writes a file so that it appears whole or not at all: the bytes go to a temporary name in the same folder, and
/// commit() moves it to `path`. A link is followed to the file it stands for; a device or a pipe is written directly.
class FileWriter {
 public:
  /// Throws io if the folder is missing or may not be written to, or if `path` is a directory.
  explicit FileWriter(const std::string& path);

  /// Without commit(), removes what was written.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  /// Appends `bytes`. Throws io if the disk does not take them all; the temporary is gone by then.
  void write(Bytes bytes);

  /// Makes the file appear under its name, in place of one that was there. If the disk does not take everything, throws
  /// io and leaves the old one.
  void commit();

 private:
  std::unique_ptr<detail::PendingFile> file_;
};

/// The whole of `path`, which may be a pipe. Throws io, or limit if it holds more than `max_bytes`.
std::vector<std::byte> read_file(const std::string& path, std::uint64_t max_bytes);

/// Writes `bytes` to `path` as FileWriter does: whole or not at all. Throws io.
void write_file(const std::string& path, Bytes bytes);

/// True if `path` is there and is not a directory. False if it cannot be looked at.
bool file_exists(const std::string& path);

/// True if `path` is a directory, or a link to one.
bool is_directory(const std::string& path);

/// Last part of a path: "c.TXT" of "a/b/c.TXT".
std::string file_name(const std::string& path);

/// Extension with its dot, ASCII letters lower-case: ".txt" of "a/c.TXT", ".gz" of "c.txt.gz", "" of ".profile".
std::string file_extension(const std::string& path);

/// The folder that `path` lies in: "a/b" of "a/b/c", "." of "c".
std::string parent_directory(const std::string& path);

/// `a` and `b` with one separator between; `b` alone if it is absolute or `a` is empty.
std::string join_path(const std::string& a, const std::string& b);

/// Paths of the files in `directory`, sorted by their bytes; with `recursive` also of those in folders below (links to
/// folders are not followed). Throws io if a folder cannot be read.
std::vector<std::string> list_files(const std::string& directory, bool recursive);

/// Makes `path` and the folders above it where they are missing. Throws io.
void create_directories(const std::string& path);

/// Folder of the running program, "" where the system does not tell.
std::string executable_directory();

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)
#include "file/system.hpp"
#endif
