// SPDX-License-Identifier: MIT
#include <moeclip/image/webp.hpp>
#include <moeclip/image/webp/lossless.hpp>
#include "decoder_test.hpp"

using namespace moeclip;

namespace test_webp {
using image_test::File;
using image_test::with_bytes;

namespace {

Image decode(const File& file, std::string_view name, PixelKind kind) { return decode_webp(file, name, kind); }

std::string webp_error(const File& file) {
  return image_test::error_of([&] { decode_webp(file, "a.webp"); });
}

void expect_error_text(const File& file, std::string_view start, std::string_view part) {
  const std::string error = webp_error(file);
  CAPTURE(error);
  CHECK(error.starts_with(start));
  CHECK(error.find(part) != error.npos);
}

}  // namespace

TEST_CASE("every WebP of the folder decodes to libwebp's pixels") {
  CHECK(image_test::check_pictures(".webp", decode).size() == 33);
}

TEST_CASE("a WebP cut anywhere is an error") {
  for (const char* name : {"rgb_6.webp", "palette16_6.webp", "animated.webp", "one_0.webp", "lossy40.webp",
                           "lossy_one.webp", "lossy_alpha.webp"})
    CHECK(image_test::check_cuts(name, decode) == 0);
}

TEST_CASE("data that end inside a whole container are an error too") {
  for (const char* name : {"rgb_6.webp", "lossy80.webp"}) {
    const File good = image_test::read_golden(std::string("pictures/") + name);
    for (std::size_t size = good.size() - 2; size > 30; size -= 1 + size / 40) {
      File cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size & ~std::size_t{1}));
      const auto whole = static_cast<int>(cut.size() - 8), data = static_cast<int>(cut.size() - 20);
      cut = with_bytes(with_bytes(cut, 4, {whole & 255, whole >> 8}), 16, {data & 255, data >> 8});
      CAPTURE(cut.size());
      expect_error_text(cut, "format: a.webp: damaged WebP", "");
    }
  }
}

TEST_CASE("each field of a WebP container that is damaged has its message") {
  const File good = image_test::read_golden("pictures/rgb_6.webp");
  CHECK(webp_error(good) == "");
  expect_error_text(with_bytes(good, 4, {0xFF, 0xFF}), "format: a.webp: damaged WebP", "it says that it has");
  expect_error_text(with_bytes(good, 4, {0, 0}), "format: ", "it says that it has");
  expect_error_text(with_bytes(good, 12, {'J', 'U', 'N', 'K'}), "format: ", "no picture");
  expect_error_text(with_bytes(good, 16, {0xFF, 0xFF}), "format: ", "truncated");
  expect_error_text(with_bytes(good, 20, {0x2E}), "format: ", "2F");
  expect_error_text(with_bytes(good, 24, {0x20}), "format: ", "version 1");
  const File animated = image_test::read_golden("pictures/animated.webp");
  CHECK(read_webp_header(animated, "a").is_animated);
  expect_error_text(with_bytes(animated, 24, {3, 0, 0}), "format: ", "larger than the whole");
  expect_error_text(with_bytes(animated, 20, {0}), "format: ", "");
  const File lossy = image_test::read_golden("pictures/lossy40.webp");
  expect_error_text(with_bytes(lossy, 23, {0x9E}), "format: ", "9D 01 2A");
  expect_error_text(with_bytes(lossy, 26, {0, 0}), "format: ", "no pixels");
  expect_error_text(with_bytes(lossy, 20, {static_cast<int>(std::to_integer<unsigned>(lossy[20]) | 1u)}),
                    "format: ", "key frame");
}

TEST_CASE("prefix codes must be complete, and one symbol needs no bits") {
  detail::Vp8lCode code;
  const std::array<std::uint8_t, 4> whole{1, 2, 3, 3}, hole{1, 2, 3, 0}, full{1, 1, 1, 0}, one{0, 0, 5, 0}, none{};
  for (const bool has_table : {false, true}) {
    REQUIRE(code.build(whole, has_table));
    const std::array<std::byte, 2> bytes{std::byte{0b01110110}, std::byte{0}};  // 0, 11 0, 11 1, 0
    detail::Vp8lBits bits(bytes);
    CHECK(code.read(bits) == 0);
    CHECK(code.read(bits) == 2);
    CHECK(code.read(bits) == 3);
    CHECK_FALSE(code.build(hole, has_table));
    CHECK_FALSE(code.build(full, has_table));
    CHECK_FALSE(code.build(none, has_table));
    REQUIRE(code.build(one, has_table));
    detail::Vp8lBits nothing({});
    CHECK(code.read(nothing) == 2);
    CHECK_FALSE(nothing.is_overrun());
    CHECK(nothing.read(1) == 0);
    CHECK(nothing.is_overrun());
  }
}

}  // namespace test_webp
