// SPDX-License-Identifier: MIT
#pragma once
// What a detector says of one picture.

#include <vector>

#include "../image/image.hpp"
#include "../tensor/tensor.hpp"
#include "regions.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Which anomaly map is made (anomaly/score_map.hpp). Scores always come from the probability map.
enum class MapKind { probability, reference };

/// A threshold above every score: nobody knows one. There are scores and maps then, and no verdict.
inline constexpr float kNoThreshold = 2;

/// What one picture gave.
struct Detection {
  float score = 0;                          ///< of the image, in [0, 1]
  float threshold = 0;                      ///< that `score` was compared with
  bool is_anomalous = false;                ///< score >= threshold; says nothing without has_verdict()
  float class_score = 0;                    ///< of the image embedding alone, in [0, 1]
  MapKind map_kind = MapKind::probability;  ///< what `map` is
  float pixel_threshold = 0;                ///< of `map`, that regions were cut at
  Tensor<float> map;                        ///< (S, S); of a picture in tiles (tiles.hpp), its own size
  Tensor<float> reference;                  ///< as `map`, the reference map, if both were asked for
  Image picture;                            ///< as `map`, RGB, what the model saw
  std::vector<Region> regions;              ///< in pixels of the original picture, highest peak first
  index_t width = 0, height = 0;            ///< of the original picture
  std::vector<Detection> tile;              ///< of a picture in tiles: the last one, kept for the next picture's

  /// Whether there is a threshold.
  [[nodiscard]] bool has_verdict() const { return threshold != kNoThreshold; }
};

}}  // namespace moeclip::abi_v0_1
