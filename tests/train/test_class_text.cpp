// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/train/class_text.hpp>
#include <moeclip/train/trainer.hpp>

#include "expect_error.hpp"
#include "tiny_model.hpp"

using namespace moeclip;

TEST_CASE("anchors of encoded sentences: the mean direction of either state") {
  const Clip<float> clip = tiny_model::make_clip<float>();
  Trainer<float> trainer(clip, Recipe::moeclip(), {.image_size = 16, .threads = 1});
  trainer.set_classes(tiny_model::make_classes<float>(std::vector<std::string>{"gear"}));
  const ClassText<float>& text = trainer.texts().front();
  const Adapter<float>& adapter = trainer.adapter();
  Context context({.threads = 1});
  const TextAnchors<float> anchors = anchors_of_class(context, adapter, text);
  CHECK(anchors.name == "gear");
  CHECK(anchors.similarity_scale == 10);
  const index_t embed = adapter.text.outputs(), inputs = adapter.text.inputs(), sentences = text.encodings.extent(0);
  REQUIRE(anchors.vectors.shape() == Shape{2, embed});
  for (const index_t state : {0, 1}) {
    std::vector<double> mean(static_cast<std::size_t>(embed));
    const index_t begin = state == 0 ? 0 : text.normal_count, end = state == 0 ? text.normal_count : sentences;
    for (index_t n = begin; n < end; ++n) {
      std::vector<double> z(static_cast<std::size_t>(embed));
      double square = 0;
      for (index_t c = 0; c < embed; ++c) {
        double& value = z[static_cast<std::size_t>(c)];
        for (index_t i = 0; i < inputs; ++i)
          value += static_cast<double>(adapter.text.weight[c * inputs + i]) *
                   static_cast<double>(text.encodings[n * inputs + i]);
        if (adapter.text_activation == kernels::Activation::leaky_relu && value < 0) value *= 0.01;
        square += value * value;
      }
      for (index_t c = 0; c < embed; ++c)
        mean[static_cast<std::size_t>(c)] += z[static_cast<std::size_t>(c)] / std::sqrt(square);
    }
    double square = 0;
    for (const double value : mean) square += value * value;
    for (index_t c = 0; c < embed; ++c)
      CHECK(static_cast<double>(anchors.vectors[state * embed + c]) ==
            doctest::Approx(mean[static_cast<std::size_t>(c)] / std::sqrt(square)).epsilon(1e-4));
  }
}

TEST_CASE("the size that training shows") {
  VisionConfig config{};
  config.patch_size = 14;
  config.image_size = 224;
  CHECK(training_image_size(config) == 518);
  CHECK(training_image_size(config, 28) == 28);
  config.patch_size = 16;
  CHECK(training_image_size(config) == 224);
  config.patch_size = 32;  // ViT-B/32: 7 x 7 patches are too few
  CHECK(training_image_size(config) == 448);
  config.patch_size = 16;
  config.image_size = 224;
  expect_error(ErrorCode::contract, {"230", "16"}, [&] { training_image_size(config, 230); });
}
