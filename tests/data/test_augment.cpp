// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>

#include <moeclip/data/augment.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json_writer.hpp>

#include "expect_error.hpp"
#include "golden.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

struct Case {
  index_t width = 0, height = 0;
  Augmentation augmentation;
};

Case read_case(const Json& json) {
  const auto whole = [&](std::size_t i) { return static_cast<index_t>(json.at(i).as_int64()); };
  return {whole(0), whole(1), {json.at(2).as_number(), whole(3), whole(4), whole(5) != 0, whole(6) != 0}};
}

std::vector<index_t> sources_of(const Case& c) {
  std::vector<index_t> sources(static_cast<std::size_t>(c.width * c.height));
  augmentation_sources(c.augmentation, c.width, c.height, sources.data());
  return sources;
}

/// FNV-1a of the numbers as little-endian 32-bit integers, in hexadecimal digits.
std::string hash_of(const std::vector<index_t>& values) {
  std::string bytes;
  for (const index_t value : values)
    for (int shift = 0; shift < 32; shift += 8)
      bytes += static_cast<char>(static_cast<std::uint32_t>(value) >> shift & 255u);
  const std::uint64_t hash = fnv1a64(bytes);
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[hash >> shift & 15];
  return text;
}

Json golden_cases() {
  const std::string path = golden_path("data/augment.json");
  const auto bytes = read_file(path, 1 << 20);
  return parse_json(as_text(bytes), path);
}

}  // namespace

TEST_CASE("rotation, translation and flips move the pixels that torchvision moves") {
  const Json golden = golden_cases();
  for (const Json& json : golden.at("cases").items()) {
    const Case c = read_case(json);
    CAPTURE(dump_json(json));
    CHECK(hash_of(sources_of(c)) == json.at(std::size_t{7}).as_string());
  }
  for (const Json& json : golden.at("small").items()) {
    const auto mine = sources_of(read_case(json));
    const auto theirs = json.at(std::size_t{7}).items();
    REQUIRE(theirs.size() == mine.size());
    for (std::size_t i = 0; i < mine.size(); ++i) CHECK(mine[i] == theirs[i].as_int64());
  }
}

TEST_CASE("a positive angle turns counter-clockwise, shifts go right and down, what is empty is zero") {
  // 0 1 2
  // 3 4 5
  // 6 7 8
  CHECK(sources_of({3, 3, {.degrees = 90}}) == std::vector<index_t>{2, 5, 8, 1, 4, 7, 0, 3, 6});
  CHECK(sources_of({3, 3, {.shift_x = 1, .shift_y = 1}}) == std::vector<index_t>{-1, -1, -1, -1, 0, 1, -1, 3, 4});
  CHECK(sources_of({3, 3, {.is_flipped_horizontally = true}}) == std::vector<index_t>{2, 1, 0, 5, 4, 3, 8, 7, 6});
  CHECK(sources_of({3, 3, {.is_flipped_vertically = true}}) == std::vector<index_t>{6, 7, 8, 3, 4, 5, 0, 1, 2});
  expect_error(ErrorCode::contract, {"0x3"}, [] { sources_of({0, 3, {}}); });
}

TEST_CASE_TEMPLATE("picture and mask move together", T, float, double) {
  constexpr index_t kSize = 24;
  const Augmentation augmentation{20, 3, -2, true, false};
  auto image = random_tensor<T>({3, kSize, kSize}, "image", 1.0f, 3.0f);  // nowhere zero
  Tensor<T> mask({kSize, kSize});
  for (index_t i = 0; i < mask.size(); ++i) mask[i] = image[i] > T{3} ? T{1} : T{0};
  auto moved = image;
  auto moved_mask = mask;
  augment(augmentation, kSize, moved.data(), moved_mask.data());
  const auto sources = sources_of({kSize, kSize, augmentation});
  index_t wrong = 0, empty = 0;
  for (index_t i = 0; i < mask.size(); ++i) {
    const index_t source = sources[static_cast<std::size_t>(i)];
    empty += source < 0;
    for (index_t c = 0; c < 3; ++c)
      wrong += moved[c * mask.size() + i] != (source < 0 ? T{0} : image[c * mask.size() + source]);
    wrong += moved_mask[i] != (source < 0 ? T{0} : mask[source]);
  }
  CHECK(wrong == 0);
  CHECK(empty > 0);
  augment({}, kSize, moved.data(), moved_mask.data());  // nothing to do
  const auto again = moved;
  CHECK(same_bits(again, moved));
}

TEST_CASE("what is drawn depends on seed, epoch and sample, and has the published frequencies") {
  const AugmentOptions options;
  const Rng rng = augmentation_rng(5, 2);
  constexpr index_t kCount = 4000;
  double turned = 0, shifted = 0, across = 0, down = 0, widest = 0;
  index_t farthest = 0;
  for (index_t i = 0; i < kCount; ++i) {
    const Augmentation a = draw_augmentation(options, rng, i, 200, 100);
    turned += a.degrees != 0, across += a.is_flipped_horizontally, down += a.is_flipped_vertically;
    shifted += a.shift_x != 0 || a.shift_y != 0;
    widest = std::max(widest, std::abs(a.degrees));
    farthest = std::max(farthest, std::abs(a.shift_x));
    REQUIRE(std::abs(a.shift_y) <= 15);
  }
  for (const double share : {turned, shifted, across, down})
    CHECK(std::abs(share / kCount - 0.5) < 5 * std::sqrt(0.25 / kCount));  // five standard deviations
  CHECK(widest <= 30);
  CHECK(widest > 29);
  CHECK(farthest == 30);
  const auto same = [](const Augmentation& a, const Augmentation& b) {
    return a.degrees == b.degrees && a.shift_x == b.shift_x && a.shift_y == b.shift_y;
  };
  const AugmentOptions always{.rotation_probability = 1};
  const auto drawn = draw_augmentation(always, rng, 7, 64, 64);
  CHECK(same(drawn, draw_augmentation(always, augmentation_rng(5, 2), 7, 64, 64)));
  CHECK_FALSE(same(drawn, draw_augmentation(always, augmentation_rng(5, 3), 7, 64, 64)));
  CHECK_FALSE(same(drawn, draw_augmentation(always, augmentation_rng(6, 2), 7, 64, 64)));
  CHECK_FALSE(same(drawn, draw_augmentation(always, rng, 8, 64, 64)));
  CHECK(draw_augmentation({0, 30, 0, 0.15, 0, 0}, rng, 3, 64, 64).is_identity());
}
