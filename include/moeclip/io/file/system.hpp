// SPDX-License-Identifier: MIT
#pragma once
// Defines what io/file.hpp declares. It is the only header that talks to the operating system about files.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#if defined(_WIN32)
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <io.h>
#include <process.h>
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif
#endif

#include "../file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// `path` as the system spells it. Throws io for a path with a zero byte, where the system would silently stop.
inline std::filesystem::path native_path(const std::string& path) {
  if (const std::size_t zero = path.find('\0'); zero != std::string::npos)
    fail(ErrorCode::io, concat(path.substr(0, zero), ": a path cannot contain a zero byte"));
  return std::filesystem::path(std::u8string(path.begin(), path.end()));
}

inline std::string utf8_path(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return std::string(text.begin(), text.end());
}

/// Reports that `path` could not be `treated` ("opened", "written"), with the system's reason.
[[noreturn]] inline void fail_io(const std::string& path, std::string_view treated, const std::error_code& reason) {
  fail(ErrorCode::io, concat(path, ": cannot be ", treated, ": ", reason.message()));
}

/// Reason of the last failed call of the C library.
inline std::error_code library_error() { return {errno, std::generic_category()}; }

/// Throws io unless `path` exists and is not a directory: the two mistakes that deserve their own words.
inline std::filesystem::file_type expect_file(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::status(native_path(path), error).type();
  if (type == std::filesystem::file_type::not_found) fail(ErrorCode::io, concat(path, ": no such file"));
  if (type == std::filesystem::file_type::directory)
    fail(ErrorCode::io, concat(path, ": is a directory, a file is wanted"));
  if (type == std::filesystem::file_type::none) fail_io(path, "opened", error);
  return type;
}

struct StreamCloser {
  void operator()(std::FILE* stream) const { std::fclose(stream); }
};
using Stream = std::unique_ptr<std::FILE, StreamCloser>;

/// Opens `path` in a mode of fopen's; null, with errno set, if that fails.
inline Stream open_stream(const std::filesystem::path& path, const char* mode) {
#if defined(_WIN32)
  const std::wstring wide(mode, mode + std::char_traits<char>::length(mode));
  return Stream(::_wfopen(path.c_str(), wide.c_str()));
#else
  return Stream(std::fopen(path.c_str(), mode));
#endif
}

/// Waits until what was written to `stream` is on the disk. False, with errno set, if it cannot get there.
inline bool sync_stream(std::FILE* stream) {
  if (std::fflush(stream) != 0) return false;
#if defined(_WIN32)
  return ::_commit(::_fileno(stream)) == 0;
#else
  return ::fsync(::fileno(stream)) == 0 || errno == EINVAL || errno == ENOTSUP;  // a pipe or device has no disk
#endif
}

inline long process_id() {
#if defined(_WIN32)
  return static_cast<long>(::_getpid());
#else
  return static_cast<long>(::getpid());
#endif
}

/// What FileWriter holds.
class PendingFile {
 public:
  explicit PendingFile(const std::string& path) : path_(path), target_(detail::native_path(path)) {
    std::error_code error;
    const auto status = std::filesystem::status(target_, error);
    if (std::filesystem::is_directory(status))
      fail(ErrorCode::io, concat(path, ": is a directory, a file was to be written"));
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
      stream_ = detail::open_stream(target_, "wb");
    } else {
      if (std::filesystem::is_symlink(target_, error)) target_ = std::filesystem::weakly_canonical(target_, error);
      open_temporary();
    }
    if (stream_ == nullptr) detail::fail_io(path_, "written", detail::library_error());
  }

  ~PendingFile() { abandon(); }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  void write(Bytes bytes) {
    MOECLIP_EXPECT(stream_ != nullptr, path_, ": write after commit or after a failure");
    if (bytes.empty()) return;
    if (std::fwrite(bytes.data(), 1, bytes.size(), stream_.get()) != bytes.size()) give_up(detail::library_error());
  }

  void commit() {
    MOECLIP_EXPECT(stream_ != nullptr, path_, ": commit twice or after a failure");
    if (!detail::sync_stream(stream_.get())) give_up(detail::library_error());
    if (std::fclose(stream_.release()) != 0) give_up(detail::library_error());
    if (temporary_.empty()) return;
    std::error_code error;
    const auto old = std::filesystem::status(target_, error);  // whose permissions stay, if that can be
    if (std::filesystem::exists(old)) std::filesystem::permissions(temporary_, old.permissions(), error);
    std::filesystem::rename(temporary_, target_, error);
    if (error) give_up(error);
    temporary_.clear();
  }

 private:
  /// The name is unique on this machine, and "x" (fail if it exists) makes it so on a shared folder too.
  void open_temporary() {
    static std::atomic<unsigned> counter{0};
    for (int attempt = 0; attempt < 1000 && stream_ == nullptr; ++attempt) {
      const unsigned number = counter.fetch_add(1, std::memory_order_relaxed);
      temporary_ = target_.parent_path() / concat(".moeclip-", detail::process_id(), "-", number);
      stream_ = detail::open_stream(temporary_, "wbx");
      if (stream_ == nullptr && errno != EEXIST) break;
    }
    if (stream_ == nullptr) temporary_.clear();
  }

  void abandon() {
    stream_.reset();
    std::error_code ignored;
    if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
    temporary_.clear();
  }

  [[noreturn]] void give_up(const std::error_code& reason) {
    abandon();
    detail::fail_io(path_, "written", reason);
  }

  std::string path_;
  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty: written directly, or nothing to remove
  detail::Stream stream_;
};

}  // namespace detail

