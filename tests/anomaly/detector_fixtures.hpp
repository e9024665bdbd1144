// SPDX-License-Identifier: MIT
#pragma once
// A small detector of random weights, pictures and anchors for it.

#include <algorithm>
#include <cmath>
#include <moeclip/anomaly/seeded.hpp>
#include <string>

#include "golden.hpp"
#include "random_tensor.hpp"

namespace detector_test {

using namespace moeclip;  // NOLINT

/// The seeded model at 70 x 70 pixels, a grid of 5.
inline Detector small_detector(DetectorOptions options = {}) {
  if (options.image_size == 0) options.image_size = 70;
  return make_seeded_detector(1, options);
}

inline const Detector& shared_detector() {
  static const Detector detector = small_detector();
  return detector;
}

inline Image random_picture(index_t width, index_t height, index_t channels, const std::string& name = "picture") {
  Image image(width, height, channels);
  const Rng rng(1, name);
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(rng.integer(i, 0, 256));
  return image;
}

/// Unit anchors of width C that are close together, as those of real classes are, so that maps cross one half.
inline TextAnchors<float> random_anchors(index_t embed = 96) {
  TextAnchors<float> anchors{"gizmo", Tensor<float>({2, embed})};
  const Rng base(1, "anchor base"), own(1, "anchor own");
  for (index_t side = 0; side < 2; ++side) {
    float* row = anchors.vectors.data() + side * embed;
    double square = 0;
    for (index_t c = 0; c < embed; ++c) {
      row[c] = base.uniform(c) + 0.2f * own.uniform(side * embed + c);
      square += static_cast<double>(row[c]) * static_cast<double>(row[c]);
    }
    for (index_t c = 0; c < embed; ++c) row[c] /= static_cast<float>(std::sqrt(square));
  }
  return anchors;
}

inline bool same_detection(const Detection& a, const Detection& b) {
  const auto same_region = [](const Region& p, const Region& q) {
    return p.x == q.x && p.y == q.y && p.width == q.width && p.height == q.height && p.area == q.area &&
           p.peak == q.peak && p.peak_x == q.peak_x && p.peak_y == q.peak_y;
  };
  return a.score == b.score && a.class_score == b.class_score && a.is_anomalous == b.is_anomalous &&
         same_bits(a.map, b.map) &&
         std::equal(a.regions.begin(), a.regions.end(), b.regions.begin(), b.regions.end(), same_region);
}

}  // namespace detector_test
