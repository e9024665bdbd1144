// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/base/rng.hpp>
#include <moeclip/image/exif.hpp>
#include <moeclip/memory/twins.hpp>

using namespace moeclip;  // NOLINT

namespace {

/// Shot `shot` of thing `thing`: soft blots that are moved, made brighter and covered with noise, each shot otherwise.
Image shoot(index_t thing, index_t shot, index_t channels = 3) {
  constexpr index_t kSide = 144;
  const Rng blots(1, concat("blots/", thing)), noise(2, concat("noise/", thing, "/", shot));
  const index_t right = noise.integer(0, -5, 6), down = noise.integer(1, -5, 6), light = noise.integer(2, -15, 16);
  Image image(kSide, kSide, channels);
  for (index_t y = 0; y < kSide; ++y)
    for (index_t x = 0; x < kSide; ++x) {
      const index_t cell = (y + down + 24) / 12 * 20 + (x + right + 24) / 12;
      for (index_t c = 0; c < channels; ++c)
        image.row(y)[x * channels + c] = static_cast<std::uint8_t>(
            blots.integer(cell, 60, 180) + light + noise.integer(3 + (y * kSide + x) * channels + c, -8, 9));
    }
  return image;
}

std::vector<index_t> things_of(const std::vector<Image>& pictures, int threads = 2) {
  Context context({.threads = threads});
  TwinFinder finder;
  for (const Image& picture : pictures) finder.add(context, picture.view());
  return finder.things(context);
}

}  // namespace

TEST_CASE("shots of one thing are found among others, in any order, gray or in colour") {
  const std::vector<Image> pictures{shoot(0, 0), shoot(1, 0), shoot(0, 1), shoot(2, 0), shoot(1, 1), shoot(0, 2, 1)};
  CHECK(things_of(pictures) == std::vector<index_t>{0, 1, 0, 2, 1, 0});
  CHECK(things_of(pictures, 1) == things_of(pictures, 3));
}

TEST_CASE("a thing is the same in all eight positions") {
  std::vector<Image> pictures;
  std::vector<index_t> wanted;
  for (index_t thing = 0; thing < 3; ++thing)
    for (int position = 1; position <= 8; ++position) {
      pictures.push_back(apply_orientation(shoot(thing, position), position));
      wanted.push_back(thing);
    }
  CHECK(things_of(pictures) == wanted);
}

TEST_CASE("different things are different, however many there are") {
  std::vector<Image> pictures;
  std::vector<index_t> wanted;
  for (index_t i = 0; i < 140; ++i) {  // more than are compared at a time
    pictures.push_back(shoot(i, 0));
    wanted.push_back(i);
  }
  CHECK(things_of(pictures) == wanted);
  pictures.push_back(shoot(3, 1));
  wanted.push_back(3);
  CHECK(things_of(pictures) == wanted);
}

TEST_CASE("none, one, two, copies, and pictures without contrast") {
  CHECK(things_of({}).empty());
  CHECK(things_of({shoot(0, 0)}) == std::vector<index_t>{0});
  CHECK(things_of({shoot(0, 0), shoot(1, 0)}) == std::vector<index_t>{0, 1});
  CHECK(things_of({shoot(0, 0), shoot(0, 0)}) == std::vector<index_t>{0, 0});  // two copies are one, with nothing else
  Image flat(20, 30, 3);
  flat.fill(90);
  CHECK(things_of({flat, flat, shoot(0, 0)}) == std::vector<index_t>{0, 1, 2});
}
