// SPDX-License-Identifier: MIT
#pragma once
// Files and folders. Paths are UTF-8 std::string on every system (on POSIX any bytes). Every failure is an Error with
// code io that names the path and the reason. Only file/system.hpp talks to the system.

#include <memory>
#include <string>
#include <vector>

#include "../base/checked.hpp"
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

  /// Writes `bytes` over what was written from `offset` on; false if that cannot be, as in a pipe. Throws io as write.
  bool rewrite(std::uint64_t offset, Bytes bytes);

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

/// Throws io if FileWriter(path) would, and changes nothing: for asking before long work whose result goes there. A
/// device or a pipe is not opened.
void expect_file_writable(const std::string& path);

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

/// `a` and `b` with one "/" between; `b` alone if it is absolute or `a` is empty.
std::string join_path(const std::string& a, const std::string& b);

/// Paths of the files in `directory`, sorted by their bytes. Throws io if it cannot be read.
std::vector<std::string> list_files(const std::string& directory);

/// Makes `path` and the folders above it where they are missing. Throws io.
void create_directories(const std::string& path);

/// Folder of the running program, "" where the system does not tell.
std::string executable_directory();

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>
#include <utility>

#include "file/system.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::shared_ptr<MappedFile> MappedFile::open(const std::string& path) {
  if (detail::expect_file(path).type != std::filesystem::file_type::regular)
    fail(ErrorCode::io, concat(path, ": is a pipe or a device; a regular file is wanted"));
  auto file = std::shared_ptr<MappedFile>(new MappedFile(path));
  file->map();
  return file;
}

#if defined(_WIN32)

MOECLIP_FUNC MappedFile::~MappedFile() {
  if (data_ != nullptr) ::UnmapViewOfFile(data_);
}

MOECLIP_FUNC void MappedFile::discard(std::uint64_t, std::uint64_t) noexcept {
}  // Windows trims a working set by itself

MOECLIP_FUNC void MappedFile::map() {
  const auto system_error = [] { return std::error_code(static_cast<int>(::GetLastError()), std::system_category()); };
  const HANDLE file = ::CreateFileW(detail::native_name(path_).c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
                                    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) detail::fail_io(path_, "opened", system_error());
  std::error_code error;
  LARGE_INTEGER size{};
  if (::GetFileSizeEx(file, &size) == 0) error = system_error();
  if (!error && size.QuadPart > 0) {
    const HANDLE mapping = ::CreateFileMappingW(file, nullptr, PAGE_WRITECOPY, 0, 0, nullptr);
    if (mapping != nullptr) data_ = static_cast<std::byte*>(::MapViewOfFile(mapping, FILE_MAP_COPY, 0, 0, 0));
    if (data_ == nullptr) error = system_error();
    if (mapping != nullptr) ::CloseHandle(mapping);  // the view keeps what it needs
  }
  ::CloseHandle(file);
  if (error) detail::fail_io(path_, "opened", error);
  size_ = static_cast<std::uint64_t>(size.QuadPart);
}

#else

MOECLIP_FUNC MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, static_cast<std::size_t>(size_));
}

MOECLIP_FUNC void MappedFile::discard(std::uint64_t offset, std::uint64_t length) noexcept {
  if (!range_fits(offset, length, size_)) return;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t first = (offset + page - 1) / page * page;
  const std::uint64_t last = offset + length == size_ ? size_ : (offset + length) / page * page;
  if (first < last) ::madvise(data_ + first, static_cast<std::size_t>(last - first), MADV_DONTNEED);
}

MOECLIP_FUNC void MappedFile::map() {
  // A pipe could have taken the file's place since it was looked at; without O_NONBLOCK that would hang.
  const int file = ::open(detail::native_name(path_).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) detail::fail_io(path_, "opened", detail::library_error());
  std::error_code error;
  struct stat status {};
  if (::fstat(file, &status) != 0) error = detail::library_error();
  if (!error && status.st_size > 0) {
    int flags = MAP_PRIVATE;
#if defined(MAP_NORESERVE)
    flags |= MAP_NORESERVE;  // weights may be larger than memory; few of the pages will ever be written to
#endif
    void* memory = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE, flags, file, 0);
    if (memory == MAP_FAILED) {
      error = detail::library_error();
    } else {
      data_ = static_cast<std::byte*>(memory);
      size_ = static_cast<std::uint64_t>(status.st_size);
    }
  }
  ::close(file);
  if (error) detail::fail_io(path_, "opened", error);
}

#endif

MOECLIP_FUNC FileWriter::FileWriter(const std::string& path) : file_(std::make_unique<detail::PendingFile>(path)) {}
MOECLIP_FUNC FileWriter::~FileWriter() = default;
MOECLIP_FUNC void FileWriter::write(Bytes bytes) { file_->write(bytes); }
MOECLIP_FUNC bool FileWriter::rewrite(std::uint64_t offset, Bytes bytes) { return file_->rewrite(offset, bytes); }
MOECLIP_FUNC void FileWriter::commit() { file_->commit(); }

