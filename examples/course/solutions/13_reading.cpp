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
  CHECK(without_burn < whole - 0.1f);              // 0.807 to 0.640
  CHECK(std::abs(whole - without_other) < 0.01f);  // elsewhere nothing changes

  // Grad-CAM of all experts together: 67, 24, 30 and 15 % of it lie on the burn, which has 8 % of the patches. So it
  // points at what covering finds, after the first block most of all, but also at places whose covering does nothing.
  const auto seen = moeclip::inspect<float>(burn.context, burn.detector, burn.sample.picture.view(), burn.anchors, {});
  const index_t patches = seen.grid * seen.grid, side = 128 / seen.grid;
  for (const auto& block : seen.blocks) {
    double on_burn = 0, all = 0, area = 0;
    for (index_t i = 0; i < block.cams.size(); ++i) {
      const index_t patch = i % patches, y = patch / seen.grid * side + side / 2,
                    x = patch % seen.grid * side + side / 2;
      const bool is_burn = burn.sample.mask.data()[y * 128 + x] != 0;
      area += is_burn ? 1.0 / static_cast<double>(block.cams.size()) : 0;
      on_burn += is_burn ? static_cast<double>(block.cams[i]) : 0;
      all += static_cast<double>(block.cams[i]);
    }
    CAPTURE(on_burn / all);
    CHECK(area == doctest::Approx(0.08).epsilon(0.2));
    CHECK(on_burn / all > 1.5 * area);
  }
}

TEST_CASE("lesson 13, exercise 2: the experts are not the four corners of a simplex") {
  Burn burn;
  const auto seen = moeclip::inspect<float>(burn.context, burn.detector, burn.sample.picture.view(), burn.anchors,
                                            {.has_grad_cam = false});
  // A mean of cosines below -1/3 is impossible, as |sum u_e|^2 >= 0. But a mean near it would not be enough either:
  // ETF-1 is 0 only if every pair is there at every token.
  for (const auto& block : seen.blocks) {
    CAPTURE(block.etf_loss);
    CHECK(block.etf_loss > 0.05);
  }
}
