// SPDX-License-Identifier: MIT
#include "terminal.hpp"

#include <cstdio>
#include <cstdlib>
#include <moeclip/base/text.hpp>

#if defined(_WIN32)
#include <io.h>
#else
#include <sys/ioctl.h>
#include <unistd.h>
#endif

namespace cli {

using moeclip::concat;

namespace {

constexpr std::chrono::seconds kPlainLineEvery{10};  // a log of a long run stays readable

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

/// At most `width` bytes of `text`, cut between UTF-8 characters.
std::string_view cut(std::string_view text, std::size_t width) {
  if (text.size() <= width) return text;
  while (width > 0 && (static_cast<unsigned char>(text[width]) & 0xC0u) == 0x80u) --width;
  return text.substr(0, width);
}

}  // namespace

void say(std::string_view message) { std::fputs(concat("moeclip: ", printable(message), "\n").c_str(), stderr); }

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

Progress::Progress(std::size_t total) : total_(total), is_terminal_(stderr_is_terminal()) {}

void Progress::step(std::string_view name) {
  const std::size_t done = started_++;
  if (total_ < 2) return;
  const auto now = Clock::now();
  if (!is_terminal_ && now - last_line_ < kPlainLineEvery) return;
  last_line_ = now;

  std::string line = concat(started_, "/", total_);
  if (done > 0) {
    const double passed = std::chrono::duration<double>(now - start_).count();
    line += concat(", ", duration(passed / static_cast<double>(done) * static_cast<double>(total_ - done)), " left");
  }
  line += concat(": ", printable(name));
  if (is_terminal_) {
    std::fputs(concat("\r\033[K", cut(line, terminal_width() - 1)).c_str(), stderr);
    is_shown_ = true;
  } else {
    std::fputs(concat(line, "\n").c_str(), stderr);
  }
  std::fflush(stderr);
}

void Progress::clear() {
  if (is_shown_) std::fputs("\r\033[K", stderr);
  is_shown_ = false;
}

}  // namespace cli
