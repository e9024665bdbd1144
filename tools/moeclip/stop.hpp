// SPDX-License-Identifier: MIT
#pragma once
// How a command that may run for a year ends: SIGINT and SIGTERM let it finish what it says about a picture and end
// within a second, even in the middle of a look at one. A second signal ends it at once.

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>

namespace cli {

/// While it lives, signals are requests. At most one at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// Whether the end was asked for, by a signal or by request().
  [[nodiscard]] bool is_wanted() const;
  /// Whether it was a signal that asked.
  [[nodiscard]] bool is_signalled() const;
  /// Asks for the end, from any thread: whoever waits below returns.
  void request();

  /// Held while results are written: the process does not end in the middle of that.
  [[nodiscard]] std::timed_mutex& reporting();
  /// The exit code if the process has to end in the middle of something.
  void set_exit_code(int code);
  /// What is done before it ends so, on another thread, while nothing is held by reporting(): what the command has done
  /// so far is written, and how to go on is said.
  void set_last_act(std::function<void()> act);

  /// Waits until `descriptor` (negative: none) can be read, `milliseconds` have passed (negative: never), or the end is
  /// asked for. True if there is something to read.
  bool wait(int descriptor, int milliseconds) const;

  /// Reads standard input into `to`, waiting for at least a byte. 0 at its end, or if the end is asked for. Throws io.
  std::size_t read_standard_input(std::span<std::byte> to) const;

 private:
  struct Watchdog;
  std::unique_ptr<Watchdog> watchdog_;
};

}  // namespace cli