MOECLIP_FUNC std::shared_ptr<MappedFile> MappedFile::open(const std::string& path) {
  if (detail::expect_file(path) != std::filesystem::file_type::regular)
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
  const HANDLE file = ::CreateFileW(detail::native_path(path_).c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
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
  const int file = ::open(detail::native_path(path_).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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
MOECLIP_FUNC void FileWriter::commit() { file_->commit(); }

MOECLIP_FUNC std::vector<std::byte> read_file(const std::string& path, std::uint64_t max_bytes) {
  const bool is_named_pipe = detail::expect_file(path) == std::filesystem::file_type::fifo;
  if (is_named_pipe && !path.starts_with("/dev/") && !path.starts_with("/proc/"))  // nobody may ever write to it
    fail(ErrorCode::io, concat(path, ": is a named pipe; give a file, or the data through standard input"));
  const detail::Stream stream = detail::open_stream(detail::native_path(path), "rb");
  if (stream == nullptr) detail::fail_io(path, "opened", detail::library_error());
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(detail::native_path(path), error);
  // One byte more than the file has, so that the first read meets its end. A pipe has no size: room grows with it.
  constexpr std::size_t kStep = std::size_t{1} << 16;
  std::size_t room = !error && size <= max_bytes ? static_cast<std::size_t>(size) + 1 : kStep;
  std::vector<std::byte> bytes;
  for (std::size_t filled = 0;; room = filled + (std::max)(filled / 2, kStep)) {
    bytes.resize(room);
    filled += std::fread(bytes.data() + filled, 1, room - filled, stream.get());
    if (std::ferror(stream.get()) != 0) detail::fail_io(path, "read", detail::library_error());
    if (filled > max_bytes)
      fail(ErrorCode::limit, concat(path, ": is larger than the ", max_bytes, " bytes that such a file may have"));
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

MOECLIP_FUNC bool file_exists(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(detail::native_path(path), error);
  return std::filesystem::exists(status) && !std::filesystem::is_directory(status);
}

MOECLIP_FUNC bool is_directory(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(detail::native_path(path), error);
}

MOECLIP_FUNC std::string file_name(const std::string& path) {
  return detail::utf8_path(detail::native_path(path).filename());
}

MOECLIP_FUNC std::string file_extension(const std::string& path) {
  std::string extension = detail::utf8_path(detail::native_path(path).extension());
  for (char& letter : extension)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return extension;
}

MOECLIP_FUNC std::string parent_directory(const std::string& path) {
  const auto parent = detail::native_path(path).parent_path();
  return parent.empty() ? "." : detail::utf8_path(parent);
}

MOECLIP_FUNC std::string join_path(const std::string& a, const std::string& b) {
  return detail::utf8_path(detail::native_path(a) / detail::native_path(b));
}

MOECLIP_FUNC std::vector<std::string> list_files(const std::string& directory, bool recursive) {
  std::error_code error;
  std::vector<std::string> files;
  std::filesystem::recursive_directory_iterator entry(detail::native_path(directory), error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code vanished;  // an entry may be gone again, or be a link to nowhere: then it is no file
    if (entry->is_regular_file(vanished)) files.push_back(detail::utf8_path(entry->path()));
    if (!recursive) entry.disable_recursion_pending();
  }
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
