// SPDX-License-Identifier: MIT
#pragma once
// The losses of a map in Bayes-PFL (BML-1, BML-2 in this folder's README): a focal loss whose mean over marked pixels
// counts as much as that over the others, and a dice loss of the abnormal channel, both over all pixels of a batch.

#include <vector>

#include "../base/context.hpp"
#include "../image/upsample.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The two losses; both 0 if no picture has a mask.
struct BalancedMapLosses {
  double focal = 0;  ///< BML-1
  double dice = 0;   ///< BML-2
};

/// One map of a batch.
template <class T>
struct BalancedMapTask {
  View<const T, 3> difference;        ///< (B, g, g) logit of abnormal minus that of normal, contiguous
  View<const T, 3> masks;             ///< (B, S, S), nonzero where abnormal, contiguous
  const std::vector<bool>& has_mask;  ///< (B), or empty: all have
  View<T, 3> d_difference;            ///< (B, g, g) out: gradient of focal + dice
};

/// The losses and their gradient on the grid. Sums run band by band in a fixed order: the same bits for any number of
/// threads.
template <class T>
BalancedMapLosses balanced_map_losses(Context& context, const BalancedMapTask<T>& task);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr double kBalancedFloor = 1e-8;  // beside probabilities and numbers of pixels
inline constexpr double kBalancedDice = 1e-5;   // beside both sums of the dice loss
inline constexpr index_t kBalancedBand = 32;    // rows of pixels that one worker takes

/// Sums over pixels, marked [1] and not [0]: of the focal loss and of the abnormal channel.
struct BalancedSums {
  double focal[2] = {0, 0}, abnormal[2] = {0, 0};
};

/// 1 over the number of marked [1] and other [0] pixels of the pictures that count, and those numbers.
template <class T>
struct PixelCounts {
  double pixels[2] = {0, 0}, share[2] = {0, 0};

  explicit PixelCounts(const BalancedMapTask<T>& task) {
    const index_t size = task.masks.extent(1) * task.masks.extent(2);
    for (index_t b = 0; b < task.masks.extent(0); ++b) {
      if (!task.has_mask.empty() && !task.has_mask[static_cast<std::size_t>(b)]) continue;
      const T* const mask = task.masks[b].data();
      const index_t marked = size - std::count(mask, mask + size, T(0));
      pixels[1] += static_cast<double>(marked), pixels[0] += static_cast<double>(size - marked);
    }
    for (const int side : {0, 1}) share[side] = 1 / (pixels[side] + kBalancedFloor);
  }
};

/// One row of W pixels: u becomes the gradient of the focal loss; `spread`, of the abnormal channel where not marked
/// and where marked.
template <class T>
void balanced_row(index_t width, const T* mask, const double* share, T* u, T* const (&spread)[2], BalancedSums& sums) {
  constexpr T kFloor = static_cast<T>(kBalancedFloor);
  for (index_t x = 0; x < width; ++x) {
    const int marked = mask[x] != T(0) ? 1 : 0;
    const T ratio = std::exp(-std::abs(u[x]));  // of the smaller to the larger of both probabilities
    const T large = T(1) / (T(1) + ratio);
    const T abnormal = u[x] < T(0) ? ratio * large : large, normal = u[x] < T(0) ? large : ratio * large;
    const T right = marked == 1 ? abnormal : normal, wrong = marked == 1 ? normal : abnormal;
    const T log_right = std::log(right + kFloor), both = abnormal * normal;
    const T slope = T(2) * wrong * log_right - wrong * wrong / (right + kFloor);
    sums.focal[marked] -= static_cast<double>(wrong * wrong * log_right);
    sums.abnormal[marked] += static_cast<double>(abnormal);
    u[x] = static_cast<T>(share[marked]) * (marked == 1 ? slope : -slope) * both;
    spread[marked][x] = both;
    spread[1 - marked][x] = T(0);
  }
}

}  // namespace detail

template <class T>
BalancedMapLosses balanced_map_losses(Context& context, const BalancedMapTask<T>& task) {
  const index_t batch = task.difference.extent(0), cells = task.difference.extent(1) * task.difference.extent(2);
  const auto is_on = [&](index_t b) { return task.has_mask.empty() || task.has_mask[static_cast<std::size_t>(b)]; };
  std::fill_n(task.d_difference.data(), task.d_difference.size(), T(0));
  index_t pictures = 0;
  for (index_t b = 0; b < batch; ++b) pictures += is_on(b) ? 1 : 0;
  if (pictures == 0) return {};
  const index_t height = task.masks.extent(1), width = task.masks.extent(2);
  MOECLIP_EXPECT(task.masks.extent(0) == batch, "masks of ", task.masks.extent(0), " pictures for ", batch, " maps");
  const detail::PixelCounts<T> counts(task);

  Arena::Scope scratch(context.arena());
  const BilinearRows<T> rows(scratch, task.difference[0], task.masks[0]);
  const index_t bands = (height + detail::kBalancedBand - 1) / detail::kBalancedBand, grids = 3 * cells;
  const index_t room = 3 * width + rows.scratch_size();
  T* const gathered = scratch.take<T>(batch * bands * grids);
  T* const room_of_worker = scratch.take<T>(context.threads() * room);
  auto* const sums = scratch.take<detail::BalancedSums>(batch * bands);
  context.parallel_for(batch * bands, [&](index_t i, int worker) {
    const index_t b = i / bands, first = i % bands * detail::kBalancedBand;
    T *const u = room_of_worker + worker * room, *const line = u + 3 * width, *const d = gathered + i * grids;
    T* const spread[2] = {u + width, u + 2 * width};
    std::fill_n(d, grids, T(0));
    sums[i] = {};
    if (!is_on(b)) return;
    for (index_t y = first; y < (std::min)(first + detail::kBalancedBand, height); ++y) {
      rows.row(&task.difference(b, 0, 0), y, u, line);
      detail::balanced_row<T>(width, &task.masks(b, y, 0), counts.share, u, spread, sums[i]);
      rows.add_adjoint(u, y, d, line);
      rows.add_adjoint(spread[0], y, d + cells, line);
      rows.add_adjoint(spread[1], y, d + 2 * cells, line);
    }
  });

  detail::BalancedSums sum;
  for (index_t i = 0; i < batch * bands; ++i)
    for (const int side : {0, 1}) sum.focal[side] += sums[i].focal[side], sum.abnormal[side] += sums[i].abnormal[side];
  const double hit = 2 * sum.abnormal[1] + detail::kBalancedDice;
  const double whole = sum.abnormal[0] + sum.abnormal[1] + counts.pixels[1] + detail::kBalancedDice;
  const auto beside = static_cast<T>(hit / (whole * whole)), inside = static_cast<T>(hit / (whole * whole) - 2 / whole);
  for (index_t i = 0; i < batch * bands; ++i) {
    T* const d = task.d_difference.data() + i / bands * cells;
    const T* const from = gathered + i * grids;
    for (index_t k = 0; k < cells; ++k) d[k] += from[k] + beside * from[cells + k] + inside * from[2 * cells + k];
  }
  return {sum.focal[0] * counts.share[0] + sum.focal[1] * counts.share[1], 1 - hit / whole};
}

MOECLIP_INSTANTIATE(balanced_map_losses)

}}  // namespace moeclip::abi_v0_1

#endif
