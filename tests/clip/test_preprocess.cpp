// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/preprocess.hpp>
#include <vector>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

Image picture_of(const GoldenData& golden, const std::string& name) {
  const Tensor<double> bytes = golden.read(name);
  Image image(bytes.extent(1), bytes.extent(0), bytes.extent(2));
  std::transform(bytes.begin(), bytes.end(), image.data(),
                 [](double value) { return static_cast<std::uint8_t>(value); });
  return image;
}

}  // namespace

TEST_CASE("pictures of every shape become what torchvision makes of them, to the bit") {
  const GoldenData golden("clip/preprocess.safetensors");
  Context context({.threads = 2});
  int cases = 0;
  for (const WeightEntry& entry : golden.file().entries()) {
    if (!entry.name.ends_with("/input")) continue;
    CAPTURE(entry.name);
    const Image picture = picture_of(golden, entry.name.substr(0, entry.name.size() - 5) + "picture");
    const Tensor<float> wanted = golden.file().read<float>(entry.name);
    Tensor<float> mine(wanted.shape());
    preprocess_clip<float>(context, picture.view(), wanted.extent(1), mine.data());
    CHECK(same_bits(mine, wanted));
    ++cases;
  }
  CHECK(cases == 10);
}

TEST_CASE("the middle is cut out and normalised, computed by hand") {
  // size 2 from 2 rows of 4 pixels: nothing is resized, columns 1 and 2 stay
  const std::uint8_t pixels[2][4] = {{0, 51, 102, 255}, {0, 255, 0, 255}};
  Context context({.threads = 1});
  std::vector<double> out(12);
  preprocess_clip<double>(context, {pixels[0], 4, 2, 1, 4}, 2, out.data());
  const double values[] = {0.2, 0.4, 1.0, 0.0};
  const double mean[] = {0.48145466, 0.4578275, 0.40821073}, std[] = {0.26862954, 0.26130258, 0.27577711};
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(out[4 * c + i] - (values[i] - mean[c]) / std[c]) < 1e-15);
}

TEST_CASE("rows of the picture may lie apart") {
  const GoldenData golden("clip/preprocess.safetensors");
  const Image picture = picture_of(golden, "tall/picture");
  const index_t stride = picture.row_stride() + 11;
  std::vector<std::uint8_t> padded(static_cast<std::size_t>(stride * picture.height()), 99);
  for (index_t y = 0; y < picture.height(); ++y)
    std::copy_n(picture.view().row(y), picture.row_stride(), padded.data() + y * stride);
  Context context({.threads = 1});
  Tensor<float> mine({3, 14, 14});
  preprocess_clip<float>(context, {padded.data(), picture.width(), picture.height(), 3, stride}, 14, mine.data());
  CHECK(same_bits(mine, golden.file().read<float>("tall/input")));
}

TEST_CASE("an empty picture is refused") {
  Context context({.threads = 1});
  float out[3] = {};
  expect_error(ErrorCode::contract, {"empty picture"}, [&] { preprocess_clip<float>(context, ImageView{}, 1, out); });
}
