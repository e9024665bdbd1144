// SPDX-License-Identifier: MIT
#pragma once
// Patch average aggregation (PAA-1 in this folder's README; METHOD section 2) replaces each patch by the mean of its n
// x n neighbourhood on the grid. Places outside of the grid count as zero and the divisor is always n * n, so the
// borders get darker, as in the released code.

#include <algorithm>

#include "../base/context.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// out (g * g, D) from the patches of one image x (g * g, D), contiguous, distinct memory; window n odd. n = 1 copies.
template <class T>
void aggregate_patches(Context& context, index_t grid, index_t window, View<const T, 2> x, View<T, 2> out) {
  MOECLIP_EXPECT(window >= 1 && window % 2 == 1 && x.extent(0) == grid * grid && x.extents() == out.extents(),
                 "aggregation with window ", window, " over a grid of ", grid, " was given ", x.extent(0), " patches");
  const index_t width = x.extent(1), reach = window / 2;
  if (window == 1) {
    std::copy_n(x.data(), x.size(), out.data());
    return;
  }
  Arena::Scope scratch(context.arena());
  const View<T, 2> along_row(scratch.take<T>(x.size()), x.extents());  // sums along x, then along y

  // sums the neighbours of patch i, `step` patches apart, whose coordinate on that axis stays in the grid
  const auto sum_neighbours = [&](View<const T, 2> from, index_t i, index_t coordinate, index_t step, T* to) {
    const index_t first = std::max<index_t>(-reach, -coordinate), last = (std::min)(reach, grid - 1 - coordinate);
    std::copy_n(&from(i + first * step, 0), width, to);
    for (index_t d = first + 1; d <= last; ++d) {
      const T* row = &from(i + d * step, 0);
      for (index_t c = 0; c < width; ++c) to[c] += row[c];
    }
  };
  context.parallel_for(grid * grid, [&](index_t i, int) { sum_neighbours(x, i, i % grid, 1, &along_row(i, 0)); });
  const T share = T(1) / static_cast<T>(window * window);
  context.parallel_for(grid * grid, [&](index_t i, int) {
    T* to = &out(i, 0);
    sum_neighbours(along_row, i, i / grid, grid, to);
    for (index_t c = 0; c < width; ++c) to[c] *= share;
  });
}

/// d_x (g * g, D) += backward of aggregate_patches for d_out (g * g, D). Who is in whose window is symmetric, so the
/// operation is its own adjoint (PAA-1').
template <class T>
void aggregate_patches_backward(Context& context, index_t grid, index_t window, View<const T, 2> d_out,
                                View<T, 2> d_x) {
  Arena::Scope scratch(context.arena());
  const View<T, 2> spread(scratch.take<T>(d_out.size()), d_out.extents());
  aggregate_patches<T>(context, grid, window, d_out, spread);
  context.parallel_for(grid * grid, [&](index_t i, int) {
    for (index_t c = 0; c < d_x.extent(1); ++c) d_x(i, c) += spread(i, c);
  });
}

}}  // namespace moeclip::abi_v0_1
