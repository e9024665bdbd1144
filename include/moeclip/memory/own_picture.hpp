// SPDX-License-Identifier: MIT
#pragma once
// How unlike the rest of its own picture a patch is (OWN-1 in this folder's README):
//
//   e_i = min over patches j of the same picture, more than three rows or columns away, of |f_i - f_j|
//
// What is abnormal is rare in its own picture, too, and to see that no other picture has to be known (Aota et al.,
// Zero-shot versus Many-shot: Unsupervised Texture Anomaly Detection, WACV 2023): the fewer good ones there are, the
// more it says beside them, and of none it says all that can be said.

#include <span>

#include "../base/context.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Rows and columns around a patch whose patches see much of the same.
inline constexpr index_t kOwnReach = 3;

/// b of a single good picture; of n things, it is divided by sqrt(n).
inline constexpr double kOwnWeight = 2;

inline constexpr double kOwnUnit = 0.13;    ///< u of e in photographs of good things: without any good picture, it is
                                            ///< what there is to go by
inline constexpr double kOwnSpread = 0.04;  ///< and v

/// e of the patches of a picture with descriptors (g g, F). Throws contract unless there are g g `distances` and g is
/// large enough that each patch has others.
template <class T>
void own_distances(Context& context, View<const T, 2> descriptors, std::span<T> distances);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "../anomaly/features.hpp"
#include "../kernels/gemm.hpp"
#include "coreset.hpp"
#include "nearest.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void own_distances(Context& context, View<const T, 2> descriptors, std::span<T> distances) {
  const index_t count = descriptors.extent(0), width = descriptors.extent(1), grid = detail::grid_side(count);
  MOECLIP_EXPECT(std::ssize(distances) == count && grid > 2 * kOwnReach, distances.size(), " distances within ", count,
                 " patches; as many were wanted, of more than ", 2 * kOwnReach, " rows");
  Arena::Scope scratch(context.arena());
  T* const halves = scratch.take<T>(count);
  detail::half_squares(descriptors, halves);
  const View<T, 2> products(scratch.take<T>(count * count), {count, count});  // f_i . f_j - |f_j|^2 / 2
  const auto rows = kernels::row_major<T>(descriptors.data(), descriptors.stride(0));
  kernels::gemm<T>(context, {count, count, width}, rows, kernels::transposed(rows), products.data(), count,
                   {.bias = halves});
  context.parallel_for(count, [&](index_t i, int) {
    const index_t own_row = i / grid, own_column = i % grid;
    index_t nearest = -1;
    const auto look = [&](index_t row, index_t begin, index_t end) {
      for (index_t j = row * grid + begin; j < row * grid + end; ++j)
        if (nearest < 0 || products(i, j) > products(i, nearest)) nearest = j;
    };
    for (index_t row = 0; row < grid; ++row) {
      const bool is_near = std::abs(row - own_row) <= kOwnReach;
      look(row, 0, is_near ? std::max<index_t>(0, own_column - kOwnReach) : grid);
      if (is_near) look(row, (std::min)(grid, own_column + kOwnReach + 1), grid);
    }
    distances[static_cast<std::size_t>(i)] =
        std::sqrt(detail::squared_distance(&descriptors(i, 0), &descriptors(nearest, 0), width));
  });
}

MOECLIP_INSTANTIATE(own_distances)

}}  // namespace moeclip::abi_v0_1

#endif
