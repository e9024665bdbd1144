// SPDX-License-Identifier: MIT
#pragma once
// The calls of the operating system and of std::filesystem that io/file.hpp and io/folder_tree.hpp are made of. No
// other header of the library talks to the system about files.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
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
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif
#endif

#include "../../base/function_ref.hpp"
#include "../bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline void expect_path(const std::string& path) {
  if (const std::size_t zero = path.find('\0'); zero != std::string::npos)
    fail(ErrorCode::io, concat(path.substr(0, zero), ": a path cannot contain a zero byte"));
}

/// `path` as the system spells it. Throws io for a path with a zero byte, where the system would silently stop.
inline std::filesystem::path native_path(const std::string& path) {
  expect_path(path);
  return std::filesystem::path(std::u8string(path.begin(), path.end()));
}

#if defined(_WIN32)

/// The same for a call of the system.
inline std::filesystem::path native_name(const std::string& path) { return native_path(path); }

#else

// What reads does without std::filesystem, which a program of a megabyte would pay for with a quarter of it.

/// The same for a call of the system.
inline const std::string& native_name(const std::string& path) {
  expect_path(path);
  return path;
}

#endif

/// With '/' between its parts on every system, as paths are that have been put together here.
inline std::string utf8_path(const std::filesystem::path& path) {
  const std::u8string text = path.generic_u8string();
  return std::string(text.begin(), text.end());
}

/// Reports that `path` could not be `treated` ("opened", "written"), with the system's reason.
[[noreturn]] inline void fail_io(const std::string& path, std::string_view treated, const std::error_code& reason) {
  fail(ErrorCode::io, concat(path, ": cannot be ", treated, ": ", reason.message()));
}

/// Reason of the last failed call of the C library.
inline std::error_code library_error() { return {errno, std::generic_category()}; }

/// What `path` is, and how large if it is a file.
struct PathState {
  std::filesystem::file_type type = std::filesystem::file_type::none;  ///< none: it cannot be looked at
  std::uint64_t size = 0;
  std::error_code error;  ///< why not
};

#if defined(_WIN32)

inline PathState state_of(const std::string& path) {
  PathState state;
  state.type = std::filesystem::status(native_path(path), state.error).type();
  std::error_code ignored;
  if (state.type == std::filesystem::file_type::regular)
    state.size = std::filesystem::file_size(native_path(path), ignored);
  return state;
}

#else

inline PathState state_of(const std::string& path) {
  using std::filesystem::file_type;
  struct stat status {};
  if (::stat(native_name(path).c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {file_type::not_found, 0, {}};
    return {file_type::none, 0, library_error()};
  }
  if (S_ISREG(status.st_mode)) return {file_type::regular, static_cast<std::uint64_t>(status.st_size), {}};
  return {S_ISDIR(status.st_mode)    ? file_type::directory
          : S_ISFIFO(status.st_mode) ? file_type::fifo
                                     : file_type::unknown,
          0,
          {}};
}

#endif

/// An entry of a folder.
struct FolderEntry {
  std::string name, path;           ///< path: as the folder's was written, with the name behind it
  std::filesystem::file_type type;  ///< of what a link leads to; not_found: to nothing; none: it cannot be looked at
  bool is_link = false;
  std::error_code error;  ///< why not
};

/// Looks at what `path` is, links followed.
inline FolderEntry look_at_entry(std::string name, std::string path, std::filesystem::file_type type) {
  using std::filesystem::file_type;
  FolderEntry entry{std::move(name), std::move(path), type, type == file_type::symlink, {}};
  if (type == file_type::regular || type == file_type::directory) return entry;
  const PathState state = state_of(entry.path);
  entry.type = state.type;
  entry.error = state.error;
  return entry;
}

#if defined(_WIN32)

/// Calls `visit` with each entry of a folder, in the system's order. What is returned says why it ended early.
inline std::error_code list_folder(const std::string& folder, function_ref<void(FolderEntry)> visit) {
  std::error_code error, unknown;
  std::filesystem::directory_iterator entry(native_path(folder), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = utf8_path(entry->path().filename());
    visit(look_at_entry(name, concat(folder, "/", name), entry->symlink_status(unknown).type()));
  }
  return error;
}

#else

struct FolderCloser {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

/// What an entry is, as far as reading the folder tells.
inline std::filesystem::file_type type_of([[maybe_unused]] const dirent& entry) {
  using std::filesystem::file_type;
#if defined(DT_UNKNOWN)
  if (entry.d_type == DT_REG) return file_type::regular;
  if (entry.d_type == DT_DIR) return file_type::directory;
  if (entry.d_type == DT_LNK) return file_type::symlink;
#endif
  return file_type::unknown;
}

/// Calls `visit` with each entry of a folder, in the system's order. What is returned says why it ended early. Not by
/// std::filesystem, whose iterator ends the program where memory runs out (libstdc++).
inline std::error_code list_folder(const std::string& folder, function_ref<void(FolderEntry)> visit) {
  const std::unique_ptr<DIR, FolderCloser> opened(::opendir(native_name(folder).c_str()));
  if (opened == nullptr) return library_error();
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(opened.get());
    if (entry == nullptr) return library_error();
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    std::string path = concat(folder, folder.ends_with('/') ? "" : "/", name);
    std::filesystem::file_type type = type_of(*entry);
    struct stat status {};
    if (type == std::filesystem::file_type::unknown && ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode))
      type = std::filesystem::file_type::symlink;
    visit(look_at_entry(name, std::move(path), type));
  }
}

