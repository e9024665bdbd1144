// SPDX-License-Identifier: MIT
#include <moeclip/image/bmp.hpp>
#include "image_test.hpp"

using namespace moeclip;
using image_test::error_of;

namespace {

std::string bmp_error(const std::vector<std::byte>& file) {
  return error_of([&] { decode_bmp(file, "a.bmp"); });
}

std::vector<std::byte> with_u32(std::vector<std::byte> file, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) file[at + i] = static_cast<std::byte>(value >> (8 * i) & 0xFF);
  return file;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

constexpr std::size_t kWidth = 18, kHeight = 22, kBits = 28, kCompression = 30, kColors = 46;

}  // namespace

TEST_CASE("every bitmap of the folder decodes to the expected pixels") {
  int count = 0;
  for (const auto& line : image_test::read_lines("image/index.txt")) {
    if (!contains(line[0], ".bmp")) continue;
    CAPTURE(line[0]);
    const auto file = image_test::read_golden("image/" + line[0]);
    const Image rgb = decode_bmp(file, line[0]);
    CHECK(concat(rgb.width(), " ", rgb.height()) == line[1] + " " + line[2]);
    CHECK(image_test::hash(rgb) == line[3]);
    CHECK(image_test::hash(decode_bmp(file, line[0], PixelKind::gray)) == line[4]);
    ++count;
  }
  CHECK(count == 21);
}

TEST_CASE("a bitmap cut anywhere is an error") {
  for (const std::string name : {"core4.bmp", "v3_24.bmp", "fields565.bmp", "rle8.bmp", "rle4.bmp", "top_down.bmp"}) {
    const auto file = image_test::read_golden("image/" + name);
    // The last row may lack its padding, and run-length codes are complete once every pixel has been written.
    const std::size_t optional = name == "v3_24.bmp" || name == "top_down.bmp" ? 1
                                 : name == "core4.bmp"                         ? 3
                                 : name == "fields565.bmp"                     ? 2
                                                                               : 4;
    for (std::size_t size = 2; size + optional < file.size(); ++size) {
      const std::vector<std::byte> part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      const std::string error = bmp_error(part);
      CHECK_MESSAGE((contains(error, "truncated") || contains(error, "beyond the end")), name << " at " << size);
    }
  }
}

TEST_CASE("each kind of damaged or unusual bitmap has its message") {
  const auto file = image_test::read_golden("image/v3_24.bmp");
  CHECK(bmp_error(file).empty());
  CHECK(contains(bmp_error(with_u32(file, 14, 41)), "unsupported: a.bmp: a bitmap with a header of 41 bytes"));
  CHECK(contains(bmp_error(with_u32(file, kWidth, 0)), "no pixels"));
  CHECK(contains(bmp_error(with_u32(file, kWidth, 0x80000000u)), "format"));
  CHECK(contains(bmp_error(with_u32(file, kHeight, 0x80000000u)), "limit"));
  CHECK(contains(bmp_error(with_u32(file, kWidth, 20000)), "truncated"));
  CHECK(contains(bmp_error(with_u32(file, kBits, 23)), "unsupported"));
  CHECK(contains(bmp_error(with_u32(file, kBits, 64)), "unsupported"));
  CHECK(contains(bmp_error(with_u32(file, kCompression, 4)), "JPEG"));
  CHECK(contains(bmp_error(with_u32(file, kCompression, 5)), "PNG"));
  CHECK(contains(bmp_error(with_u32(file, kCompression, 9)), "compression 9"));
  CHECK(contains(bmp_error(with_u32(file, kCompression, 1)), "24 bits per pixel and compression 1"));
  for (const auto& [at, value] :
       {std::pair<std::size_t, std::uint32_t>{14, 41}, {kBits, 23}, {kCompression, 4}, {kCompression, 9}}) {
    const std::string error = bmp_error(with_u32(file, at, value));
    CHECK_MESSAGE((error.starts_with("unsupported: ") && contains(error, "not supported; convert it")), error);
  }
  const auto masks = image_test::read_golden("image/fields565.bmp");
  CHECK(contains(bmp_error(with_u32(masks, 54, 0xF0F0)), "no mask"));
  CHECK(contains(bmp_error(with_u32(masks, 54, 0xF0000)), "no mask"));
}

