// SPDX-License-Identifier: MIT
// What the system says about a watched folder: inotify on Linux, else nothing, and the folder is looked at.

#include <array>
#include <cstring>

#include "commands.hpp"
#include "watch.hpp"

#if defined(__linux__)
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>
#endif

namespace cli {

#if defined(__linux__)

namespace {

/// Whether others may write there without this system knowing: network file systems.
bool is_remote(const std::string& folder) {
  constexpr std::array<unsigned long, 8> kRemote{
      0x6969 /* NFS */,      0x517B /* SMB */,    0xFF534D42 /* CIFS */, 0xFE534D42 /* SMB2 */,
      0x65735546 /* FUSE */, 0x01021997 /* 9P */, 0x00C36400 /* Ceph */, 0x5346414F /* AFS */};
  struct statfs status {};
  if (::statfs(folder.c_str(), &status) != 0) return false;
  const auto type = static_cast<unsigned long>(status.f_type) & 0xFFFFFFFFul;
  for (const unsigned long remote : kRemote)
    if (type == remote) return true;
  return false;
}

}  // namespace

void FolderEvents::open() {
  if (!options_.poll && !is_remote(options_.folder)) descriptor_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

FolderEvents::~FolderEvents() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool FolderEvents::add(const std::string& folder) {
  if (descriptor_ < 0) return false;
  const int watch = ::inotify_add_watch(descriptor_, folder.c_str(),
                                        IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF);
  if (watch >= 0) {
    const bool is_new = !folders_.contains(watch);
    folders_[watch] = folder;  // it may have been renamed
    return is_new;
  }
  say(folder + ": the system cannot watch this folder, so it is looked at now and then");  // too many watches
  ::close(descriptor_);
  descriptor_ = -1;
  return false;
}

std::vector<FolderEvents::Event> FolderEvents::wait(int milliseconds, bool& must_look) {
  std::vector<Event> events;
  if (descriptor_ < 0) {
    const int step = static_cast<int>(1000 * options_.poll.value_or(1));
    stop_.wait(-1, milliseconds < 0 || milliseconds > step ? step : milliseconds);
    must_look = true;
    return events;
  }
  if (!stop_.wait(descriptor_, milliseconds)) return events;
  alignas(inotify_event) std::array<char, 1 << 16> buffer;
  const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
  for (ssize_t at = 0; at < count;) {
    inotify_event event;
    std::memcpy(&event, buffer.data() + at, sizeof(event));
    const std::string_view name(event.len > 0 ? buffer.data() + at + sizeof(event) : "");
    at += static_cast<ssize_t>(sizeof(event) + event.len);
    const bool is_folder = (event.mask & IN_ISDIR) != 0;
    if (is_folder || (event.mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) must_look = true;
    if ((event.mask & IN_IGNORED) != 0) folders_.erase(event.wd);
    const auto folder = folders_.find(event.wd);
    if (is_folder || name.starts_with('.') || !is_input_name(name) || folder == folders_.end()) continue;
    events.push_back(
        {moeclip::join_path(folder->second, std::string(name)), (event.mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0});
  }
  return events;
}

#else

void FolderEvents::open() {}
FolderEvents::~FolderEvents() = default;
bool FolderEvents::add(const std::string&) { return false; }

std::vector<FolderEvents::Event> FolderEvents::wait(int milliseconds, bool& must_look) {
  const int step = static_cast<int>(1000 * options_.poll.value_or(1));
  stop_.wait(-1, milliseconds < 0 || milliseconds > step ? step : milliseconds);
  must_look = true;
  return {};
}

#endif

}  // namespace cli
