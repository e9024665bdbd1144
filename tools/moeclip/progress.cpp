// SPDX-License-Identifier: MIT
#include "progress.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <moeclip/base/error.hpp>
#include <moeclip/base/text.hpp>
#include <moeclip/io/json_writer.hpp>
#include <system_error>

#if defined(_WIN32)
#include <io.h>
#else
#include <sys/ioctl.h>
#include <unistd.h>
#endif

namespace cli {

using moeclip::concat;
using moeclip::Json;

namespace {

constexpr double kPlainLineEvery = 10;         // seconds: a log of a long run stays readable
constexpr double kRewriteEvery = 0.1;          // seconds: faster is only work for the terminal
constexpr const char* kTakeAway = "\r\033[K";  // the line, and the place goes to its start

std::atomic<bool> is_line_shown{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a handler of signals reads it");

/// True where stderr is a terminal on which a line can be rewritten.
bool stderr_is_terminal() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if ((no_color != nullptr && *no_color != '\0') || (term != nullptr && std::string_view(term) == "dumb")) return false;
#if defined(_WIN32)
  return _isatty(_fileno(stderr)) != 0;
#else
  return isatty(STDERR_FILENO) != 0;
#endif
}

std::size_t terminal_width() {
#if !defined(_WIN32)
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
#endif
  return 80;
}

/// "45 s", "12 min", "3 h 20 min".
std::string duration(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 100) return concat(whole, " s");
  const long minutes = (whole + 30) / 60;
  return minutes < 100 ? concat(minutes, " min") : concat(minutes / 60, " h ", minutes % 60, " min");
}

/// "3.2/s"; what takes longer than a second is easier to read as "12.5 s each".
std::string rate_text(double rate) {
  return rate >= 1 ? concat(moeclip::fixed(rate, rate < 10 ? 1 : 0), "/s")
                   : concat(moeclip::fixed(1 / rate, 1), " s each");
}

/// At most `width` bytes of `text`, cut between UTF-8 characters. No character takes more columns than it has bytes.
std::string_view cut(std::string_view text, std::size_t width) {
  if (text.size() <= width) return text;
  while (width > 0 && (static_cast<unsigned char>(text[width]) & 0xC0u) == 0x80u) --width;
  return text.substr(0, width);
}

}  // namespace

ProgressOutput ProgressOutput::standard_error() {
  ProgressOutput output;
  output.write = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  };
  if (stderr_is_terminal()) output.columns = terminal_width;
  output.seconds = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  output.time = time_text;
  output.resident = resident_bytes;
  output.has_heartbeat = !output.columns;
  return output;
}

std::int64_t resident_bytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "r"), &std::fclose);
  char line[128] = "";
  if (!file || std::fgets(line, sizeof(line), file.get()) == nullptr) return 0;
#if defined(_WIN32)
  return 0;
#else
  const char* const second = std::strchr(line, ' ');
  return second == nullptr ? 0 : std::atoll(second) * static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
#endif
}

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
#if defined(_WIN32)
  ::gmtime_s(&utc, &now);
#else
  ::gmtime_r(&now, &utc);
#endif
  char text[32];
  return std::string(text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc));
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    const bool is_c1 = byte == 0xC2 && next >= 0x80 && next < 0xA0;  // U+0080 to U+009F, in UTF-8 two bytes
    if (is_c1) ++i;
    out += is_c1 || byte < 0x20 || byte == 0x7F ? '?' : static_cast<char>(byte);
  }
  return out;
}

Messages& messages() {
  static Messages own(ProgressOutput::standard_error());
  return own;
}

void say(std::string_view message) { messages().say(message); }
void inform(std::string_view message) { messages().inform(message); }

void clear_at_once() noexcept {
#if !defined(_WIN32)
  constexpr std::string_view kBytes = kTakeAway;
  if (is_line_shown) static_cast<void>(!::write(STDERR_FILENO, kBytes.data(), kBytes.size()));
#endif
}

void Messages::set_up(std::string_view verb, bool is_quiet, const std::string& log) {
  const std::lock_guard lock(mutex_);
  verb_ = verb;
  is_quiet_ = is_quiet;
  is_log_on_stderr_ = log == "-";
  log_.reset();
  if (log.empty() || is_log_on_stderr_) return;
  log_path_ = log;
  log_.reset(std::fopen(log.c_str(), "ab"));
  if (!log_)
    moeclip::fail(moeclip::ErrorCode::io,
                  concat(log, ": cannot be written: ", std::error_code(errno, std::generic_category()).message()));
}

void Messages::say(std::string_view message) {
  const std::lock_guard lock(mutex_);
  clear_line();
  output_.write(concat("moeclip: ", printable(message), "\n"));
}

void Messages::inform(std::string_view message) {
  if (!is_quiet_) say(message);
}

void Messages::clear() {
  const std::lock_guard lock(mutex_);
  clear_line();
}

void Messages::clear_line() {
  if (!has_line_) return;
  output_.write(kTakeAway);
  has_line_ = is_line_shown = false;
}

