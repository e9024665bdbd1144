// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/load_clip.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/train/trainer.hpp>
#include <string>
#include <vector>

#include "../lesson.hpp"

TEST_CASE("lesson 12, exercise 1: m forgets a huge first gradient in some 25 steps, v remembers its square") {
  moeclip::ClipOptions options;
  options.activation = moeclip::kernels::Activation::gelu;
  const auto clip = moeclip::Clip<float>::load(MOECLIP_COURSE_MODEL "/tiny.safetensors", options);
  moeclip::Trainer<float> trainer(clip, moeclip::Recipe(), {.batch = 2, .image_size = 32, .threads = 1});
  moeclip::SyntheticPlan plan;
  plan.categories = {"wood"};
  plan.count = 80, plan.size = 32;  // 40 steps
  const moeclip::SampleSource source(moeclip::drawn_samples(moeclip::plan_synthetic(plan)));

  const Tensor<float>& b = trainer.adapter().mixtures[3].experts[0].lora_b;  // by the tie rule it is chosen first
  Tensor<float> before = b;
  std::vector<double> moved = {0};  // by step 1, 2, ..., in learning rates
  double first_gradient = 0;
  trainer.fit(source, {.epochs = 1}, [&](const moeclip::StepReport& report) {
    moved.push_back(farthest(b, before) / report.lr);
    if (report.step == 1) first_gradient = report.gradient_norm;
    before = b;
  });
  CHECK(first_gradient > 1e5);
  REQUIRE(moved.size() == 41);
  // Steps 1 to 10 are moved by the first gradient in m, with later ones as small as nothing: m / (1 - b1^t) is
  // g b1^(t-1) (1 - b1) / (1 - b1^t), b1 = 0.5, and the root of v / (1 - b2^t) hardly less than g / sqrt(t).
  for (const int t : {1, 2, 10})
    CHECK(moved[static_cast<std::size_t>(t)] ==
          doctest::Approx(std::sqrt(t) * std::pow(0.5, t) / (1 - std::pow(0.5, t))).epsilon(0.1));
  // By step 40 that is 6e-12: what moves B is its own gradient, some 10 where the first was 1e8. v, 0.999^t of whose
  // first square is left, holds it until 0.999^(t/2) is as small as 1e-7, for some 30,000 steps.
  CHECK(moved[40] > 1e-6);
  CHECK(moved[40] < 0.01);
}
