// SPDX-License-Identifier: MIT
#include <moeclip/io/text_file.hpp>

#include <doctest/doctest.h>

#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;

namespace {

std::string decoded(const std::string& bytes) { return decode_text(as_bytes(bytes), "t"); }

/// Characters below 0x10000 in units of `width` bytes.
std::string in_units(std::u16string_view text, int width, bool is_big_endian) {
  std::string bytes;
  for (const char16_t letter : text)
    for (int i = 0; i < width; ++i)
      bytes += static_cast<char>(letter >> (8 * (is_big_endian ? width - 1 - i : i)) & (i < 4 ? 0xFF : 0));
  return bytes;
}

}  // namespace

TEST_CASE("text in every Unicode form, with a mark or without, with any line ends") {
  const std::u16string_view text = u"a\u00FC\u65E5\r\nb\rc\n";
  const std::string wanted = "a\xC3\xBC\xE6\x97\xA5\nb\nc\n";
  CHECK(decoded("a\xC3\xBC\xE6\x97\xA5\r\nb\rc\n") == wanted);
  CHECK(decoded("\xEF\xBB\xBF" + wanted) == wanted);
  for (const int width : {2, 4})
    for (const bool is_big_endian : {false, true}) {
      CHECK(decoded(in_units(text, width, is_big_endian)) == wanted);
      CHECK(decoded(in_units(u"\uFEFF", width, is_big_endian) + in_units(text, width, is_big_endian)) == wanted);
    }
  CHECK(decoded(in_units(u"a\xD83D\xDE00", 2, true)) == "a\xF0\x9F\x98\x80");
  CHECK(decoded("").empty());
  CHECK(decoded("gr\xFCn\r") == "gr\xFCn\n");  // an old code page stays as it is
}

TEST_CASE("wide text that is cut or no text is refused") {
  const auto expect_broken = [](std::u16string_view text, int width, std::string_view part) {
    expect_error(ErrorCode::format, {"t", "UTF-", part, "save it as UTF-8"},
                 [&] { decoded(in_units(text, width, true)); });
  };
  expect_broken(u"a\xD83D", 2, "half of a character");
  expect_broken(u"a\xDE00", 2, "half of a character");
  expect_broken(u"a\xD83Dz", 2, "half of a character");
  expect_broken(u"a\xD83D", 4, "no character");
  expect_error(ErrorCode::format, {"ends within"}, [] { decoded(std::string("a\0b", 3)); });
  for (const std::string& bytes : {std::string("\x89PNG\r\n\x1a\n\0\0\0\r", 12), std::string("PK\3\4")})
    expect_error(ErrorCode::format, {"t.json", "is no text; JSON or a table is wanted"}, [&] {
      const TemporaryFolder folder("text_file");
      folder.write("t.json", bytes);
      read_text_file(folder.path() + "/t.json", 100);
    });
  expect_error(ErrorCode::limit, {"t.csv"}, [] {
    const TemporaryFolder folder("text_file");
    folder.write("t.csv", "abc");
    read_text_file(folder.path() + "/t.csv", 2);
  });
}
