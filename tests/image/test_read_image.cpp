// SPDX-License-Identifier: MIT
#include <moeclip/image/read_image.hpp>
#include <moeclip/image/write_image.hpp>
#include "image_test.hpp"

using namespace moeclip;
using namespace std::string_view_literals;
using image_test::error_of;

namespace {

std::string sniff_error(std::string_view bytes) {
  return error_of([&] { decode_image(as_bytes(bytes), "photo"); });
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("files are read by content, in colour and in gray") {
  for (const auto& line : image_test::read_lines("image/index.txt")) {
    const std::string path = golden_path("image/" + line[0]);
    CHECK_MESSAGE(image_test::hash(read_image(path, {.deep_gray = DeepGray::clipped})) == line[3], line[0]);
    CHECK_MESSAGE(image_test::hash(read_image(path, {.gray = true, .deep_gray = DeepGray::clipped})) == line[4],
                  line[0]);
    const auto bytes = image_test::read_golden("image/" + line[0]);
    const ImageInfo info = describe_image(bytes, line[0]);
    CHECK(concat(info.width, " ", info.height) == line[1] + " " + line[2]);
  }
}

TEST_CASE("the orientation is applied when asked for") {
  for (const auto& line : image_test::read_lines("image/upright.txt")) {
    const std::string path = golden_path("image/" + line[0]);
    const Image upright = read_image(path, {.apply_exif_orientation = true});
    CHECK(concat(upright.width(), " ", upright.height()) == line[1] + " " + line[2]);
    CHECK_MESSAGE(image_test::hash(upright) == line[3], line[0]);
    CHECK(read_image(path).width() == 6);
  }
}

TEST_CASE("16-bit gray is scaled unless it is to be clipped as Pillow does") {
  const std::vector<std::uint16_t> values{1, 256, 65535};
  const auto file = encode_png16(values, 3, 1);
  const auto reds = [&](const ImageOptions& options) {
    const Image image = decode_image(file, "deep", options);
    return std::vector<int>{image.data()[0], image.data()[3], image.data()[6]};
  };
  CHECK(reds({}) == std::vector{0, 1, 255});
  CHECK(reds({.deep_gray = DeepGray::clipped}) == std::vector{1, 255, 255});
  for (const std::string name : {"c0d16.png", "deep.pgm", "deep_plain.pgm"}) {
    const std::string path = golden_path("image/" + name);
    CHECK(image_test::hash(read_image(path)) != image_test::hash(read_image(path, {.deep_gray = DeepGray::clipped})));
  }
}

TEST_CASE("a picture is described without decoding it") {
  const auto describe = [](const std::string& name) {
    const auto bytes = image_test::read_golden("image/" + name);
    const ImageInfo info = describe_image(bytes, name);
    return concat(info.format, " ", info.mode, " ", info.depth, " ", info.note, " ", info.orientation);
  };
  CHECK(describe("c3d4_adam7.png") == "PNG palette 4 interlaced 1");
  CHECK(describe("c4d16.png") == "PNG gray+alpha 16  1");
  CHECK(describe("orientation8.png") == "PNG RGB 8  8");
  CHECK(says(describe("orientation6.jpg"), "JPEG "));
  CHECK(says(describe("orientation6.jpg"), " 6"));
  CHECK(describe("rle4.bmp") == "BMP palette 4 RLE4 1");
  CHECK(describe("top_down.bmp") == "BMP RGB 24 top-down 1");
  CHECK(describe("deep_300.ppm") == "PPM RGB 9  1");
  CHECK(describe("plain.pbm") == "PBM gray 1 text 1");
  CHECK(describe("rgba.pam") == "PAM RGBA 8  1");
}

TEST_CASE("GIF, TIFF and WebP are recognised by content, decoded and described") {
  struct Case {
    std::string name, format, mode, note;
  };
  for (const auto& [name, format, mode, note] :
       {Case{"interlaced.gif", "GIF", "palette", "interlaced"}, Case{"gray.gif", "GIF", "palette", "interlaced"},
        Case{"rgb.tif", "TIFF", "RGB", "uncompressed"}, Case{"all.tif", "TIFF", "RGB", "deflate, tiles, planes"},
        Case{"pages.tif", "TIFF", "gray", "uncompressed, the first of several pages"},
        Case{"packbits.tif", "TIFF", "RGB", "PackBits"}, Case{"palette.tif", "TIFF", "palette", "LZW"},
        Case{"rgba_6.webp", "WebP", "RGB with alpha", "lossless"}, Case{"lossy40.webp", "WebP", "YCbCr", "lossy"},
        Case{"animated.webp", "WebP", "RGB", "lossless, animated"}}) {
    const std::string picture = name;  // clang 14 captures no bindings
    CAPTURE(picture);
    const auto file = image_test::read_golden("pictures/" + name);
    const ImageInfo info = describe_image(file, "picture.jpg");
    CHECK(info.format == format);
    CHECK(info.mode == mode);
    CHECK(info.note == note);
    CHECK(info.orientation == 1);
    const Image image = decode_image(file, "picture.jpg");
    CHECK(image.width() == info.width);
    CHECK(image.height() == info.height);
  }
  const auto turned = image_test::read_golden("pictures/turned6.tif");
  CHECK(describe_image(turned, "t").width == 5);
  CHECK(decode_image(turned, "t", {.apply_exif_orientation = true}).width() == 5);  // turned once, not twice
}

TEST_CASE("formats that are not read are named, with what to do") {
  CHECK(says(sniff_error("II+\0\x08\0\0\0"sv), "unsupported: photo: the format is BigTIFF;"));
  CHECK(says(sniff_error("II+\0\x08\0\0\0"sv), "magick \"photo\" out.png"));
  CHECK(says(sniff_error("II+\0\x08\0\0\0"sv), "PNG, JPEG, BMP, TIFF, WebP, GIF and Netpbm are read"));
  CHECK(says(sniff_error("RIFF\x24\0\0\0WEBPVP8 "sv), "format: photo: damaged WebP"));
  CHECK(says(sniff_error("GIF89a"sv), "format: photo: truncated"));
  CHECK(says(sniff_error("II*\0\x08\0\0\0"sv), "format: photo: damaged TIFF"));
  CHECK(says(sniff_error("MM\0*\0\0\0\x08"sv), "format: photo: damaged TIFF"));
  CHECK(says(sniff_error("\0\0\0\x18"
                         "ftypheic\0\0\0\0"sv),
             "the format is HEIC;"));
  CHECK(says(sniff_error("\0\0\0\x18"
                         "ftypavif\0\0\0\0"sv),
             "the format is AVIF;"));
  CHECK(says(sniff_error("\0\0\0\x0CjP  \r\n\x87\n"sv), "the format is JPEG 2000;"));
  CHECK(says(sniff_error("8BPS\0\1"sv), "Photoshop"));
  CHECK(says(sniff_error("%PDF-1.7"sv), "the format is PDF;"));
  CHECK(says(sniff_error("<?xml version=\"1.0\"?>\n<svg xmlns=\"\">"sv), "the format is SVG;"));
  CHECK(says(sniff_error("PF\n1 1\n-1\n"sv), "the format is PFM;"));
  const std::string tga("\0\0\2\0\0\0\0\0\0\0\0\0\5\0\4\0\x18\x20"sv);
  CHECK(says(sniff_error(tga + std::string(60, '\1')), "the format is TGA;"));
  CHECK(says(sniff_error("\0\1\1\0\0\0\1\x18\0\0\0\0\5\0\4\0\x08\0...."sv), "the format is TGA;"));
  CHECK(says(sniff_error("\0\0\2\0\1\0\x20\x20\0\0\1\0\1\0\xA8\x0C\0\0\x16\0\0\0"sv), "the format is Windows cursor;"));
  CHECK(says(sniff_error("\0\0\1\0\1\0\x20\x20\0\0\1\0\1\0\xA8\x0C\0\0\x16\0\0\0"sv), "the format is Windows icon;"));
  CHECK(says(sniff_error("version https://git-lfs.github.com/spec/v1\n"sv), "format: photo: is a Git LFS pointer"));
  CHECK(says(sniff_error("\n<!DOCTYPE html><html><svg>"sv), "photo: is a web page"));
  CHECK(says(sniff_error("PK\3\4\x14\0"sv),
             "format: photo: is a zip archive; unpack it first. A picture is wanted here"));
  CHECK(says(sniff_error("\x1F\x8B\x08\0"sv), "photo: is compressed with gzip"));
  CHECK(says(sniff_error(std::string(5000, '\0')), "photo: is zeros"));
  CHECK(sniff_error(""sv) == "format: photo: the file is empty");
  CHECK(says(sniff_error("hello, world"sv), "not a picture (it begins with 68 65 6c 6c 6f 2c 20 77)"));
  CHECK(says(sniff_error("P8 1 1"sv), "not a picture"));
  CHECK(says(sniff_error("\x89PNG\n\x1A\n"sv), "text mode"));
  CHECK(says(sniff_error("\x89PNG\r\n\x1A\n"sv), "truncated"));
  CHECK(says(sniff_error("BM"sv), "truncated"));
  CHECK(says(sniff_error("P6\n"sv), "truncated"));
  CHECK(says(error_of([] { read_image(golden_path("image/absent.png")); }), "io: "));
  CHECK(says(error_of([] { read_image(golden_path("image")); }), "io: "));
}

TEST_CASE("files are written and read back") {
  const Image image = image_test::noise(12, 9, 3, "write");
  for (const std::string name : {"moeclip_test_image.png", "moeclip_test_image.ppm"}) {
    if (says(name, ".png"))
      write_png(name, image);
    else
      write_pnm(name, image);
    CHECK(image_test::hash(read_image(name)) == image_test::hash(image));
    std::remove(name.c_str());
  }
}
