// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/load_clip.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/train/trainer.hpp>
#include <string>

#include "../lesson.hpp"

TEST_CASE("lesson 12, exercise 1: v remembers the square of a huge first gradient, and holds B for a thousand steps") {
  moeclip::ClipOptions options;
  options.activation = moeclip::kernels::Activation::gelu;
  const auto clip = moeclip::Clip<float>::load(MOECLIP_COURSE_MODEL "/tiny.safetensors", options);
  moeclip::Trainer<float> trainer(clip, moeclip::Recipe(), {.batch = 2, .image_size = 32, .threads = 1});
  moeclip::SyntheticPlan plan;
  plan.categories = {"wood"};
  plan.count = 20, plan.size = 32;
  const moeclip::SampleSource source(moeclip::drawn_samples(moeclip::plan_synthetic(plan)));

  const Tensor<float>& b = trainer.adapter().mixtures[3].experts[0].lora_b;  // by the tie rule it is chosen first
  Tensor<float> before = b;
  double first_gradient = 0, first_step = 0, last_step = 0;
  trainer.fit(source, {.epochs = 1}, [&](const moeclip::StepReport& report) {
    (report.step == 1 ? first_step : last_step) = farthest(b, before) / report.lr;
    if (report.step == 1) first_gradient = report.gradient_norm;
    before = b;
  });
  CHECK(first_gradient > 1e5);
  CHECK(first_step == doctest::Approx(1).epsilon(1e-3));  // m and the root of v are both the gradient: a step is lr
  CHECK(last_step < 0.1);
}