#endif

/// Throws io unless `path` exists and is not a directory: the two mistakes that deserve their own words.
inline PathState expect_file(const std::string& path) {
  const PathState state = state_of(path);
  const auto type = state.type;
  if (type == std::filesystem::file_type::not_found) fail(ErrorCode::io, concat(path, ": no such file"));
  if (type == std::filesystem::file_type::directory)
    fail(ErrorCode::io, concat(path, ": is a directory, a file is wanted"));
  if (type == std::filesystem::file_type::none) fail_io(path, "opened", state.error);
  return state;
}

/// True for what is no file that could be replaced, and no directory: a device, a pipe, a socket.
inline bool is_device(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
         !std::filesystem::is_directory(status);
}

struct StreamCloser {
  void operator()(std::FILE* stream) const { std::fclose(stream); }
};
using Stream = std::unique_ptr<std::FILE, StreamCloser>;

/// Opens `path` in a mode of fopen's; null, with errno set, if that fails.
inline Stream open_stream(const std::filesystem::path::value_type* path, const char* mode) {
#if defined(_WIN32)
  const std::wstring wide(mode, mode + std::char_traits<char>::length(mode));
  return Stream(::_wfopen(path, wide.c_str()));
#else
  return Stream(std::fopen(path, mode));
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
    if (std::filesystem::is_directory(target_, error))
      fail(ErrorCode::io, concat(path, ": is a directory, a file was to be written"));
    if (is_device(target_)) {
      stream_ = detail::open_stream(target_.c_str(), "wb");
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

  /// Writes over what was written from `offset` on. False where that cannot be: a pipe takes nothing back.
  bool rewrite(std::uint64_t offset, Bytes bytes) {
    MOECLIP_EXPECT(stream_ != nullptr, path_, ": rewrite after commit or after a failure");
    constexpr auto kFarthest = static_cast<std::uint64_t>((std::numeric_limits<long>::max)());
    if (std::fflush(stream_.get()) != 0) give_up(detail::library_error());  // a full disk is no pipe
    if (offset > kFarthest || std::fseek(stream_.get(), static_cast<long>(offset), SEEK_SET) != 0) return false;
    write(bytes);
    if (std::fseek(stream_.get(), 0, SEEK_END) != 0) give_up(detail::library_error());
    return true;
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
      stream_ = detail::open_stream(temporary_.c_str(), "wbx");
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

}}  // namespace moeclip::abi_v0_1
