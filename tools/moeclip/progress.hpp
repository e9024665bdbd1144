// SPDX-License-Identifier: MIT
#pragma once
// What a person, and a machine, sees while a command works. Messages go to stderr. So does progress: rate, time left
// and memory, on a terminal as one line that is rewritten and taken away at the end, elsewhere as a plain line every
// ten seconds; with --quiet not at all. --log-json writes every step as a line of JSON. NO_COLOR and TERM=dumb make a
// terminal a plain one.
//
// A command declares the options with Options::progress(), names what it works on in a Progress, and says what it has
// to say with say() or inform(); nothing else writes to stderr, and nobody has to take the line away before.

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <moeclip/io/json_value.hpp>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace cli {

/// Where progress goes, and by what it is measured; tests bring their own.
struct ProgressOutput {
  std::function<void(std::string_view)> write;  ///< to stderr, at once
  std::function<std::size_t()> columns;         ///< of the terminal; null: it is none
  std::function<double()> seconds;              ///< a clock that only goes forward
  std::function<std::string()> time;            ///< of day: "2026-11-29T21:00:00Z"
  std::function<std::int64_t()> resident;       ///< bytes of memory in use; 0: not known
  bool has_heartbeat = false;                   ///< a thread sees to it that long steps are not silent

  static ProgressOutput standard_error();
};

/// Memory of this process in bytes, as Linux says it; 0 elsewhere.
std::int64_t resident_bytes();

/// The time of day in UTC: "2026-11-29T21:00:00Z".
std::string time_text();

/// The one way to stderr of a process. Any thread may use it.
class Messages {
 public:
  explicit Messages(ProgressOutput output) : output_(std::move(output)) {}

  /// What --quiet and --log-json say; `log` is a file that lines are added to, "-" for stderr, or "". Throws io.
  void set_up(std::string_view verb, bool is_quiet, const std::string& log);

  void say(std::string_view message);     ///< "moeclip: MESSAGE", made printable
  void inform(std::string_view message);  ///< the same, but for --quiet
  void clear();                           ///< takes the line of progress away; the next step brings it back
  /// A line of the log with time, verb and stage in front. Throws io.
  void log(std::string_view stage, const moeclip::Json& members);

 private:
  friend class Progress;
  void clear_line();

  ProgressOutput output_;
  std::mutex mutex_;
  std::string verb_;
  bool is_quiet_ = false, has_line_ = false, is_log_on_stderr_ = false;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> log_{nullptr, &std::fclose};
  std::string log_path_;
  const void* shown_ = nullptr;  // the outermost Progress: people see that one
};

/// Those of this process.
Messages& messages();

void say(std::string_view message);     ///< messages().say
void inform(std::string_view message);  ///< messages().inform

/// `text` without control characters, each of which becomes '?'. Names that come from files could otherwise command the
/// terminal that shows them.
std::string printable(std::string_view text);

/// Progress over `total` steps; 0: nobody knows how many. People are told nothing where there is but one, or while
/// another Progress is there already; the log is told everything.
class Progress {
 public:
  /// `stage` says in a word what is gone through: "train", "judge". So many steps are `at_once` under way, on threads
  /// of their own.
  Progress(std::string_view stage, std::size_t total, Messages& to = messages(), std::size_t at_once = 1);
  ~Progress();  ///< the last step is done, unless an error is under way: the log gets a line that says so
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// The next step starts, and the ones before are done, but for those that go on at once; `name` is what it works on.
  /// `more` goes into the log.
  void step(std::string_view name, const moeclip::Json& more = moeclip::Json::object()) {
    is_open_ = true;
    ++begun_;
    tell(begun_ - std::min(begun_, at_once_), name, more);
  }

  /// A step is done, and `result` is what came of it.
  void finish(std::string_view result, const moeclip::Json& more = moeclip::Json::object()) {
    tell(++begun_, result, more);
  }

  /// What a plain log gets while a step takes long: nothing, if its last line is younger than ten seconds.
  void beat();

  /// Time left in seconds after `done` steps, by the mean so far; negative: not known.
  [[nodiscard]] double seconds_left(std::size_t done) const;

 private:
  /// Calls beat() now and then on a thread of its own, where there is one to be had.
  class Heartbeat {
   public:
    void start(Progress& progress);
    ~Heartbeat();

   private:
    std::mutex mutex_;
    std::condition_variable ends_;
    bool is_over_ = false;
    std::thread thread_;
  };

  /// A step that people may be told of: how many had begun and were done, after how many seconds, and its name.
  struct Told {
    std::size_t begun = 0, done = 0;
    double passed = 0;
    std::string name;
  };

  void tell(std::size_t done, std::string_view name, const moeclip::Json& more);
  void log(std::size_t done, std::string_view name, const moeclip::Json& more);
  [[nodiscard]] std::string line(const Told& told) const;

  Messages& to_;
  std::string stage_;
  std::size_t total_, at_once_, begun_ = 0;
  double start_, last_line_;
  bool is_open_ = false;  // the latest step was said to start, not to be done
  Told told_;             // the latest one, for beats
  Heartbeat heartbeat_;   // last: it ends before the rest goes
};

/// Takes the line of progress away where a process ends at once: in a handler of signals too, for it locks nothing.
void clear_at_once() noexcept;

}  // namespace cli
