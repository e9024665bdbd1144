// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/data/prepare.hpp>
#include <moeclip/io/weights.hpp>

#include "golden.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

Sample sample_of(index_t width, index_t height, int label) {
  Sample sample;
  sample.picture = Image(width, height, 3);
  const Rng rng(1, "picture");
  for (index_t i = 0; i < sample.picture.size(); ++i)
    sample.picture.data()[i] = static_cast<std::uint8_t>(rng.integer(i, 0, 256));
  sample.label = label;
  return sample;
}

}  // namespace

TEST_CASE("masks are those of the official transform: nearest, then not zero") {
  const WeightFile golden = WeightFile::open(golden_path("components/mask_nearest.safetensors"));
  for (const std::string name : {"mask_0", "mask_1"}) {
    const auto in = golden.read<double>(name + "/in"), out = golden.read<double>(name + "/out");
    Sample sample = sample_of(9, 9, 1);
    sample.mask = Image(in.extent(1), in.extent(0), 1);
    for (index_t i = 0; i < in.size(); ++i) sample.mask.data()[i] = static_cast<std::uint8_t>(in[i]);
    const index_t size = out.extent(1);
    REQUIRE(out.extent(0) == size);
    Context context({.threads = 1});
    Tensor<float> image({3, size, size}), mask({size, size});
    prepare_sample(context, sample, size, image.data(), mask.data());
    index_t wrong = 0;
    for (index_t i = 0; i < out.size(); ++i) wrong += static_cast<double>(mask[i]) != out[i];
    CHECK(wrong == 0);
  }
}

TEST_CASE_TEMPLATE("a picture is resized and normalised, a mask that is not there is zeros", T, float, double) {
  constexpr index_t kSize = 14;
  Context context({.threads = 1});
  for (const int label : {0, 1}) {
    Sample sample = sample_of(31, 17, label);
    if (label == 0) {
      sample.mask = Image(3, 3, 1);  // of a good one it does not count
      sample.mask.fill(255);
    }
    Tensor<T> image({3, kSize, kSize}), mask({kSize, kSize});
    mask.fill(T{7});
    prepare_sample(context, sample, kSize, image.data(), mask.data());
    const Image resized = resize_bicubic(sample.picture.view(), kSize, kSize);
    Tensor<T> expected({3, kSize, kSize});
    normalize<T>(resized.view(), Normalization::clip(), expected.data());
    CHECK(same_bits(image, expected));
    CHECK(std::all_of(mask.begin(), mask.end(), [](T value) { return value == T{0}; }));
  }
}