TEST_CASE("bit masks share no bits") {
  const auto with_masks = [](std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
    const auto file = image_test::read_golden("image/fields565.bmp");
    return bmp_error(with_u32(with_u32(with_u32(file, 54, red), 58, green), 62, blue));
  };
  CHECK(with_masks(0xF800, 0x07E0, 0x001F) == "");
  CHECK(with_masks(0, 0xFF00, 0x00FF) == "");  // a colour may be missing
  for (const auto& wrong : {with_masks(0xF800, 0x0FE0, 0x001F), with_masks(0xF800, 0x07E0, 0x003F),
                            with_masks(0x001F, 0x07E0, 0x001F), with_masks(0, 0xFF00, 0xFFFF)})
    CHECK_MESSAGE((wrong.starts_with("format: ") && contains(wrong, "overlap")), wrong);
}

TEST_CASE("run-length codes go upwards") {
  for (const char* name : {"image/rle8.bmp", "image/rle4.bmp"}) {
    auto file = image_test::read_golden(name);
    const std::uint32_t height = load_u32le(file.data() + kHeight);
    const std::string error = bmp_error(with_u32(file, kHeight, 0u - height));
    CHECK_MESSAGE((error.starts_with("format: ") && contains(error, "height is negative")), error);
  }
}

TEST_CASE("a remark says which pixels run-length codes leave out, or put beyond a row") {
  const auto remark_of = [](std::initializer_list<unsigned> codes) {
    auto file = image_test::read_golden("image/rle8.bmp");
    file.resize(load_u32le(file.data() + 10));
    file = with_u32(with_u32(std::move(file), kWidth, 4), kHeight, 2);
    for (const unsigned code : codes) file.push_back(static_cast<std::byte>(code));
    std::string remark;
    decode_bmp(file, "a.bmp", PixelKind::rgb, &remark);
    return remark;
  };
  CHECK(remark_of({4, 1, 0, 0, 4, 2, 0, 1}) == "");
  CHECK(remark_of({4, 1, 0, 0, 4, 2}) == "");
  CHECK(remark_of({4, 1, 0, 1}) ==
        "its run-length codes leave out 4 pixels of 8, which have the first colour of the palette now");
  CHECK(remark_of({4, 1, 0, 0, 3, 2, 0, 1}) ==
        "its run-length codes leave out 1 pixel of 8, which have the first colour of the palette now");
  CHECK(remark_of({6, 1, 0, 0, 4, 2, 0, 1}) ==
        "its run-length codes put 2 pixels beyond the end of a row, which are left out");
  const std::string both = remark_of({5, 1, 0, 1});
  CHECK(contains(both, "leave out 4 pixels"));
  CHECK(contains(both, ", and put 1 pixel beyond"));
}

TEST_CASE("run-length codes may stop early, but claim no more than they can fill") {
  auto file = image_test::read_golden("image/rle8.bmp");
  file[1078] = std::byte{0};  // end of picture at once: all pixels are entry 0 of the palette
  file[1079] = std::byte{1};
  const Image image = decode_bmp(file, "a.bmp");
  for (index_t i = 0; i < image.size(); ++i)
    CHECK(image.data()[i] == std::to_integer<unsigned>(file[54 + static_cast<std::size_t>(2 - i % 3)]));
  CHECK(contains(bmp_error(with_u32(with_u32(file, kWidth, 16384), kHeight, 16384)), "truncated"));
}

TEST_CASE("a palette larger than its pixels can use is cut, one that is too long for the file is truncated") {
  const auto file = image_test::read_golden("image/v3_4.bmp");
  CHECK(contains(bmp_error(with_u32(image_test::read_golden("image/v3_1.bmp"), kColors, 0)), ""));
  const std::vector<std::byte> header(file.begin(), file.begin() + 60);
  CHECK(contains(bmp_error(header), "truncated"));
}
