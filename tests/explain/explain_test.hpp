// SPDX-License-Identifier: MIT
#pragma once
// A small model with everything in it, random and untrained, in any precision, and pictures for it.

#include <moeclip/anomaly/seeded.hpp>
#include <string>
#include <utility>

#include "random_tensor.hpp"

namespace explain_test {

using namespace moeclip;  // NOLINT

inline ClipConfig config() { return {{20, 4, 64, 4, 1, 128}, {8, 32, 64, 1, 1, 128}, 24, kernels::Activation::gelu}; }

/// Four blocks of width 64 on a grid of 5 x 5 patches; mixtures of three experts after blocks 2 and 4, levels after 2,
/// 3 and 4.
template <class T>
BasicDetector<T> make_detector(Domain domain = Domain::industrial) {
  VisionTower<T> vision(config().vision, config().embed, config().activation);
  TextTower<T> text(config().text, config().embed, config().activation);
  moeclip::detail::draw_parameters<T>(vision, 1, "visual");
  moeclip::detail::draw_parameters<T>(text, 1, "");
  AdapterConfig switches;
  switches.mixture_blocks = {2, 4};
  switches.level_blocks = {2, 3, 4};
  switches.experts = 3;
  switches.rank = 4;
  switches.similarity_scale = 10;
  Adapter<T> adapter(switches, 64, 24, 64);
  moeclip::detail::draw_parameters<T>(adapter, 2, "adapter");
  for (std::size_t j = 0; j < adapter.mixtures.size(); ++j)
    initialize_fofs<T>(adapter.mixtures[j], 3, concat("mixture ", j));
  DetectorOptions options;
  options.domain = domain;
  options.threads = 1;
  return BasicDetector<T>(Clip<T>(config(), std::move(vision), std::move(text)), std::move(adapter), options);
}

/// Anchors close together, as those of real classes are, so that maps cross one half.
template <class T>
TextAnchors<T> make_anchors() {
  TextAnchors<T> anchors{"gizmo", Tensor<T>({2, 24}), T(10)};
  const Rng base(1, "anchor base"), own(1, "anchor own");
  for (index_t side = 0; side < 2; ++side) {
    T* row = anchors.vectors.data() + side * 24;
    for (index_t c = 0; c < 24; ++c) row[c] = static_cast<T>(base.uniform(c) + 0.4f * own.uniform(side * 24 + c));
    const T length = moeclip::detail::length(row, 24);
    for (index_t c = 0; c < 24; ++c) row[c] /= length;
  }
  return anchors;
}

inline Image make_picture(index_t width = 27, index_t height = 31, index_t channels = 3) {
  Image image(width, height, channels);
  const Rng rng(1, "picture");
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(rng.integer(i, 0, 256));
  return image;
}

}  // namespace explain_test
