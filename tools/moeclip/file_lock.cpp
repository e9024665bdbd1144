// SPDX-License-Identifier: MIT
#include "file_lock.hpp"

#include <cerrno>
#include <filesystem>
#include <moeclip/base/error.hpp>
#include <moeclip/base/text.hpp>
#include <system_error>

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/locking.h>
#include <sys/stat.h>
#else
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#endif

namespace cli {
namespace {

#if defined(_WIN32)

int open_lock(const std::string& path) {
  const std::filesystem::path native(std::u8string(path.begin(), path.end()));
  return ::_wsopen(native.c_str(), _O_RDWR | _O_CREAT | _O_BINARY, _SH_DENYNO, _S_IREAD | _S_IWRITE);
}

/// Tries for ten seconds; EDEADLOCK: somebody else has it still.
bool take_lock(int descriptor) { return ::_locking(descriptor, _LK_LOCK, 1) == 0; }
bool is_worth_waiting() { return errno == EDEADLOCK; }
void close_lock(int descriptor) { ::_close(descriptor); }

#else

int open_lock(const std::string& path) {
  constexpr int kForAll = 0666;  // less what the user's mask takes away
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kForAll);
}

bool take_lock(int descriptor) { return ::flock(descriptor, LOCK_EX) == 0; }
bool is_worth_waiting() { return errno == EINTR; }
void close_lock(int descriptor) { ::close(descriptor); }

#endif

}  // namespace

FileLock::FileLock(const std::string& path) : descriptor_(open_lock(path)) {
  if (descriptor_ < 0)
    moeclip::fail(
        moeclip::ErrorCode::io,
        moeclip::concat(path, ": cannot be written: ", std::error_code(errno, std::generic_category()).message()));
  do is_held_ = take_lock(descriptor_);
  while (!is_held_ && is_worth_waiting());
}

FileLock::~FileLock() { close_lock(descriptor_); }

}  // namespace cli
