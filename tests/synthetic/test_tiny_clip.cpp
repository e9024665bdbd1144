// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/synthetic/tiny_clip.hpp>
#include <vector>

#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

TinyClip train(int threads, std::vector<PretrainReport>& reports, index_t most_steps = 99) {
  TinyClipOptions options;
  options.window_steps = 2;
  options.whole_steps = 1;
  options.window_size = 32;
  options.whole_size = 48;
  options.pairs = 8;
  options.pool = 20;
  Context context({.threads = threads});
  return train_tiny_clip(context, options, [&](const PretrainReport& report) {
    reports.push_back(report);
    return std::ssize(reports) < most_steps;
  });
}

}  // namespace

TEST_CASE("both stages are trained and counted, with the same bits on any number of threads") {
  std::vector<PretrainReport> one, two;
  const TinyClip a = train(1, one), b = train(2, two);
  REQUIRE(one.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(one[i].step == static_cast<index_t>(i) + 1);
    CHECK(std::isfinite(one[i].loss.total()));
    CHECK(one[i].loss.total() == two[i].loss.total());
  }
  CHECK(a.merges == b.merges);
  CHECK(same_bits(a.weights.vision.patch_embed.weight, b.weights.vision.patch_embed.weight));
  CHECK(same_bits(a.weights.text.token_embedding, b.weights.text.token_embedding));
  CHECK(a.weights.config.vision.image_size == 48);
  CHECK(a.weights.vision.positional_embedding.shape() == Shape{1 + 6 * 6, 96});
}

TEST_CASE("who watches can end it in either stage") {
  std::vector<PretrainReport> reports;
  train(1, reports, 1);
  CHECK(reports.size() == 1);
}

TEST_CASE("the built-in model is small") {
  const ClipWeights<float> clip(tiny_clip_config(750, 128));
  index_t parameters = 0;
  visit_parameters(clip, "", [&](const std::string&, const Tensor<float>& tensor) { parameters += tensor.size(); });
  CHECK(parameters > 300'000);
  CHECK(parameters < 1'900'000);  // below 4 MB in half precision
}
