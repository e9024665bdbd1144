// SPDX-License-Identifier: MIT
#pragma once
// Reading JSON, strictly as RFC 8259 has it. A hostile document costs no more than an honest one: depth is limited,
// and so is the memory that a text of a given size may ask for.

#include <limits>

#include "../base/lists.hpp"
#include "../base/read_number.hpp"
#include "json_value.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr int kJsonDepth = 256;  ///< arrays and objects inside each other that a document may have

/// What a name means that an object has twice, which RFC 8259 leaves to the reader.
enum class JsonNames : std::uint8_t {
  last_counts,  ///< the value of the last one
  unique,       ///< an error: the document says two things about one
};

/// Reads `text`, one JSON document (a UTF-8 byte order mark is skipped). `source` names it in messages, which give line
/// and column. Throws format for anything that RFC 8259 forbids, for text that is not UTF-8 and names that shall be
/// unique; limit for more than kJsonDepth levels, or more values than fit in 40 MiB + 2 x the text. Numbers above the
/// range of double and halves of surrogate pairs, which the RFC allows, are errors where they are used.
Json parse_json(std::string_view text, std::string_view source, JsonNames names = JsonNames::last_counts);

/// `value` as a T: std::string, bool, double or std::int64_t. Unlike Json's own functions it says where: throws format,
/// naming the file `source` and the member `name`.
template <class T>
T value_of(const Json& value, std::string_view name, std::string_view source) {
  const auto expect = [&](bool is_one, std::string_view wanted) {
    if (!is_one)
      fail(ErrorCode::format, concat(source, ": \"", name, "\": ", wanted, " was wanted, found ",
                                     value.is_beyond()   ? "a number larger than a double can hold"
                                     : value.is_number() ? concat(value.as_number())
                                                         : to_string(value.kind())));
  };
  if constexpr (std::same_as<T, std::string>) {
    expect(value.is_string(), "a string");
    return value.as_string();
  } else if constexpr (std::same_as<T, bool>) {
    expect(value.is_bool(), "a boolean");
    return value.as_bool();
  } else if constexpr (std::same_as<T, double>) {
    expect(value.is_number() && !value.is_beyond(), "a number");
    return value.as_number();
  } else {
    static_assert(std::signed_integral<T> && sizeof(T) == sizeof(std::int64_t));
    constexpr auto kMost = static_cast<std::uint64_t>((std::numeric_limits<std::int64_t>::max)());
    expect(value.is_integer() && (value.as_number() < 0 || value.as_uint64() <= kMost), "an integer below 2^63");
    return value.as_int64();
  }
}

/// Member `name` of the object `json`, from the file `source`. Throws format if it is no object, missing without one.
const Json& member(const Json& json, std::string_view name, std::string_view source);

/// The same as a T: value_of.
template <class T>
T member(const Json& json, std::string_view name, std::string_view source) {
  return value_of<T>(member(json, name, source), name, source);
}

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <charconv>
#include "utf8.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

class JsonParser {
 public:
  JsonParser(std::string_view text, std::string_view source, JsonNames names)
      : text_(text), source_(source), names_(names), allowance_(kAllowance + 2 * text.size()) {}

