// SPDX-License-Identifier: MIT
#include <moeclip/image/exif.hpp>
#include "image_test.hpp"

using namespace moeclip;
using namespace std::string_view_literals;

namespace {

constexpr auto kLittle =
    "II*\0\x08\0\0\0\x02\0"
    "\x0F\x01\x02\0\x01\0\0\0A\0\0\0"
    "\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
    "\0\0\0\0"sv;
constexpr auto kBig =
    "MM\0*\0\0\0\x08\0\x01"
    "\x01\x12\0\x03\0\0\0\x01\0\x08\0\0"
    "\0\0\0\0"sv;

}  // namespace

TEST_CASE("the orientation tag is found in either byte order") {
  CHECK(tiff_orientation(as_bytes(kLittle)) == 6);
  CHECK(tiff_orientation(as_bytes(kBig)) == 8);
}

TEST_CASE("a damaged structure means no orientation") {
  for (std::size_t size = 0; size < kLittle.size(); ++size) {
    const int orientation = tiff_orientation(as_bytes(kLittle.substr(0, size)));
    CHECK((orientation == 1 || size >= 34));
  }
  for (std::size_t i = 0; i < kBig.size(); ++i)
    for (const char value : {'\0', '\1', '\xFF'}) {
      std::string damaged(kBig);
      damaged[i] = value;
      const int orientation = tiff_orientation(as_bytes(damaged));
      CHECK((orientation >= 1 && orientation <= 8));
    }
  std::string far(kBig);
  far[4] = '\x7F';  // the directory lies beyond the end
  CHECK(tiff_orientation(as_bytes(far)) == 1);
  std::string nine(kBig);
  nine[19] = '\x09';
  CHECK(tiff_orientation(as_bytes(nine)) == 1);
}

TEST_CASE("pictures are turned as their tag says") {
  Image image(3, 2, 1);  // a b c / d e f
  for (index_t i = 0; i < 6; ++i) image.data()[i] = static_cast<std::uint8_t>('a' + i);
  const std::string_view wanted[] = {"abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image turned = apply_orientation(image, orientation);
    CHECK(turned.width() == (orientation >= 5 ? 2 : 3));
    CHECK(std::string_view(reinterpret_cast<const char*>(turned.data()), 6) == wanted[orientation - 1]);
  }
  CHECK_THROWS_AS(apply_orientation(image, 0), Error);
  CHECK_THROWS_AS(apply_orientation(image, 9), Error);
}
