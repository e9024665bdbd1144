// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/memory_file.hpp>
#include <moeclip/memory/own_picture.hpp>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// e of patch i of a grid, with every other patch looked at.
template <class T>
double by_definition(const Tensor<T>& descriptors, index_t grid, index_t i) {
  const auto row = [&](index_t at) { return descriptors.data() + descriptors.extent(1) * at; };
  double least = std::numeric_limits<double>::infinity();
  for (index_t j = 0; j < grid * grid; ++j) {
    if (std::abs(i / grid - j / grid) <= 3 && std::abs(i % grid - j % grid) <= 3) continue;
    double square = 0;
    for (index_t c = 0; c < descriptors.extent(1); ++c)
      square += std::pow(static_cast<double>(row(i)[c]) - static_cast<double>(row(j)[c]), 2);
    least = std::min(least, std::sqrt(square));
  }
  return least;
}

/// Fine stripes, the same everywhere.
Image stripes() {
  Image image(192, 192, 1);
  for (index_t y = 0; y < 192; ++y)
    for (index_t x = 0; x < 192; ++x) image.row(y)[x] = static_cast<std::uint8_t>(90 + 60 * (x / 4 % 2));
  return image;
}

}  // namespace

TEST_CASE_TEMPLATE("a patch is as far from its own picture as from the nearest patch that is not around it", T, float,
                   double) {
  constexpr index_t kGrid = 9;
  auto descriptors = random_tensor<T>({kGrid * kGrid, 21}, "own");
  const auto row = [&](index_t i) { return descriptors.data() + 21 * i; };
  std::copy_n(row(80), 21, row(3));   // a twin far away, and
  std::copy_n(row(40), 21, row(50));  // one that is too near to count
  std::vector<T> one(kGrid * kGrid), many = one;
  Context single({.threads = 1}), several({.threads = 5});
  own_distances<T>(single, std::as_const(descriptors).template view<2>(), one);
  own_distances<T>(several, std::as_const(descriptors).template view<2>(), many);
  CHECK(one == many);
  CHECK(one[3] == 0);
  CHECK(one[40] > 1);
  for (index_t i = 0; i < kGrid * kGrid; ++i) {
    const double wanted = by_definition(descriptors, kGrid, i);
    CHECK(std::abs(static_cast<double>(one[static_cast<std::size_t>(i)]) - wanted) <= 24 * eps_of<T>() * (1 + wanted));
  }
}

TEST_CASE("a grid on which every patch is around every other one is refused") {
  Context context;
  const auto descriptors = random_tensor<float>({49, 5}, "small");
  std::vector<float> few(48);
  expect_error(ErrorCode::contract, {"49 patches", "more than 6 rows"},
               [&] { own_distances<float>(context, descriptors.view<2>(), few); });
}

TEST_CASE("without any good picture, what is unlike the rest of it is abnormal, and there is no verdict") {
  Context context;
  const PatchMemory<float> memory = learn_textures<float>(context, {0, [](index_t) { return Image(); }});
  CHECK(memory.is_alone());
  CHECK(memory.record.threshold == kNoThreshold);
  Image picture = stripes();
  Detection plain, spotted;
  detect_by_texture<float>(context, memory, picture.view(), plain);
  for (index_t y = 60; y < 90; ++y)
    for (index_t x = 100; x < 130; ++x) picture.row(y)[x] = static_cast<std::uint8_t>(90 + 60 * (y / 4 % 2));
  detect_by_texture<float>(context, memory, picture.view(), spotted);
  CHECK(spotted.score > plain.score);
  CHECK_FALSE(spotted.is_anomalous);
  expect_error(ErrorCode::contract, {"no good pictures"}, [&] { save_memory("never.moeclip", memory); });
  const auto highest = std::max_element(spotted.map.begin(), spotted.map.end()) - spotted.map.begin();
  CHECK(std::abs(highest % 192 - 115) <= 24);
  CHECK(std::abs(highest / 192 - 75) <= 24);
}

TEST_CASE("the fewer good pictures there are, the more a picture's own patches say") {
  Context context;
  Rng noise(1, "noise");
  const auto load = [&](index_t i) {
    Image picture = stripes();
    for (index_t y = 0; y < 192; ++y)
      for (index_t x = 0; x < 192; ++x)
        picture.row(y)[x] =
            static_cast<std::uint8_t>(picture.row(y)[x] + noise.integer(i * 40000 + y * 192 + x, -8, 9));
    return picture;
  };
  const auto weight = [&](index_t count) {
    return learn_textures<float>(context, {count, load}, {.is_each_another = true}).record.own_weight;
  };
  CHECK(weight(1) == 2);
  CHECK(weight(4) == 1);
  CHECK(learn_textures<float>(context, {4, [](index_t) { return stripes(); }}).record.own_weight == 2);  // one thing
}
