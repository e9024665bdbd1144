// SPDX-License-Identifier: MIT
#pragma once
// Writes JSON such that parse_json(dump_json(value)) gives the value again, down to the last bit of its numbers.

#include "json.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// `value` as JSON text in UTF-8: on one line, or with `indent` > 0 one element a line, that many spaces per level.
/// NaN and infinities, which JSON has not, become null; bytes that are not UTF-8 become U+FFFD. Throws contract for a
/// value of more than kJsonDepth levels.
std::string dump_json(const Json& value, int indent = 0);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

class JsonWriter {
 public:
  explicit JsonWriter(int indent) : indent_(indent) {}

  void write(const Json& value) {
    switch (value.kind()) {
      case Json::Kind::null: out_ += "null"; break;
      case Json::Kind::boolean: out_ += value.as_bool() ? "true" : "false"; break;
      case Json::Kind::number: write_number(value); break;
      case Json::Kind::string: write_string(value.raw_string()); break;
      case Json::Kind::array: write_array(value.items()); break;
      case Json::Kind::object: write_object(value.members()); break;
    }
  }

  std::string release() { return std::move(out_); }

 private:
  void write_array(std::span<const Json> items) {
    open('[');
    for (std::size_t i = 0; i < items.size(); ++i) {
      next(i);
      write(items[i]);
    }
    close(']', items.size());
  }

  void write_object(std::span<const Json::Member> members) {
    open('{');
    for (std::size_t i = 0; i < members.size(); ++i) {
      next(i);
      write_string(members[i].key);
      out_ += indent_ > 0 ? ": " : ":";
      write(members[i].value);
    }
    close('}', members.size());
  }

  void open(char bracket) {
    out_ += bracket;
    ++depth_;
    MOECLIP_EXPECT(depth_ <= kJsonDepth, "a JSON value of more than ", kJsonDepth, " levels could not be read again");
  }

  void next(std::size_t i) {
    if (i > 0) out_ += ',';
    new_line();
  }

  void close(char bracket, std::size_t count) {
    --depth_;
    if (count > 0) new_line();
    out_ += bracket;
  }

  void new_line() {
    if (indent_ <= 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(depth_) * static_cast<std::size_t>(indent_), ' ');
  }

  void write_number(const Json& value) {
    if (value.is_beyond()) {
      out_ += value == Json::beyond(true) ? "-1e999" : "1e999";
      return;
    }
    const double real = value.as_number();
    if (value.is_integer()) {
      out_ += real < 0 ? concat(value.as_int64()) : concat(value.as_uint64());
    } else if (!std::isfinite(real)) {
      out_ += "null";
    } else {
      const std::string digits = concat(real);
      out_ += digits;
      if (digits.find_first_of(".e") == std::string::npos) out_ += ".0";  // an integer would be read again
    }
  }

  void write_string(std::string_view text) {
    out_ += '"';
    while (!text.empty()) {
      std::size_t length = utf8_length(text);
      if (length == 0 && text.size() >= 3 && has_surrogate(text.substr(0, 2))) {
        write_surrogate(text);
        length = 3;
      } else if (length == 0) {
        out_ += "\xEF\xBF\xBD";  // U+FFFD
      } else if (length == 1) {
        write_ascii(text.front());
      } else {
        out_ += text.substr(0, length);
      }
      text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    out_ += '"';
  }

  /// Half of a surrogate pair, which has no UTF-8.
  void write_surrogate(std::string_view text) {
    const auto low_bits = [&](std::size_t i) { return static_cast<unsigned char>(text[i]) & 0x3Fu; };
    const unsigned code = 0xD000u | low_bits(1) << 6 | low_bits(2);
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out_ += kDigits[code >> shift & 15u];
  }

  void write_ascii(char letter) {
    constexpr std::string_view kControls = "\b\f\n\r\t";
    constexpr std::string_view kNames = "bfnrt";
    const auto code = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      out_ += '\\';
      out_ += letter;
    } else if (code >= 0x20) {
      out_ += letter;
    } else if (const std::size_t which = kControls.find(letter); which != std::string_view::npos) {
      out_ += '\\';
      out_ += kNames[which];
    } else {
      out_ += "\\u00";
      out_ += kDigits[code >> 4];
      out_ += kDigits[code & 15];
    }
  }

  static constexpr std::string_view kDigits = "0123456789abcdef";

  std::string out_;
  int indent_;
  int depth_ = 0;
};

}  // namespace detail

MOECLIP_FUNC std::string dump_json(const Json& value, int indent) {
  detail::JsonWriter writer(indent);
  writer.write(value);
  return writer.release();
}

}}  // namespace moeclip::abi_v0_1

#endif