MOECLIP_FUNC std::vector<std::byte> read_file(const std::string& path, std::uint64_t max_bytes) {
  const detail::PathState state = detail::expect_file(path);
  const bool is_named_pipe = state.type == std::filesystem::file_type::fifo;
  if (is_named_pipe && !path.starts_with("/dev/") && !path.starts_with("/proc/"))  // nobody may ever write to it
    fail(ErrorCode::io, concat(path, ": is a named pipe; give a file, or the data through standard input"));
  const detail::Stream stream = detail::open_stream(detail::native_name(path).c_str(), "rb");
  if (stream == nullptr) detail::fail_io(path, "opened", detail::library_error());
  // One byte more than the file has, so that the first read meets its end. A pipe has no size: room grows with it.
  constexpr std::size_t kStep = std::size_t{1} << 16;
  const bool is_sized = state.type == std::filesystem::file_type::regular && state.size <= max_bytes;
  std::size_t room = is_sized ? static_cast<std::size_t>(state.size) + 1 : kStep;
  std::vector<std::byte> bytes;
  for (std::size_t filled = 0;; room = filled + (std::max)(filled / 2, kStep)) {
    bytes.resize(room);
    filled += std::fread(bytes.data() + filled, 1, room - filled, stream.get());
    if (std::ferror(stream.get()) != 0) detail::fail_io(path, "read", detail::library_error());
    if (filled > max_bytes)
      fail(ErrorCode::limit,
           concat(path, ": is larger than the ", counted(max_bytes, "byte"), " that such a file may have"));
    if (filled < room) {
      bytes.resize(filled);
      return bytes;
    }
  }
}

MOECLIP_FUNC void write_file(const std::string& path, Bytes bytes) {
  FileWriter writer(path);
  writer.write(bytes);
  writer.commit();
}

MOECLIP_FUNC void expect_file_writable(const std::string& path) {
  if (!detail::is_device(detail::native_path(path))) static_cast<void>(FileWriter(path));
}

MOECLIP_FUNC bool file_exists(const std::string& path) {
  const auto type = detail::state_of(path).type;
  return type != std::filesystem::file_type::none && type != std::filesystem::file_type::not_found &&
         type != std::filesystem::file_type::directory;
}

MOECLIP_FUNC bool is_directory(const std::string& path) {
  return detail::state_of(path).type == std::filesystem::file_type::directory;
}

#if defined(_WIN32)

MOECLIP_FUNC std::string file_name(const std::string& path) {
  return detail::utf8_path(detail::native_path(path).filename());
}

MOECLIP_FUNC std::string parent_directory(const std::string& path) {
  const auto parent = detail::native_path(path).parent_path();
  return parent.empty() ? "." : detail::utf8_path(parent);
}

MOECLIP_FUNC std::string join_path(const std::string& a, const std::string& b) {
  return detail::utf8_path(detail::native_path(a) / detail::native_path(b));
}

#else

MOECLIP_FUNC std::string file_name(const std::string& path) {
  return detail::native_name(path).substr(path.rfind('/') + 1);  // npos + 1 is 0
}

MOECLIP_FUNC std::string parent_directory(const std::string& path) {
  const std::size_t slash = detail::native_name(path).rfind('/');
  if (slash == std::string::npos) return ".";
  const std::size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

MOECLIP_FUNC std::string join_path(const std::string& a, const std::string& b) {
  if (a.empty() || detail::native_name(b).starts_with('/')) return b;
  return concat(detail::native_name(a), a.ends_with('/') ? "" : "/", b);
}

#endif

MOECLIP_FUNC std::string file_extension(const std::string& path) {
  const std::string name = file_name(path);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0 || name == "..") return "";
  std::string extension = name.substr(dot);
  for (char& letter : extension)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return extension;
}

MOECLIP_FUNC std::vector<std::string> list_files(const std::string& directory) {
  std::vector<std::string> files;
  const std::error_code error = detail::list_folder(directory, [&](detail::FolderEntry entry) {
    if (entry.type == std::filesystem::file_type::regular) files.push_back(std::move(entry.path));
  });
  if (error) detail::fail_io(directory, "listed", error);
  std::sort(files.begin(), files.end());
  return files;
}

MOECLIP_FUNC void create_directories(const std::string& path) {
  std::error_code error;
  if (!is_directory(path)) std::filesystem::create_directories(detail::native_path(path), error);
  if (error) detail::fail_io(path, "created as a directory", error);
}

MOECLIP_FUNC std::string executable_directory() {
  std::error_code error;
#if defined(_WIN32)
  std::wstring name(32768, L'\0');  // the longest path of Windows
  name.resize(::GetModuleFileNameW(nullptr, name.data(), static_cast<DWORD>(name.size())));
  const std::filesystem::path program(name);
#elif defined(__APPLE__)
  std::uint32_t size = 0;
  ::_NSGetExecutablePath(nullptr, &size);
  std::string name(size, '\0');
  if (::_NSGetExecutablePath(name.data(), &size) != 0) return "";
  const auto program = std::filesystem::canonical(name.c_str(), error);
#else
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
#endif
  return error ? std::string() : detail::utf8_path(program.parent_path());
}

}}  // namespace moeclip::abi_v0_1

#endif
