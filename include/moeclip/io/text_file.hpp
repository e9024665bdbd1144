// SPDX-License-Identifier: MIT
#pragma once
// Reads text that people have written, as their editors and spreadsheets save it: in any Unicode form, with a byte
// order mark or without, with any line ends. What comes out is UTF-8 with '\n', whatever went in.

#include <cstdint>
#include <string>
#include <string_view>

#include "bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// `bytes` as UTF-8 without byte order mark and with '\n' as line end. UTF-16 and UTF-32 are known by their mark, or
/// by the zero bytes of a first character of ASCII. All else is passed on as it is, since old names are in any code
/// page. Throws format, naming `source`, for UTF-16 or UTF-32 that is cut or holds what is no character.
std::string decode_text(Bytes bytes, std::string_view source);

/// The text of a file of at most `most` bytes. Throws as read_file and decode_text do, and format for what is no text
/// but a picture, weights or an archive.
std::string read_text_file(const std::string& path, std::uint64_t most);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include "file.hpp"
#include "utf8.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// How wide the units of a text are, in which order their bytes lie, and how long its byte order mark is.
struct TextForm {
  std::size_t width = 1;
  bool is_big_endian = false;
  std::size_t mark = 0;
};

inline TextForm form_of_text(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  using namespace std::string_view_literals;
  if (text.starts_with("\xEF\xBB\xBF")) return {1, false, 3};
  if (text.starts_with("\xFF\xFE\0\0"sv)) return {4, false, 4};
  if (text.starts_with("\0\0\xFE\xFF"sv)) return {4, true, 4};
  if (text.starts_with("\xFF\xFE")) return {2, false, 2};
  if (text.starts_with("\xFE\xFF")) return {2, true, 2};
  const auto is_zero = [&](std::size_t i) { return i < text.size() && text[i] == '\0'; };
  if (is_zero(0) && is_zero(1) && is_zero(2)) return {4, true, 0};
  if (is_zero(1) && is_zero(2) && is_zero(3)) return {4, false, 0};
  if (is_zero(0)) return {2, true, 0};
  return {is_zero(1) ? std::size_t{2} : std::size_t{1}, false, 0};
}

/// Units of two or four bytes, taken one character at a time.
class WideText {
 public:
  WideText(Bytes bytes, TextForm form, std::string_view source)
      : bytes_(bytes.subspan(form.mark)), form_(form), source_(source) {
    if (bytes_.size() % form.width != 0) fail_here("ends within a character");
  }

  [[nodiscard]] bool is_at_end() const { return at_ == bytes_.size(); }

  std::uint32_t take_character() {
    const std::uint32_t unit = take_unit();
    const bool is_half = unit >= 0xD800 && unit < 0xE000;
    if (unit > 0x10FFFF || (is_half && form_.width == 4)) fail_here("holds what is no character");
    if (!is_half) return unit;
    const std::uint32_t second = is_at_end() || unit >= 0xDC00 ? 0 : take_unit();
    if (second < 0xDC00 || second >= 0xE000) fail_here("holds half of a character");
    return 0x10000 + ((unit - 0xD800) << 10 | (second - 0xDC00));
  }

 private:
  std::uint32_t take_unit() {
    std::uint32_t unit = 0;
    for (std::size_t i = 0; i < form_.width; ++i) {
      const std::size_t place = form_.is_big_endian ? form_.width - 1 - i : i;
      unit |= static_cast<std::uint32_t>(bytes_[at_ + i]) << (8 * place);
    }
    at_ += form_.width;
    return unit;
  }

  [[noreturn]] void fail_here(std::string_view what) const {
    fail(ErrorCode::format,
         concat(source_, ": text in UTF-", 8 * form_.width, " ", what, " at byte ", at_, "; save it as UTF-8"));
  }

  Bytes bytes_;
  TextForm form_;
  std::string_view source_;
  std::size_t at_ = 0;
};

/// Throws format if `text` begins with what no text has: control characters that are neither spaces nor line ends.
inline void expect_text(std::string_view text, std::string_view source) {
  constexpr std::size_t kLooked = 512;
  for (const char letter : text.substr(0, kLooked))
    if (static_cast<unsigned char>(letter) < '\b')
      fail(ErrorCode::format, concat(source, ": is no text; JSON or a table is wanted here"));
}

/// CRLF, and CR alone, become LF.
inline void unify_line_ends(std::string& text) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    text[end++] = text[i] == '\r' ? '\n' : text[i];
  }
  text.resize(end);
}

}  // namespace detail

MOECLIP_FUNC std::string decode_text(Bytes bytes, std::string_view source) {
  const detail::TextForm form = detail::form_of_text(bytes);
  std::string text;
  if (form.width == 1) {
    text = as_text(bytes.subspan(form.mark));
  } else {
    for (detail::WideText wide(bytes, form, source); !wide.is_at_end();) append_utf8(text, wide.take_character());
  }
  detail::unify_line_ends(text);
  return text;
}

MOECLIP_FUNC std::string read_text_file(const std::string& path, std::uint64_t most) {
  std::string text = decode_text(read_file(path, most), path);
  detail::expect_text(text, path);
  return text;
}

}}  // namespace moeclip::abi_v0_1

#endif
