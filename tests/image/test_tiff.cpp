// SPDX-License-Identifier: MIT
#include <moeclip/image/tiff.hpp>
#include <moeclip/image/tiff/decode.hpp>
#include "decoder_test.hpp"

using namespace moeclip;

namespace test_tiff {
using image_test::File;
using image_test::with_bytes;

namespace {

/// As Pillow: 16-bit gray is clipped.
Image decode(const File& file, std::string_view name, PixelKind kind) {
  return decode_tiff(file, name, kind, DeepGray::clipped);
}

std::string tiff_error(const File& file) {
  return image_test::error_of([&] { decode_tiff(file, "a.tif"); });
}

bool says(const std::string& error, std::string_view start, std::string_view part) {
  CAPTURE(error);
  CHECK(error.starts_with(start));
  CHECK(error.find(part) != error.npos);
  return true;
}

/// Place of the field `tag` in the directory of a little-endian file.
std::size_t field_of(const File& file, unsigned tag) {
  const std::size_t directory = load_u32le(file.data() + 4);
  for (std::size_t i = 0; i < load_u16le(file.data() + directory); ++i)
    if (load_u16le(file.data() + directory + 2 + 12 * i) == tag) return directory + 2 + 12 * i;
  FAIL("the field is missing");
  return 0;
}

/// The file with one value in a field.
File with_field(const File& file, unsigned tag, unsigned value) {
  const std::size_t at = field_of(file, tag);
  const auto byte = [&](int i) { return static_cast<int>(value >> (8 * i) & 255u); };
  const bool is_short = load_u16le(file.data() + at + 2) == 3;
  return is_short ? with_bytes(file, at + 8, {byte(0), byte(1)})
                  : with_bytes(file, at + 8, {byte(0), byte(1), byte(2), byte(3)});
}

/// The file without one of its fields.
File without_field(const File& file, unsigned tag) { return with_bytes(file, field_of(file, tag), {0xF0, 0xFE}); }

enum : unsigned {
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kOffsets = 273,
  kSamples = 277,
  kRows = 278,
  kSizes = 279,
  kPlanar = 284,
  kPredictor = 317
};

}  // namespace

TEST_CASE("every TIFF of the folder decodes to Pillow's pixels") {
  CHECK(image_test::check_pictures(".tif", decode).size() == 30);
}

TEST_CASE("16-bit gray keeps its high byte unless it is clipped") {
  const File file = image_test::read_golden("pictures/deep.tif");
  const Image scaled = decode_tiff(file, "deep.tif", PixelKind::gray);
  for (index_t i = 0; i < scaled.size(); ++i) CHECK(scaled.data()[i] == (i * 167 % 65536) >> 8);
  CHECK(image_test::hash(scaled) ==
        image_test::hash(decode_tiff(image_test::read_golden("pictures/big_deep.tif"), "b.tif", PixelKind::gray)));
}

TEST_CASE("a TIFF cut anywhere is an error, unless only what means nothing is missing") {
  for (const char* name : {"l.tif", "tiff_lzw.tif", "tiff_adobe_deflate_strips.tif", "packbits.tif", "tiles.tif",
                           "planes.tif", "all.tif", "rgb16.tif"})
    CHECK(image_test::check_cuts(name, decode) <= 4);
}

TEST_CASE("each field of a TIFF that is damaged has its message") {
  const File good = image_test::read_golden("pictures/rgb.tif");
  CHECK(tiff_error(good) == "");
  says(tiff_error(with_field(good, kWidth, 0)), "format: a.tif", "no pixels");
  says(tiff_error(with_field(good, kHeight, 0)), "format: ", "no pixels");
  says(tiff_error(with_field(with_field(good, kWidth, 65535), kHeight, 65535)), "limit: ", "allowed");
  says(tiff_error(with_field(with_field(with_field(good, kWidth, 9999), kHeight, 9999), kRows, 9999)),
       "limit: ", "cannot come out of");
  says(tiff_error(with_field(with_field(with_field(good, kWidth, 9999), kHeight, 9999), kRows, 9999)),
       "limit: ", "the file is cut off");
  says(tiff_error(without_field(good, kWidth)), "format: ", "does not say its width");
  says(tiff_error(without_field(good, kOffsets)), "format: ", "where its pixels are");
  says(tiff_error(with_field(good, kOffsets, 0xFFFFFF)), "format: ", "beyond its end");
  says(tiff_error(with_field(good, kSizes, 10)), "format: ", "truncated");
  says(tiff_error(with_field(good, kRows, 2)), "format: ", "of which 1 are given");
  says(tiff_error(with_field(good, kRows, 0)), "format: ", "hold nothing");
  says(tiff_error(with_field(good, kSamples, 2)), "format: ", "cannot be a colour of 3");
  says(tiff_error(with_field(good, kSamples, 0)), "format: ", "0 samples");
  says(tiff_error(with_bytes(good, field_of(good, kWidth) + 2, {5})), "format: ", "type 5");
  says(tiff_error(with_bytes(good, 4, {0xFF, 0xFF, 0xFF, 0x7F})), "format: ", "ends before byte");
  const File packed = image_test::read_golden("pictures/tiff_lzw_strips.tif");
  const auto strip = static_cast<std::size_t>(read_tiff_header(packed, "p.tif").offsets[0]);
  says(tiff_error(with_bytes(packed, strip + 3, {0xFF, 0xFF, 0xFF})), "format: ", "LZW");
}

TEST_CASE("kinds of TIFF that are not read are named, with what to do") {
  const File good = image_test::read_golden("pictures/rgb.tif"), gray = image_test::read_golden("pictures/l.tif");
  for (const auto& [code, name] : {std::pair{2u, "fax"},
                                   {3u, "fax"},
                                   {4u, "fax"},
                                   {6u, "JPEG"},
                                   {7u, "JPEG"},
                                   {34925u, "LZMA"},
                                   {50000u, "Zstandard"},
                                   {50001u, "WebP"},
                                   {77u, "compression 77"}}) {
    const std::string error = tiff_error(with_field(good, kCompression, code));
    says(error, "unsupported: a.tif: a TIFF file with ", name);
    says(error, "unsupported", "not supported; save it as");
  }
  for (const auto& [color, name] : {std::pair{6u, "YCbCr"}, {8u, "L*a*b*"}, {32803u, "sensor"}, {4u, "kind 4"}})
    says(tiff_error(with_field(good, kPhotometric, color)), "unsupported: ", name);
  for (const unsigned bits : {3u, 12u, 32u})
    says(tiff_error(with_field(gray, kBits, bits)), "unsupported: ", "bits per sample");
  const File differenced = image_test::read_golden("pictures/tiff_lzw_strips.tif");
  says(tiff_error(with_field(differenced, kPredictor, 3)), "unsupported: ", "predictor 3");
}

TEST_CASE("only the first page is read, and that there are more is told") {
  CHECK(read_tiff_header(image_test::read_golden("pictures/pages.tif"), "p.tif").has_more_pages);
  CHECK_FALSE(read_tiff_header(image_test::read_golden("pictures/l.tif"), "l.tif").has_more_pages);
}

TEST_CASE("PackBits: runs, literals, what means nothing, and what ends early") {
  const auto expand = [](const std::string& in, std::size_t size) {
    std::string out(size, '?');
    const std::span<std::uint8_t> room(reinterpret_cast<std::uint8_t*>(out.data()), size);
    out.resize(detail::expand_packbits(as_bytes(in), room));
    return out;
  };
  CHECK(expand(std::string("\x02") + "abc" + "\xFE" + "x", 6) == "abcxxx");
  CHECK(expand("\x80\x80\xFF" + std::string("y"), 2) == "yy");
  CHECK(expand("\x81z", 128) == std::string(128, 'z'));
  CHECK(expand("\x81z", 5) == "zzzzz");
  CHECK(expand("\x05" + std::string("ab"), 6) == "");
  CHECK(expand("\xFE", 3) == "");
}

}  // namespace test_tiff