void Messages::log(std::string_view stage, const Json& members) {
  const std::lock_guard lock(mutex_);
  if (!log_ && !is_log_on_stderr_) return;
  Json all = Json::object().set("time", output_.time()).set("verb", verb_).set("stage", std::string(stage));
  for (const auto& [name, value] : members.members()) all.set(name, value);
  const std::string line = dump_json(all) + "\n";
  if (is_log_on_stderr_) {
    clear_line();
    output_.write(line);
  } else if (std::fwrite(line.data(), 1, line.size(), log_.get()) != line.size() || std::fflush(log_.get()) != 0) {
    moeclip::fail(
        moeclip::ErrorCode::io,
        concat(log_path_, ": cannot be written: ", std::error_code(errno, std::generic_category()).message()));
  }
}

Progress::Progress(std::string_view stage, std::size_t total, Messages& to, std::size_t at_once)
    : to_(to), stage_(stage), total_(total), at_once_(at_once), start_(to.output_.seconds()), last_line_(start_) {
  if (to.output_.columns) last_line_ -= kRewriteEvery;
  const std::lock_guard lock(to_.mutex_);
  if (to_.shown_ == nullptr) to_.shown_ = this;
  const bool is_told = !to_.is_quiet_ && !to_.is_log_on_stderr_ && to_.shown_ == this && total_ > 1;
  if (is_told && to_.output_.has_heartbeat) heartbeat_.start(*this);
}

void Progress::Heartbeat::start(Progress& progress) {
  try {
    thread_ = std::thread([this, &progress] {
      constexpr std::chrono::seconds kEvery(1);  // so that a line is at most so much late
      std::unique_lock lock(mutex_);
      while (!ends_.wait_for(lock, kEvery, [this] { return is_over_; })) progress.beat();
    });
  } catch (const std::system_error&) {
    return;  // no thread is to be had: long steps are silent
  }
}

Progress::Heartbeat::~Heartbeat() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ends_.notify_one();
  thread_.join();
}

void Progress::beat() {
  const std::lock_guard lock(to_.mutex_);
  const double now = to_.output_.seconds();
  if (to_.shown_ != this || told_.begun == 0 || now - last_line_ < kPlainLineEvery) return;
  last_line_ = now;
  to_.output_.write(concat(line(told_), ", ", duration(now - start_ - told_.passed), " ago\n"));
}

Progress::~Progress() {
  if (is_open_ && std::uncaught_exceptions() == 0) {
    try {
      log(begun_, "", Json::object());
    } catch (const moeclip::Error& error) {
      to_.say(error.what());
    }
  }
  const std::lock_guard lock(to_.mutex_);
  if (to_.shown_ != this) return;
  to_.shown_ = nullptr;
  to_.clear_line();
}

double Progress::seconds_left(std::size_t done) const {
  if (done == 0 || total_ < done) return -1;
  return (to_.output_.seconds() - start_) / static_cast<double>(done) * static_cast<double>(total_ - done);
}

std::string Progress::line(const Told& told) const {
  std::string text = concat(told.begun, "/", total_);
  if (told.done > 0 && told.passed > 0) {
    const double rate = static_cast<double>(told.done) / told.passed;
    text += concat(", ", rate_text(rate), ", ", duration(static_cast<double>(total_ - told.done) / rate), " left");
  }
  const std::int64_t resident = to_.output_.resident();
  if (resident > 0) text += concat(", ", (resident + (1 << 19)) >> 20, " MiB");
  return concat(text, ": ", printable(told.name));
}

void Progress::log(std::size_t done, std::string_view name, const Json& more) {
  if (!to_.log_ && !to_.is_log_on_stderr_) return;
  const double passed = to_.output_.seconds() - start_, left = seconds_left(done);
  Json members = Json::object()
                     .set("done", done)
                     .set("total", total_ > 0 ? Json(total_) : Json())
                     .set("rate", done > 0 && passed > 0 ? Json(static_cast<double>(done) / passed) : Json())
                     .set("seconds_left", left >= 0 ? Json(left) : Json())
                     .set("resident_bytes", to_.output_.resident())
                     .set("name", std::string(name));
  for (const auto& [key, value] : more.members()) members.set(key, value);
  to_.log(stage_, members);
}

void Progress::tell(std::size_t done, std::string_view name, const Json& more) {
  log(done, name, more);
  const double now = to_.output_.seconds(), passed = now - start_;
  const std::lock_guard lock(to_.mutex_);
  if (to_.is_quiet_ || to_.is_log_on_stderr_ || to_.shown_ != this || total_ < 2) return;
  const bool is_terminal = static_cast<bool>(to_.output_.columns);
  told_ = {begun_, done, passed, std::string(name)};
  if (now - last_line_ < (is_terminal ? kRewriteEvery : kPlainLineEvery)) return;
  last_line_ = now;
  const std::string text = line(told_);
  if (!is_terminal) return to_.output_.write(text + "\n");
  const std::size_t width = to_.output_.columns();
  to_.output_.write(concat(kTakeAway, cut(text, width > 0 ? width - 1 : 0)));
  to_.has_line_ = is_line_shown = true;
}

}  // namespace cli
