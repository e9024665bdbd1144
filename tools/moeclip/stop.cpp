// SPDX-License-Identifier: MIT
#include "stop.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <moeclip/base/error.hpp>
#include <system_error>
#include <thread>

#include "commands.hpp"

#if defined(_WIN32)
#include <io.h>
#else
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#endif

namespace cli {
namespace {

constexpr std::chrono::milliseconds kPatience{600}, kLastLine{250};  // within a second
volatile std::sig_atomic_t has_signal = 0;

#if defined(_WIN32)

void take_signal(int signal) {
  has_signal = 1;
  std::signal(signal, SIG_DFL);
}

#else

int signal_pipe[2] = {-1, -1};  // becomes readable when the end is asked for, and stays so

void wake() {
  const char byte = 0;
  static_cast<void>(!::write(signal_pipe[1], &byte, 1));  // a full pipe is readable, too
}

void take_signal(int signal) {
  const int error = errno;
  has_signal = 1;
  std::signal(signal, SIG_DFL);
  wake();
  errno = error;
}

#endif

}  // namespace

/// Ends the process when a signal came and the command does not end by itself.
struct StopSignal::Watchdog {
  std::atomic<bool> is_requested{false};
  std::atomic<int> exit_code{kOk};
  std::timed_mutex reporting;
  std::function<void()> last_act;  // guarded by reporting
  std::mutex mutex;
  std::condition_variable is_over;
  bool has_ended = false;
  std::thread thread;

  void watch(const StopSignal& stop) {
    constexpr int kGlance = 1000;  // a wake-up call that fails must not be waited for
    while (!stop.is_wanted()) stop.wait(-1, kGlance);
    std::unique_lock lock(mutex);
    if (is_over.wait_for(lock, kPatience, [&] { return has_ended; }) || has_signal == 0) return;
    const bool is_free = reporting.try_lock_for(kLastLine);  // whoever writes has had its time
    if (is_free && last_act)
      static_cast<void>(attempt(last_act));
    else
      say("stopped by a signal");
    clear_at_once();
    std::_Exit(exit_code);
  }
};

StopSignal::StopSignal() : watchdog_(std::make_unique<Watchdog>()) {
  has_signal = 0;
#if !defined(_WIN32)
  if (::pipe(signal_pipe) != 0) moeclip::fail(moeclip::ErrorCode::io, "no pipe can be made");
  for (const int end : signal_pipe) {
    ::fcntl(end, F_SETFL, O_NONBLOCK);
    ::fcntl(end, F_SETFD, FD_CLOEXEC);
  }
#endif
  std::signal(SIGINT, take_signal);
  std::signal(SIGTERM, take_signal);
#if !defined(_WIN32)
  if (std::signal(SIGHUP, take_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
#endif
  watchdog_->thread = std::thread([this] { watchdog_->watch(*this); });
}

StopSignal::~StopSignal() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
#if !defined(_WIN32)
  if (std::signal(SIGHUP, SIG_DFL) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
#endif
  {
    const std::lock_guard lock(watchdog_->mutex);
    watchdog_->has_ended = true;
  }
  watchdog_->is_over.notify_all();
  request();
  watchdog_->thread.join();
#if !defined(_WIN32)
  for (int& end : signal_pipe) {
    ::close(end);
    end = -1;
  }
#endif
}

bool StopSignal::is_wanted() const { return has_signal != 0 || watchdog_->is_requested; }
bool StopSignal::is_signalled() const { return has_signal != 0; }

void StopSignal::request() {
  watchdog_->is_requested = true;
#if !defined(_WIN32)
  wake();
#endif
}

std::timed_mutex& StopSignal::reporting() { return watchdog_->reporting; }
void StopSignal::set_exit_code(int code) { watchdog_->exit_code = code; }
void StopSignal::set_last_act(std::function<void()> act) {
  const std::lock_guard lock(watchdog_->reporting);
  watchdog_->last_act = std::move(act);
}

#if defined(_WIN32)

bool StopSignal::wait(int descriptor, int milliseconds) const {
  constexpr int kGlance = 50;
  for (int passed = 0; !is_wanted() && (milliseconds < 0 || passed < milliseconds); passed += kGlance) {
    if (descriptor >= 0) return true;  // reading waits by itself
    std::this_thread::sleep_for(std::chrono::milliseconds(kGlance));
  }
  return false;
}

std::size_t StopSignal::read_standard_input(std::span<std::byte> to) const {
  const std::size_t count = std::fread(to.data(), 1, to.size(), stdin);
  if (std::ferror(stdin) != 0) moeclip::fail(moeclip::ErrorCode::io, "standard input cannot be read");
  return is_wanted() ? 0 : count;
}

#else

bool StopSignal::wait(int descriptor, int milliseconds) const {
  pollfd places[2] = {{signal_pipe[0], POLLIN, 0}, {descriptor, POLLIN, 0}};
  const int ready = ::poll(places, descriptor < 0 ? 1 : 2, milliseconds);
  return ready > 0 && !is_wanted() && descriptor >= 0 && places[1].revents != 0;
}

std::size_t StopSignal::read_standard_input(std::span<std::byte> to) const {
  while (!is_wanted()) {
    if (!wait(STDIN_FILENO, -1)) continue;
    const ssize_t count = ::read(STDIN_FILENO, to.data(), to.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR && errno != EAGAIN)
      moeclip::fail(moeclip::ErrorCode::io, moeclip::concat("standard input cannot be read: ",
                                                            std::error_code(errno, std::generic_category()).message()));
  }
  return 0;
}

#endif

}  // namespace cli
