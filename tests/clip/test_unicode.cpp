// SPDX-License-Identifier: MIT
#include <moeclip/clip/tokenizer/unicode.hpp>

#include <doctest/doctest.h>

#include <moeclip/base/rng.hpp>

namespace {

std::string lower(std::string_view text) {
  std::string out;
  for (const char32_t code : moeclip::to_lower(moeclip::decode_utf8(text, "a test"))) moeclip::append_utf8(out, code);
  return out;
}

template <class Class>
int count_members(Class is_member) {
  int count = 0;
  for (char32_t code = 0; code < 0x110000; ++code) count += is_member(code);
  return count;
}

}  // namespace

TEST_CASE("unicode: classes have as many members as Unicode 15.1 gives them") {
  CHECK(count_members(moeclip::is_letter) == 136726);
  CHECK(count_members(moeclip::is_number) == 1831);
  CHECK(count_members(moeclip::is_space) == 25);
  CHECK(count_members([](char32_t code) { return moeclip::detail::lower_code_point(code) != code; }) == 1432);
}

TEST_CASE("unicode: classes at their edges") {
  for (const char32_t letter : {U'a', U'z', U'A', U'Z', U'\u00AA', U'\u00E9', U'\u0416', U'\u4E00', U'\U00020000'})
    CHECK(moeclip::is_letter(letter));
  for (const char32_t other : {U'@', U'[', U'`', U'{', U'\u00D7', U'\u0301', U'1', U'\u2160', U'\U0001F600'})
    CHECK_FALSE(moeclip::is_letter(other));
  for (const char32_t number : {U'0', U'9', U'\u00B2', U'\u00BD', U'\u0663', U'\u2167', U'\u2460', U'\U0001D7D9'})
    CHECK(moeclip::is_number(number));
  for (const char32_t other : {U'/', U':', U'a', U'\u00B4'}) CHECK_FALSE(moeclip::is_number(other));
  for (const char32_t space : {U' ', U'\t', U'\r', U'\u00A0', U'\u0085', U'\u1680', U'\u2003', U'\u2028', U'\u3000'})
    CHECK(moeclip::is_space(space));
  for (const char32_t other : {U'\u001C', U'\u200B', U'\u180E', U'\uFEFF', U'x'}) CHECK_FALSE(moeclip::is_space(other));
}

TEST_CASE("unicode: lower case") {
  CHECK(lower("") == "");
  CHECK(lower("Hello, WORLD 123 [\\]^_`@") == "hello, world 123 [\\]^_`@");
  CHECK(lower("\u00C0\u00C9\u00DE \u00D7 \u00DF") == "\u00E0\u00E9\u00FE \u00D7 \u00DF");
  CHECK(lower("\u0130stanbul I\u0131") == "i\u0307stanbul i\u0131");
  CHECK(lower("\u01C4\u01C5\u01C6 \u1E9E \u212A \u2167 \u24B6") == "\u01C6\u01C6\u01C6 \u00DF k \u2177 \u24D0");
  CHECK(lower("\u0100\u0101\u0102 \u13A0 \u10A0 \U00010400 \U0001E921") ==
        "\u0101\u0101\u0103 \uAB70 \u2D00 \U00010428 \U0001E943");
}

TEST_CASE("unicode: a capital sigma at the end of a word becomes a final one") {
  CHECK(lower("\u039F\u0394\u039F\u03A3") == "\u03BF\u03B4\u03BF\u03C2");
  CHECK(lower("\u03A3") == "\u03C3");      // alone
  CHECK(lower("A\u03A3B") == "a\u03C3b");  // inside
  CHECK(lower("A\u03A3 B\u03A3.") == "a\u03C2 b\u03C2.");
  CHECK(lower("A\u0301\u03A3\u0301") == "a\u0301\u03C2\u0301");  // accents do not count
  CHECK(lower("A\u03A3\u0301B") == "a\u03C3\u0301b");
  CHECK(lower("A'\u03A3'B") == "a'\u03C3'b");
  CHECK(lower("1\u03A3") == "1\u03C3");
  CHECK(lower("A\u03A3\u03A3") == "a\u03C3\u03C2");
}

TEST_CASE("unicode: lower-casing many sigmas takes linear time") {
  std::string text;
  for (int i = 0; i < 30000; ++i) text += "\u03A3\u0301\u0301\u0301";
  CHECK(lower(text).size() == text.size());
  text = "A";
  for (int i = 0; i < 50000; ++i) text += "\u0301";
  CHECK(lower(text + "\u03A3").ends_with("\u03C2"));
}

TEST_CASE("unicode: decoding gives back every scalar value") {
  std::string text;
  std::u32string codes;
  for (char32_t code = 0; code < 0x110000; code += code < 0x900 ? 1 : 61) {
    if (code >= 0xD800 && code < 0xE000) continue;
    codes += code;
    moeclip::append_utf8(text, code);
  }
  CHECK(moeclip::decode_utf8(text, "a test") == codes);
}

TEST_CASE("unicode: what is not UTF-8 is refused, with its place") {
  for (const char* bad : {"\x80", "\xC3", "\xC3(", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                          "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF", "\xE2\x82", "\xF0\x9F\x98"}) {
    const std::string text = moeclip::concat("ab", bad);
    CHECK_THROWS_WITH_AS(moeclip::decode_utf8(text, "label 3"), doctest::Contains("label 3 is not UTF-8"),
                         moeclip::Error);
    CHECK_THROWS_WITH_AS(moeclip::decode_utf8(text, "label 3"), doctest::Contains("at offset 2"), moeclip::Error);
  }
}

TEST_CASE("unicode: random bytes decode or throw, and what decodes encodes to the same bytes") {
  const moeclip::Rng random(1, "unicode bytes");
  for (moeclip::index_t i = 0; i < 2000; ++i) {
    std::string text;
    for (moeclip::index_t k = 0; k < 6; ++k) text += static_cast<char>(random.bits(i * 6 + k) >> 56);
    try {
      std::string back;
      for (const char32_t code : moeclip::decode_utf8(text, "a test")) moeclip::append_utf8(back, code);
      CHECK(back == text);
    } catch (const moeclip::Error& error) {
      CHECK(error.code() == moeclip::ErrorCode::format);
    }
  }
}

TEST_CASE("unicode: excerpts are short and printable") {
  CHECK(moeclip::excerpt("") == "");
  CHECK(moeclip::excerpt("a\tb\x01\xFF\u00E9") == "a?b??\u00E9");
  CHECK(moeclip::excerpt(std::string(40, 'x')) == std::string(40, 'x'));
  CHECK(moeclip::excerpt(std::string(41, 'x')) == std::string(40, 'x') + "...");
}
