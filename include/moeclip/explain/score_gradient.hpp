// SPDX-License-Identifier: MIT
#pragma once
// The gradient of the image score (SCR-1, SCR-1' in this folder's README), where backward passes start. The score is
// the detector's: half the largest pixel of the probability map and half the class score, or the largest pixel alone
// (medical). A maximum passes its gradient to the pixel where it is, the first in raster order.

#include <algorithm>
#include <cmath>

#include "../anomaly/score_map.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Where a score comes from, and what it is.
template <class T>
struct ScorePoint {
  T score = 0;                       ///< as in Detection
  index_t pixel_x = 0, pixel_y = 0;  ///< of the largest pixel of the probability map
};

/// What the score is made of.
template <class T>
struct ScoreInput {
  View<const T, 3> similarities;       ///< (M, 2, L)
  const T* embedding;                  ///< (C)
  const TextAnchors<T>& anchors;       ///< (2, C), normal and abnormal
  Domain domain = Domain::industrial;  ///< how the score is made
  index_t size = 0;                    ///< pixels a side of the map
};

/// The score, and its gradients: d_difference (M, L) of s_a - s_n, and d_embedding (C). Both are overwritten.
template <class T>
ScorePoint<T> score_backward(Context& context, const ScoreInput<T>& input, View<T, 2> d_difference, T* d_embedding) {
  const View<const T, 3>& s = input.similarities;
  const index_t maps = s.extent(0), patches = s.extent(2), size = input.size, embed = input.anchors.vectors.extent(1);
  const auto grid = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  Arena::Scope scratch(context.arena());
  const View<T, 2> map(scratch.take<T>(size * size), {size, size});
  probability_map<T>(context, s, map);
  const index_t at = std::max_element(map.data(), map.data() + map.size()) - map.data();
  ScorePoint<T> point;
  point.pixel_x = at % size;
  point.pixel_y = at / size;
  point.score = image_score<T>(input.domain, map.data()[at], class_score<T>(input.embedding, input.anchors));

  const T half = input.domain == Domain::industrial ? T(0.5) : T(1);
  const View<T, 2> difference(scratch.take<T>(patches), {grid, grid});
  const BilinearRows<T> rows(scratch, difference, map);
  T *row = scratch.take<T>(size), *room = scratch.take<T>(rows.scratch_size());
  for (index_t m = 0; m < maps; ++m) {
    for (index_t i = 0; i < patches; ++i) difference.data()[i] = s(m, 1, i) - s(m, 0, i);
    rows.row(difference.data(), point.pixel_y, row, room);
    const T p = T(1) / (T(1) + std::exp(-row[point.pixel_x]));
    std::fill_n(row, size, T(0));
    row[point.pixel_x] = half * p * (T(1) - p) / static_cast<T>(maps);
    std::fill_n(&d_difference(m, 0), patches, T(0));
    rows.add_adjoint(row, point.pixel_y, &d_difference(m, 0), room);
  }
  for (index_t c = 0; c < embed; ++c)
    d_embedding[c] = input.domain == Domain::industrial ? T(0.25) * input.anchors.abnormal()[c] : T(0);
  return point;
}

}}  // namespace moeclip::abi_v0_1
