// SPDX-License-Identifier: MIT
#pragma once
// A picture through PNG and back, and what a seeded detector says of it, with all bits. The file that includes this has
// included the library in one way or another.

#include <string>

inline std::string verdict() {
  using namespace moeclip;
  Image picture(64, 48, 3);
  const Rng rng(1, "single");
  for (index_t i = 0; i < 64 * 48 * 3; ++i) picture.data()[i] = static_cast<std::uint8_t>(128 + 100 * rng.uniform(i));
  const Image read = decode_image(encode_png(picture.view()), "single");
  DetectorOptions options;
  options.image_size = 56;
  const Detector detector = make_seeded_detector(1, options);
  Context context({.threads = 2});
  const Detection found = detector.detect(context, read.view(), detector.anchors("metal nut"));
  const std::size_t bytes = static_cast<std::size_t>(found.map.size()) * sizeof(float);
  return concat("score ", fixed(found.score, 9), ", class score ", fixed(found.class_score, 9), ", map ",
                fnv1a64({reinterpret_cast<const char*>(found.map.data()), bytes}), ", regions ", found.regions.size());
}
