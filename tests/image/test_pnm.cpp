// SPDX-License-Identifier: MIT
#include <moeclip/image/pnm.hpp>
#include "image_test.hpp"

using namespace moeclip;
using image_test::error_of;

namespace {

std::string pnm_error(std::string_view file) {
  return error_of([&] { decode_pnm(as_bytes(file), "a.pnm"); });
}

bool mentions(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("every Netpbm file of the folder decodes to the expected pixels") {
  int count = 0;
  for (const auto& line : image_test::read_lines("image/index.txt")) {
    if (mentions(line[0], ".png") || mentions(line[0], ".bmp")) continue;
    CAPTURE(line[0]);
    const auto file = image_test::read_golden("image/" + line[0]);
    const Image rgb = decode_pnm(file, line[0], PixelKind::rgb, DeepGray::clipped);
    CHECK(concat(rgb.width(), " ", rgb.height()) == line[1] + " " + line[2]);
    CHECK(image_test::hash(rgb) == line[3]);
    CHECK(image_test::hash(decode_pnm(file, line[0], PixelKind::gray, DeepGray::clipped)) == line[4]);
    ++count;
  }
  CHECK(count == 14);
}

TEST_CASE("deep gray is scaled by its maximum, as colour is, and clipped on request") {
  const auto levels = [](std::string_view file, auto... options) {
    const Image image = decode_pnm(as_bytes(file), "deep", PixelKind::gray, options...);
    return std::vector<int>(image.data(), image.data() + image.size());
  };
  using namespace std::string_view_literals;
  const auto binary = "P5 4 1 65535\n\0\x01\x01\0\x80\0\xFF\xFF"sv;  // 1, 256, 32768, 65535
  CHECK(levels(binary) == std::vector{0, 1, 128, 255});
  CHECK(levels(binary, DeepGray::clipped) == std::vector{1, 255, 255, 255});  // as Pillow
  const auto text = "P2 4 1 1000 0 1 500 1000"sv;  // 500 is half of 255, rounded to the even 128
  CHECK(levels(text) == std::vector{0, 0, 128, 255});
  CHECK(levels(text, DeepGray::clipped) == std::vector{0, 66, 255, 255});  // 1 / 1000 of 65535
  const auto color = "P3 2 1 1000 1 1 1 500 500 500"sv;
  CHECK(levels(color) == std::vector{0, 128});
  CHECK(levels(color, DeepGray::clipped) == levels(color));  // of gray alone
  const auto small = "P2 2 1 200 1 200"sv;
  CHECK(levels(small, DeepGray::clipped) == levels(small));  // and of more than 8 bits alone
}

TEST_CASE("a Netpbm file cut anywhere is an error") {
  for (const std::string name : {"raw.pbm", "raw.pgm", "deep.ppm", "rgba.pam", "plain.pbm", "plain.pgm", "plain.ppm"}) {
    const auto file = image_test::read_golden("image/" + name);
    const bool is_plain = mentions(name, "plain");  // its last number may lose digits and still be one
    for (std::size_t size = 2; size + (is_plain ? 3 : 0) < file.size(); ++size) {
      const std::string_view part = as_text(Bytes(file).first(size));
      CHECK_MESSAGE(!pnm_error(part).empty(), name << " at " << size);
    }
  }
}

TEST_CASE("each kind of damaged Netpbm file has its message") {
  CHECK(pnm_error("P5 2 1 255\nab").empty());
  CHECK(pnm_error("P5 2 1 255#c\nab").empty());
  CHECK(mentions(pnm_error("P5 2 1 255\na"), "truncated"));
  CHECK(mentions(pnm_error("P5 2 1 0\nab"), "maximum of 0"));
  CHECK(mentions(pnm_error("P5 2 1 65536\nabcd"), "maximum of 65536"));
  CHECK(mentions(pnm_error("P5 0 1 255\n"), "no pixels"));
  CHECK(mentions(pnm_error("P5 x 1 255\n"), "no valid number"));
  CHECK(mentions(pnm_error("P5 -2 1 255\nab"), "no valid number"));
  CHECK(mentions(pnm_error("P5 2x 1 255\nab"), "no valid number"));
  CHECK(mentions(pnm_error("P5 99999999999999999999 1 255\n"), "no valid number"));
  CHECK(mentions(pnm_error("P6 16384 16384 255\nab"), "truncated"));
  CHECK(mentions(pnm_error("P6 100000 100000 255\nab"), "limit"));
  CHECK(mentions(pnm_error("P3 16384 16384 255\n1 2 3"), "truncated"));
  CHECK(mentions(pnm_error("P2 2 1 7 3 8 "), "not between 0 and 7"));
  CHECK(mentions(pnm_error("P1 2 1 12"), "not between 0 and 1"));
  CHECK(mentions(pnm_error("P7\nWIDTH 1\nHEIGHT 1\nDEPTH 5\nMAXVAL 255\nENDHDR\nabcde"), "unsupported"));
  CHECK(mentions(pnm_error("P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE HSV\nENDHDR\nabc"), "HSV"));
  CHECK(mentions(pnm_error("P7\nWIDTH 1\nHIGHT 1\n"), "HIGHT"));
  CHECK(mentions(pnm_error("P7\nENDHDR\nabc"), "PAM file of depth 0"));
  CHECK(mentions(pnm_error("P7\n" + std::string(100, 'A')), "PAM header"));
}

TEST_CASE("what is written reads back") {
  for (const index_t channels : {1, 3}) {
    const Image image = image_test::noise(7, 5, channels, "pnm");
    const auto file = encode_pnm(image.view());
    const Image back = decode_pnm(file, "back", channels == 1 ? PixelKind::gray : PixelKind::rgb);
    CHECK(image_test::hash(back) == image_test::hash(image));
  }
  const Image image = image_test::noise(4, 4, 3, "pnm part");
  const auto file = encode_pnm({image.row(1) + 3, 2, 2, 3, image.row_stride()});
  CHECK(file.size() == 11 + 12);
  CHECK(std::to_integer<std::uint8_t>(file[11]) == image.row(1)[3]);
}
