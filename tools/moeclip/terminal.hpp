// SPDX-License-Identifier: MIT
#pragma once
// What a person sees while a command runs, all on stderr: messages, and progress with the time left. On a terminal the
// progress is one line that is rewritten; elsewhere it is a plain line now and then. NO_COLOR and TERM=dumb are heeded.

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace cli {

/// "moeclip: MESSAGE" on stderr, made printable.
void say(std::string_view message);

/// `text` without control characters, each of which becomes '?'. Names that come from files could otherwise command the
/// terminal that shows them.
std::string printable(std::string_view text);

/// Progress over `total` steps. Says nothing if there is only one.
class Progress {
 public:
  explicit Progress(std::size_t total);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// The next step starts; `name` is what it works on.
  void step(std::string_view name);

  /// Takes the progress line away, so that something else can be written. The next step brings it back.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::size_t total_, started_ = 0;
  bool is_terminal_, is_shown_ = false;
  Clock::time_point start_ = Clock::now(), last_line_ = start_;
};

}  // namespace cli
