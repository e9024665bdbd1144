// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/explain/inspect.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <string>

#include "../lesson.hpp"

namespace {

/// The lesson's detector and picture.
struct Burn {
  moeclip::Detector detector = load();
  moeclip::TextAnchors<float> anchors = detector.anchors("leather");
  moeclip::Sample sample = moeclip::synthesize({"leather", "burn", 5, 2, 128});
  Context context{{.threads = 1}};

  static moeclip::Detector load() {
    moeclip::DetectorOptions options;
    options.image_size = 128;
    const std::string folder = MOECLIP_COURSE_MODEL;
    return moeclip::Detector::load(folder + "/tiny.safetensors", folder + "/tiny_adapter.safetensors", options);
  }
};

}  // namespace

TEST_CASE("lesson 13, exercise 1: without the burn the score falls, and by more than without another place") {
  Burn burn;
  const auto score_without = [&](index_t shift) {
    moeclip::Image covered = burn.sample.picture;
    double mean[3] = {};
    for (index_t i = 0; i < covered.size(); ++i) mean[i % 3] += covered.data()[i] / (128.0 * 128.0);
    for (index_t i = 0; i < 128 * 128 && shift >= 0; ++i)
      if (burn.sample.mask.data()[i] != 0)
        for (index_t c = 0; c < 3; ++c)
          covered.data()[3 * ((i + shift) % (128 * 128)) + c] = static_cast<unsigned char>(mean[c]);
    return burn.detector.detect(burn.context, covered.view(), burn.anchors).score;
  };
  const float whole = score_without(-1), without_burn = score_without(0), without_other = score_without(64 * 128 + 64);
  CAPTURE(whole);
  CAPTURE(without_burn);
  CAPTURE(without_other);
  CHECK(without_burn < whole);
  CHECK(whole - without_burn > 2 * std::abs(whole - without_other));
}

TEST_CASE("lesson 13, exercise 2: the experts are not the four corners of a simplex") {
  Burn burn;
  const auto seen = moeclip::inspect<float>(burn.context, burn.detector, burn.sample.picture.view(), burn.anchors,
                                            {.has_grad_cam = false});
  for (const auto& block : seen.blocks) {
    double mean = 0;
    for (index_t i = 0; i < 16; ++i) mean += i % 5 == 0 ? 0 : block.cosines[i] / 12;
    CAPTURE(mean);
    CHECK(mean > -1.0 / 3);
    CHECK(mean < 0.3);
  }
}
