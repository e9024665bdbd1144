// SPDX-License-Identifier: MIT
#include <map>

#include <moeclip/image/png.hpp>
#include <moeclip/image/png/decode.hpp>
#include <moeclip/image/png/encode.hpp>
#include "image_test.hpp"

using namespace moeclip;
using image_test::error_of;

namespace {

/// A file from its parts, so that tests can break one of them.
std::vector<std::byte> png_file(const std::vector<std::pair<std::string, std::string>>& chunks) {
  std::vector<std::byte> out;
  for (const std::uint8_t byte : detail::kPngSignature) out.push_back(static_cast<std::byte>(byte));
  for (const auto& [type, data] : chunks) detail::append_png_chunk(out, type, as_bytes(data));
  return out;
}

std::string u32(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text.push_back(static_cast<char>(value >> shift & 0xFF));
  return text;
}

std::string header(std::uint32_t width, std::uint32_t height, int depth = 8, int color = 0, int interlace = 0) {
  std::string text = u32(width) + u32(height);
  for (const int field : {depth, color, 0, 0, interlace}) text.push_back(static_cast<char>(field));
  return text;
}

std::string packed(const std::string& raw) { return std::string(as_text(deflate_zlib(as_bytes(raw)))); }

std::string decode_error(const std::vector<std::byte>& file) {
  return error_of([&] { decode_png(file, "a.png"); });
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("every PNG of the folder decodes to Pillow's pixels") {
  int count = 0;
  for (const auto& line : image_test::read_lines("image/index.txt")) {
    if (!has(line[0], ".png")) continue;
    CAPTURE(line[0]);
    const auto file = image_test::read_golden("image/" + line[0]);
    const Image rgb = decode_png(file, line[0], PixelKind::rgb, DeepGray::clipped);
    CHECK(concat(rgb.width(), " ", rgb.height()) == line[1] + " " + line[2]);
    CHECK(image_test::hash(rgb) == line[3]);
    CHECK(image_test::hash(decode_png(file, line[0], PixelKind::gray, DeepGray::clipped)) == line[4]);
    ++count;
  }
  CHECK(count == 34);
}

TEST_CASE("a PNG cut anywhere is an error") {
  for (const std::string name : {"c2d8.png", "c3d4_adam7.png", "animated.png"}) {
    const auto file = image_test::read_golden("image/" + name);
    for (std::size_t size = 8; size < file.size(); ++size) {
      const std::vector<std::byte> part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK_MESSAGE(has(decode_error(part), "truncated"), name << " at " << size);
    }
  }
}

TEST_CASE("a PNG with a changed byte is an error or the same picture") {
  const auto file = image_test::read_golden("image/c6d8.png");
  const std::string whole = image_test::hash(decode_png(file, "a.png"));
  for (std::size_t i = 8; i < file.size(); ++i) {
    auto damaged = file;
    damaged[i] ^= std::byte{0x24};
    std::string pixels;
    const std::string error = error_of([&] { pixels = image_test::hash(decode_png(damaged, "a.png")); });
    CHECK((pixels == whole || !error.empty()));
  }
}

TEST_CASE("each kind of damage has its message") {
  const std::string row = packed(std::string(1, '\0') + "ab");
  const auto error = [&](const std::vector<std::pair<std::string, std::string>>& chunks) {
    return decode_error(png_file(chunks));
  };
  CHECK(error({{"IHDR", header(2, 1)}, {"IDAT", row}, {"IEND", ""}}).empty());
  CHECK(has(error({{"IHDR", header(0, 1)}, {"IDAT", row}, {"IEND", ""}}), "no pixels"));
  CHECK(has(error({{"IHDR", header(2, 1, 3)}, {"IDAT", row}, {"IEND", ""}}), "no colour type 0 with 3 bits"));
  CHECK(has(error({{"IHDR", header(2, 1, 4, 2)}, {"IDAT", row}, {"IEND", ""}}), "no colour type 2 with 4 bits"));
  CHECK(has(error({{"IHDR", header(2, 1, 8, 1)}, {"IDAT", row}, {"IEND", ""}}), "no colour type 1"));
  CHECK(has(error({{"IHDR", header(2, 1, 8, 9)}, {"IDAT", row}, {"IEND", ""}}), "no colour type 9"));
  CHECK(has(error({{"IHDR", header(2, 1, 8, 0, 2)}, {"IDAT", row}, {"IEND", ""}}), "interlace"));
  CHECK(has(error({{"IDAT", row}, {"IEND", ""}}), "begins with a IDAT"));
  CHECK(has(error({{"CgBI", ""}, {"IHDR", header(2, 1)}}), "unsupported: a.png: Apple"));
  CHECK(has(error({{"IHDR", header(2, 1)}, {"IEND", ""}}), "no image data"));
  CHECK(has(error({{"IHDR", header(2, 1)}, {"IDAT", row}}), "truncated"));
  CHECK(has(error({{"IHDR", header(2, 1, 8, 3)}, {"IDAT", row}, {"IEND", ""}}), "without a palette"));
  CHECK(has(error({{"IHDR", header(2, 1, 8, 3)}, {"PLTE", "abcd"}, {"IDAT", row}, {"IEND", ""}}), "palette"));
  CHECK(has(error({{"IHDR", header(2, 1, 8, 3)}, {"IDAT", row}, {"PLTE", "abc"}, {"IEND", ""}}), "misplaced palette"));
  CHECK(has(error({{"IHDR", header(2, 1)}, {"IDAT", row}, {"teXt", ""}, {"IDAT", ""}, {"IEND", ""}}), "follow each"));
  CHECK(has(error({{"IHDR", header(2, 1)}, {"BOOM", ""}, {"IDAT", row}, {"IEND", ""}}), "unsupported: a.png"));
  CHECK(has(error({{"IHDR", header(2, 1)}, {"ID T", row}, {"IEND", ""}}), "no chunk begins"));
  CHECK(has(error({{"IHDR", header(2, 1)}, {"IDAT", packed("\7ab")}, {"IEND", ""}}), "unknown filter 7"));
  CHECK(has(error({{"IHDR", header(3, 1)}, {"IDAT", row}, {"IEND", ""}}), "truncated"));
  CHECK(has(error({{"IHDR", header(2, 1)}, {"IDAT", row.substr(0, 5)}, {"IEND", ""}}), "truncated"));
  CHECK(has(error({{"IHDR", header(2, 1)}, {"IDAT", "hello, world"}, {"IEND", ""}}), "compressed data"));
}

TEST_CASE("what means nothing is passed over") {
  const std::string row = packed(std::string(1, '\0') + "ab");
  const auto pixels = [](std::vector<std::byte> file) { return image_test::hash(decode_png(file, "a.png")); };
  const std::string plain = pixels(png_file({{"IHDR", header(2, 1)}, {"IDAT", row}, {"IEND", ""}}));
  CHECK(pixels(png_file({{"IHDR", header(2, 1)}, {"PLTE", "abc"}, {"IDAT", row}, {"IEND", ""}})) == plain);
  CHECK(pixels(png_file({{"IHDR", header(2, 1)}, {"IDAT", ""}, {"IDAT", row}, {"IDAT", ""}, {"IEND", ""}})) == plain);
  CHECK(pixels(png_file(
            {{"IHDR", header(2, 1)}, {"IDAT", packed(std::string(1, '\0') + "ab behind")}, {"IEND", ""}})) == plain);
  CHECK(pixels(png_file({{"IHDR", header(2, 1)}, {"IDAT", row}, {"IEND", ""}, {"behind", ""}})) == plain);
}

TEST_CASE("sizes that the file cannot hold are refused before memory is taken") {
  const std::string row = packed("0123456789");
  const auto error = [&](std::uint32_t width, std::uint32_t height, int color) {
    return decode_error(png_file({{"IHDR", header(width, height, 8, color)}, {"IDAT", row}, {"IEND", ""}}));
  };
  CHECK(has(error(16384, 16384, 6), "limit: a.png: 16384x16384 pixels cannot come out of"));
  CHECK(has(error(0x7FFFFFFF, 0x7FFFFFFF, 6), "limit"));
  CHECK(has(error(0xFFFFFFFF, 0xFFFFFFFF, 6), "limit"));
  CHECK(has(error(1, 1u << 29, 0), "limit"));
  CHECK(has(error(100, 50, 0), "truncated"));  // possible for a deflate stream, but not what came out
}

TEST_CASE("what is written reads back, and is a file that others read") {
  for (const auto& [width, height] : {std::pair<index_t, index_t>{1, 1}, {7, 5}, {33, 64}, {1, 300}, {300, 1}})
    for (const index_t channels : {1, 3}) {
      const Image image = image_test::noise(width, height, channels, concat("png ", width, channels));
      const auto file = encode_png(image.view());
      const Image back = decode_png(file, "back", channels == 1 ? PixelKind::gray : PixelKind::rgb);
      CHECK(image_test::hash(back) == image_test::hash(image));
    }
  Image ramp(64, 64, 3);
  for (index_t i = 0; i < ramp.size(); ++i) ramp.data()[i] = static_cast<std::uint8_t>(i / 192 * 3 + i % 192 / 3 * 2);
  CHECK(encode_png(ramp.view()).size() < 1000);  // the filters work: 12 KB of slopes
  const ImageView part{ramp.row(3) + 6, 20, 10, 3, ramp.row_stride()};
  const Image back = decode_png(encode_png(part), "part");
  for (index_t y = 0; y < 10; ++y) CHECK(std::equal(back.row(y), back.row(y) + 60, part.row(y)));
  CHECK_THROWS_AS(encode_png(Image().view()), Error);
}

TEST_CASE("deep gray keeps its 16 bits, big end first") {
  const std::vector<std::uint16_t> values{0, 1, 255, 256, 0x1234, 65535};
  const auto file = encode_png16(values, 3, 2);
  const PngFile png = read_png_chunks(file, "deep");
  CHECK(png.header.depth == 16);
  const auto rows = inflate_zlib(png.first_data, 100, "deep");
  CHECK(rows.size() == 14);
  const auto levels = [&](auto... options) {
    const Image image = decode_png(file, "deep", PixelKind::gray, options...);
    return std::vector<int>(image.data(), image.data() + image.size());
  };
  CHECK(levels() == std::vector{0, 0, 0, 1, 0x12, 255});
  CHECK(levels(DeepGray::scaled) == levels());
  CHECK(levels(DeepGray::clipped) == std::vector{0, 1, 255, 255, 255, 255});  // as Pillow
  const Image rgb = decode_png(file, "deep");
  for (index_t i = 0; i < 6; ++i)
    for (index_t c = 0; c < 3; ++c) CHECK(rgb.data()[3 * i + c] == levels()[static_cast<std::size_t>(i)]);
  CHECK_THROWS_AS(encode_png16(values, 2, 2), Error);
}
