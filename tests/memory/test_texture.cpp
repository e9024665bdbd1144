// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/image/blur.hpp>
#include <moeclip/image/resize.hpp>
#include <moeclip/image/upsample.hpp>
#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/memory_file.hpp>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// The picture that tools/dev/record_memory.py draws.
Image recorded_picture() {
  Image image(kTextureSize, kTextureSize, 3);
  for (index_t y = 0; y < kTextureSize; ++y)
    for (index_t x = 0; x < kTextureSize; ++x)
      for (index_t c = 0; c < 3; ++c)
        image.row(y)[3 * x + c] = static_cast<std::uint8_t>(((7 * x + 3 * y * (c + 1)) ^ (x * y >> 4)) & 255);
  return image;
}

template <class T>
Tensor<T> textures_of(Context& context, const Image& image) {
  Tensor<T> descriptors({kTextureGrid * kTextureGrid, kTextureWidth});
  describe_textures<T>(context, image.view(), descriptors.template view<2>());
  return descriptors;
}

/// Stripes of a part; defective: with stripes across in one place.
Image stripes(index_t number, bool is_defective = false) {
  Image image(240, 200, 1);
  const Rng noise(1, concat("stripes/", number));
  for (index_t y = 0; y < 200; ++y)
    for (index_t x = 0; x < 240; ++x) {
      const bool is_spot = is_defective && x >= 120 && x < 170 && y >= 50 && y < 90;
      const index_t phase = (is_spot ? y : x) / 6 % 2;
      image.row(y)[x] = static_cast<std::uint8_t>(90 + 60 * phase + noise.integer(y * 240 + x, -8, 9));
    }
  return image;
}

}  // namespace

TEST_CASE_TEMPLATE("textures are those of PyTorch", T, float, double) {
  const GoldenData golden("memory/textures.safetensors");
  Context context;
  const Tensor<T> descriptors = textures_of<T>(context, recorded_picture());
  const Tensor<double> rows = golden.read("rows"), wanted = golden.read("descriptors");
  double worst = 0;
  for (index_t i = 0; i < rows.size(); ++i)
    for (index_t c = 0; c < kTextureWidth; ++c)
      worst =
          std::max(worst, std::abs(static_cast<double>(descriptors[static_cast<index_t>(rows[i]) * kTextureWidth + c]) -
                                   wanted[i * kTextureWidth + c]));
  // sums of 64 values and of 43 squares, all of the order of 1
  CHECK(worst <= 64 * eps_of<T>());
}

TEST_CASE("textures have the same bits for any number of threads") {
  Context one({.threads = 1}), five({.threads = 5});
  CHECK(same_bits(textures_of<float>(one, recorded_picture()), textures_of<float>(five, recorded_picture())));
}

TEST_CASE("an empty picture has no direction, and light does not turn one") {
  Context context;
  Image black(kTextureSize, kTextureSize, 3);
  std::fill_n(black.data(), black.size(), std::uint8_t{0});
  const Tensor<double> nothing = textures_of<double>(context, black);
  for (index_t c = 0; c < 3; ++c) CHECK(nothing[c] == 0);
  CHECK(nothing[3] == nothing[kTextureEnergies - 1]);
  CHECK(nothing[3] < 0.04);
  expect_error(ErrorCode::contract, {"64 x 64", "192 x 192 x 3"},
               [&] { (void)textures_of<float>(context, Image(64, 64, 3)); });
}

TEST_CASE("a memory of textures finds stripes that run the wrong way, without any weights") {
  Context context;
  const auto load = [](index_t i) { return stripes(i); };
  const PatchMemory<float> memory = learn_textures<float>(context, {6, load});
  CHECK(memory.record.features == PatchFeatures::texture);
  CHECK(memory.record.held_out.size() == 6);
  Detection good, bad;
  detect_by_texture<float>(context, memory, stripes(10).view(), good);
  CHECK_FALSE(good.is_anomalous);
  detect_by_texture<float>(context, memory, stripes(11, true).view(), bad);
  CHECK(bad.is_anomalous);
  REQUIRE_FALSE(bad.regions.empty());
  const Region& region = bad.regions.front();
  // a descriptor sees two patches beyond its own, 240 / 24 and 200 / 24 pixels each
  CHECK(region.peak_x >= 120 - 20);
  CHECK(region.peak_x < 170 + 20);
  CHECK(region.peak_y >= 50 - 17);
  CHECK(region.peak_y < 90 + 17);
  CHECK(bad.width == 240);
  CHECK(bad.map.shape() == Shape{kTextureSize, kTextureSize});

  const TemporaryFolder folder("texture");
  const std::string path = join_path(folder.path(), "stripes.moeclip");
  save_memory(path, memory);
  const PatchMemory<float> again = load_texture_memory<float>(context, WeightFile::open(path));
  Detection once_more;
  detect_by_texture<float>(context, again, stripes(11, true).view(), once_more);
  CHECK(same_bits(once_more.map, bad.map));
  CHECK(once_more.score == bad.score);
  expect_error(ErrorCode::contract, {"know no words"}, [&] {
    (void)learn_textures<float>(context, {6, load}, {.text_weight = 0.5});
  });
}

TEST_CASE("a map is what its patches say, upsampled and blurred by half a patch") {
  Context context;
  const PatchMemory<float> memory =
      learn_textures<float>(context, {3, [](index_t i) { return stripes(i); }}, {.is_each_another = true});
  Detection found, seen;
  detect_by_texture<float>(context, memory, stripes(11, true).view(), found);
  Tensor<float> descriptors({kTextureGrid * kTextureGrid, kTextureWidth});
  look_at_textures<float>(context, stripes(11, true).view(), seen, descriptors.view<2>());
  std::vector<index_t> nearest(kTextureGrid * kTextureGrid);
  Tensor<float> distances({kTextureGrid, kTextureGrid}), map({kTextureSize, kTextureSize});
  std::vector<float> own(nearest.size());
  memory.patches.find(context, std::as_const(descriptors).view<2>(), nearest, {distances.data(), nearest.size()});
  own_distances<float>(context, std::as_const(descriptors).view<2>(), own);
  const auto weight = static_cast<float>(memory.record.own_weight);
  CHECK(weight == static_cast<float>(2 / std::sqrt(3.0)));
  for (index_t i = 0; i < distances.size(); ++i) distances[i] += weight * own[static_cast<std::size_t>(i)];
  for (float& value : distances) value = memory.abnormality(value);
  upsample_bilinear<float>(std::as_const(distances).view<2>(), map.view<2>());
  const GaussianBlur blur{25, 4};
  std::vector<float> scratch(static_cast<std::size_t>(gaussian_blur_scratch(blur, kTextureSize, kTextureSize)));
  gaussian_blur<float>(blur, map.view<2>(), map.view<2>(), scratch.data());
  CHECK(same_bits(map, found.map));
}

TEST_CASE("a memory of textures is no memory of an encoder") {
  Context context;
  PatchMemory<float> memory;
  Detection found;
  expect_error(ErrorCode::contract, {"memory of an encoder"},
               [&] { detect_by_texture<float>(context, memory, stripes(0).view(), found); });
}