  Json document() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // byte order mark
    skip_space();
    Json result = value();
    skip_space();
    if (at_ != text_.size()) fail_at(at_, "the document has ended, but more text follows");
    return result;
  }

 private:
  // "[0,0,0..." needs 16 bytes for every two of the text, honest documents up to about eight for one. So what a
  // document may take is not a multiple of its text alone: 40 MiB hold 90,000 tensors of a weight file.
  static constexpr std::size_t kAllowance = std::size_t{40} << 20;
  // Bytes beside the elements, with what the allocator adds. A vector may have room for twice its elements.
  static constexpr std::size_t kContainer = 64;
  static constexpr std::size_t kItem = 2 * sizeof(Json);
  static constexpr std::size_t kMember = 2 * sizeof(Json::Member) + sizeof(std::uint32_t);
  static constexpr std::size_t kString = sizeof(std::string) + 16;
  static constexpr std::size_t kStringInPlace = 15;  // characters; longer ones have memory of their own

  [[noreturn]] void fail_at(std::size_t at, std::string_view what, ErrorCode code = ErrorCode::format) const {
    const std::string_view before = text_.substr(0, at);
    const auto line = 1 + lists::count(before, '\n');
    const auto start = before.rfind('\n') + 1;  // npos + 1 is 0
    const auto column = 1 + lists::count_if(before.substr(start), [](char c) { return (c & 0xC0) != 0x80; });
    fail(code, concat(source_, ": JSON: line ", line, ", column ", column, ": ", what,
                      at == text_.size() ? ", but the text ends here" : ""));
  }

  /// Counts the memory of a value, at the size to which its vector may have grown.
  void charge(std::size_t bytes) {
    if (bytes > allowance_)
      fail_at(at_, "there are more values than a document of this size may have", ErrorCode::limit);
    allowance_ -= bytes;
  }

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool accept(char letter) {
    if (at_ == text_.size() || text_[at_] != letter) return false;
    ++at_;
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  Json value() {
    switch (peek()) {
      case '{': return object();
      case '[': return array();
      case '"': charge(kString); return string();
      case 't': return literal("true", true);
      case 'f': return literal("false", false);
      case 'n': return literal("null", nullptr);
      default: return number();
    }
  }

  Json literal(std::string_view word, Json meaning) {
    if (!text_.substr(at_).starts_with(word)) fail_at(at_, "a value was expected");
    at_ += word.size();
    return meaning;
  }

  void enter() {
    if (++depth_ > kJsonDepth) fail_at(at_, concat("more than ", kJsonDepth, " levels"), ErrorCode::limit);
    ++at_;
    skip_space();
  }

  Json array() {
    enter();
    std::vector<Json> items;
    if (!accept(']')) {
      charge(kContainer);
      do {
        skip_space();
        charge(kItem);
        items.push_back(value());
        skip_space();
      } while (accept(','));
      if (!accept(']')) fail_at(at_, "',' or ']' was expected");
    }
    --depth_;
    return Json::array(std::move(items));
  }

  Json object() {
    enter();
    std::vector<Json::Member> members;
    if (!accept('}')) {
      charge(kContainer);
      do {
        skip_space();
        if (peek() != '"') fail_at(at_, "a name in quotes was expected");
        charge(kMember);
        Json::Member member{string(), nullptr};
        skip_space();
        if (!accept(':')) fail_at(at_, "':' was expected");
        skip_space();
        member.value = value();
        members.push_back(std::move(member));
        skip_space();
      } while (accept(','));
      if (!accept('}')) fail_at(at_, "',' or '}' was expected");
    }
    --depth_;
    const std::size_t count = members.size();
    Json object = Json::object(std::move(members));
    if (names_ == JsonNames::unique && object.size() != count)
      fail_at(at_ - 1, "a name occurs twice in the object that ends here");
    return object;
  }

  std::string string() {
    const std::size_t opening = at_++;
    std::string out;
    while (true) {
      const std::size_t start = at_;
      while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
      out.append(text_, start, at_ - start);
      if (at_ == text_.size()) fail_at(opening, "a string begins that does not end");
      if (accept('"')) break;
      if (accept('\\')) {
        escape(out);
      } else if (static_cast<unsigned char>(text_[at_]) < 0x20) {
        fail_at(at_, "a control character stands in a string (a line break is written \\n)");
      } else {
        const std::size_t length = utf8_length(text_.substr(at_));
        if (length == 0) fail_at(at_, "the text is not UTF-8");
        out.append(text_, at_, length);
        at_ += length;
      }
    }
    if (out.size() > kStringInPlace) charge(out.capacity() + 16);
    return out;
  }

  static bool is_plain(char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
  }

  /// What follows a backslash.
  void escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t start = at_ - 1;
    if (const std::size_t which = kLetters.find(peek()); which != std::string_view::npos) {
      out += kMeanings[which];
      ++at_;
      return;
    }
    if (!accept('u')) fail_at(start, "an unknown escape stands in a string");
    std::uint32_t code = four_digits();
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
      const std::size_t second = at_;
      at_ += 2;
      const std::uint32_t low = four_digits();
      const bool is_pair = low >= 0xDC00 && low < 0xE000;
      if (is_pair) code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      if (!is_pair) at_ = second;  // an escape of its own
    }
    append_utf8(out, code);
  }

  std::uint32_t four_digits() {
    const std::string_view digits = text_.substr(at_, 4);
    const char* const last = digits.data() + digits.size();
    std::uint32_t code = 0;
    if (digits.size() < 4 || std::from_chars(digits.data(), last, code, 16).ptr != last)
      fail_at(at_, "four hexadecimal digits were expected");
    at_ += 4;
    return code;
  }

  std::size_t skip_digits() {
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ - start;
  }

  Json number() {
    const std::size_t start = at_;
    accept('-');
    if (!accept('0') && skip_digits() == 0) fail_at(start, "a value was expected");
    const std::size_t whole = at_;
    if (accept('.') && skip_digits() == 0) fail_at(at_, "a digit was expected after the point");
    if (accept('e') || accept('E')) {
      if (!accept('+')) accept('-');
      if (skip_digits() == 0) fail_at(at_, "a digit was expected in the exponent");
    }
    const std::string_view digits = text_.substr(start, at_ - start);
    std::int64_t integer = 0;
    if (whole == at_ && convert(digits, integer)) return integer;
    std::uint64_t natural = 0;
    if (whole == at_ && convert(digits, natural)) return natural;
    double real = 0;
    if (convert(digits, real)) return real;
    if (!is_tiny(digits)) return Json::beyond(digits.starts_with('-'));
    return digits.starts_with('-') ? -0.0 : 0.0;
  }

  template <class Number>
  static bool convert(std::string_view digits, Number& number) {
    return read_number(digits.data(), digits.data() + digits.size(), number).ec == std::errc();
  }

  /// Of a number that no double is near to: whether it is too small. The place of its first digit and its exponent
  /// tell.
  static bool is_tiny(std::string_view digits) {
    const std::size_t mark = (std::min)(digits.find_first_of("eE"), digits.size());
    const std::string_view mantissa = digits.substr(0, mark);
    const auto point = static_cast<std::int64_t>((std::min)(mantissa.find('.'), mark));
    const auto first = static_cast<std::int64_t>((std::min)(mantissa.find_first_of("123456789"), mark));
    std::int64_t exponent = 0;
    if (mark < digits.size()) {
      std::string_view written = digits.substr(mark + 1);
      if (written.starts_with('+')) written.remove_prefix(1);
      if (!convert(written, exponent)) return written.starts_with('-');
    }
    return exponent < first - point;
  }

  std::string_view text_;
  std::string_view source_;
  JsonNames names_;
  std::size_t allowance_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace detail

MOECLIP_FUNC Json parse_json(std::string_view text, std::string_view source, JsonNames names) {
  return detail::JsonParser(text, source, names).document();
}

MOECLIP_FUNC const Json& member(const Json& json, std::string_view name, std::string_view source) {
  if (!json.is_object())
    fail(ErrorCode::format,
         concat(source, ": an object with \"", name, "\" was wanted, found ", to_string(json.kind())));
  const Json* const found = json.find(name);
  if (found == nullptr) fail(ErrorCode::missing, concat(source, ": there is no member \"", name, "\""));
  return *found;
}

}}  // namespace moeclip::abi_v0_1

#endif
