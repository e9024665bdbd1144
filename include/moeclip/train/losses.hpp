// SPDX-License-Identifier: MIT
#pragma once
// The losses of a step (section "Losses" of this folder's README; METHOD section 4): cross entropy of the class scores
// (CE-1), focal and dice losses of the maps (FOC-1, DICE-1).
//
// A map is known on the patch grid, its losses on pixels. A softmax over two channels depends on their difference only,
// P_a = sigmoid(u), P_n = sigmoid(-u), and upsampling is linear, so one row of pixels after the other is made, looked
// at, and its gradient handed back to the grid at once: no map of the image's size exists. The gradient of a dice loss
// at a pixel is P_a P_n times a factor that all marked (unmarked) pixels share and that is known only at the end, so
// three gradients are gathered on the grid and put together then. A map may also be given as P_a on the grid; it is
// then interpolated as it is, and where P_a P_n stands above comes 1.

#include <span>
#include <vector>

#include "../base/context.hpp"
#include "../base/process_group.hpp"
#include "../image/upsample.hpp"
#include "../kernels/dispatch.hpp"
#include "../kernels/reference.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Mean over the batch of -log softmax(logits)[label], for logits (B, 2). d_logits (B, 2) receives the gradient.
template <class T>
double cross_entropy(View<const T, 2> logits, std::span<const int> labels, View<T, 2> d_logits);

/// The losses of one map, means over the pictures that have a mask; all 0 if none has.
struct MapLosses {
  double focal = 0, dice_normal = 0, dice_abnormal = 0;  ///< FOC-1; DICE-1 of either channel
};

/// What a map holds on its grid, and how pixels are made of it.
enum class MapValues : unsigned char {
  difference,   ///< of similarities: upsampled with aligned corners (UPS-1), then P_a = sigmoid(u)
  probability,  ///< P_a, upsampled with aligned edges (UPS-2)
};

/// One map of a batch.
template <class T>
struct MapTask {
  View<const T, 3> difference;        ///< (B, g, g) similarity with abnormal minus with normal, or P_a; contiguous
  View<const T, 3> masks;             ///< (B, S, S), nonzero where abnormal, contiguous
  const std::vector<bool>& has_mask;  ///< (B), or empty: all have
  View<T, 3> d_difference;            ///< (B, g, g) out: gradient of focal + dice_normal + dice_abnormal
  index_t marked = 0;                 ///< pictures of the whole batch that have a mask; 0: those of this part alone
  BatchShare share = {};              ///< whose pictures these are; the losses are those of the whole batch
  MapValues values = MapValues::difference;  ///< of `difference` and its gradient
};

/// Focal and dice losses of a map and their gradient on the grid; pictures without a mask are left out, their gradient
/// is 0. Sums run band by band in a fixed order: the same bits for any number of threads.
template <class T>
MapLosses map_losses(Context& context, const MapTask<T>& task);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
double cross_entropy(View<const T, 2> logits, std::span<const int> labels, View<T, 2> d_logits) {
  const index_t batch = logits.extent(0);
  double sum = 0;
  for (index_t b = 0; b < batch; ++b) {
    const int label = labels[static_cast<std::size_t>(b)];
    MOECLIP_EXPECT(label == 0 || label == 1, "label ", label, " of picture ", b, " is neither 0 nor 1");
    const double margin = static_cast<double>(logits(b, label)) - static_cast<double>(logits(b, 1 - label));
    const double wrong = 1 / (1 + std::exp(margin));  // probability of the other class
    sum += margin < 0 ? std::log1p(std::exp(margin)) - margin : std::log1p(std::exp(-margin));
    d_logits(b, label) = static_cast<T>(-wrong / static_cast<double>(batch));
    d_logits(b, 1 - label) = static_cast<T>(wrong / static_cast<double>(batch));
  }
  return sum / static_cast<double>(batch);
}

namespace detail {

inline constexpr double kFocalSmoothing = 1e-5;
inline constexpr index_t kBandRows = 32;  // rows of pixels that one worker takes: the same for any number of threads

/// Sums over pixels: of the focal loss, of P_n and P_a, of P_n where unmarked and P_a where marked, of the mask.
struct MapSums {
  double focal = 0, normal = 0, abnormal = 0, normal_hit = 0, abnormal_hit = 0, marked = 0;

  void add(const MapSums& other) {
    focal += other.focal, normal += other.normal, abnormal += other.abnormal;
    normal_hit += other.normal_hit, abnormal_hit += other.abnormal_hit, marked += other.marked;
  }
};

/// Rows of W numbers, one after the other: u, P_a and P_n, then three gradients with respect to u: of the focal sum, of
/// the sum of P_a where unmarked, of the same where marked.
template <class T>
struct PixelRow {
  T *u, *abnormal, *normal, *d_focal, *d_unmarked, *d_marked;

  PixelRow(T* memory, index_t width)
      : u(memory),
        abnormal(u + width),
        normal(abnormal + width),
        d_focal(normal + width),
        d_unmarked(d_focal + width),
        d_marked(d_unmarked + width) {}
  static constexpr index_t kRows = 6;

  /// P_a and P_n, each from its own side, so that neither loses digits near 0.
  void fill_probabilities(index_t width, MapValues values) const {
    if (values == MapValues::probability) {
      std::copy_n(u, width, abnormal);
      for (index_t x = 0; x < width; ++x) normal[x] = T(1) - u[x];
      return;
    }
    for (index_t x = 0; x < width; ++x) normal[x] = -u[x];
    if constexpr (std::is_same_v<T, float>) {
      kernels::active().sigmoid(width, u, abnormal);
      kernels::active().sigmoid(width, normal, normal);
    } else {
      for (index_t x = 0; x < width; ++x) abnormal[x] = kernels::reference::sigmoid(u[x]);
      for (index_t x = 0; x < width; ++x) normal[x] = kernels::reference::sigmoid(normal[x]);
    }
  }

  /// The sums over this row and the three gradients. pt = 2 eps + (1 - 2 eps) P_true, taken from the smaller of the
  /// two probabilities: it is exactly 1, with loss and gradient 0, when the other is 0.
  MapSums measure(index_t width, const T* mask, MapValues values) const {
    constexpr T kSlope = static_cast<T>(1 - 2 * kFocalSmoothing), kFloor = static_cast<T>(2 * kFocalSmoothing);
    MapSums sums;
    for (index_t x = 0; x < width; ++x) {
      const bool is_marked = mask[x] != T(0);
      const T right = is_marked ? abnormal[x] : normal[x], wrong = is_marked ? normal[x] : abnormal[x];
      const T miss = kSlope * wrong, pt = kFloor + kSlope * right;  // miss = 1 - pt
      const T log_pt = right < wrong ? std::log(pt) : std::log1p(-miss);
      const T slope = miss * (T(2) * log_pt - miss / pt) * kSlope;                         // of the loss in P_true
      const T spread = values == MapValues::probability ? T(1) : abnormal[x] * normal[x];  // of P_a in u, of P_n in -u
      d_focal[x] = (is_marked ? slope : -slope) * spread;
      d_unmarked[x] = is_marked ? T(0) : spread;
      d_marked[x] = is_marked ? spread : T(0);
      sums.focal -= static_cast<double>(miss * miss * log_pt);
      sums.normal += static_cast<double>(normal[x]);
      sums.abnormal += static_cast<double>(abnormal[x]);
      (is_marked ? sums.abnormal_hit : sums.normal_hit) += static_cast<double>(right);
      sums.marked += is_marked ? 1 : 0;
    }
    return sums;
  }
};

/// 1 - (2 hit + 1) / (whole + 1) with whole = sum P + sum t, and its derivatives.
struct Dice {
  double hit, divisor;
  Dice(double hit_sum, double whole) : hit(hit_sum), divisor(whole + 1) {}
  [[nodiscard]] double loss() const { return 1 - (2 * hit + 1) / divisor; }
  /// In P at a pixel of the target (1) or beside it (0).
  [[nodiscard]] double slope(int target) const { return (2 * hit + 1) / (divisor * divisor) - 2 * target / divisor; }
};

/// Losses of one picture, weighted by 1 / pictures, and the gradient on the grid from the three gathered ones, which
/// follow each other in `gathered`.
template <class T>
void finish_picture(const MapSums& sums, index_t pixels, double weight, const T* gathered, View<T, 2> d,
                    MapLosses& losses) {
  const auto count = static_cast<double>(pixels);
  const Dice normal(sums.normal_hit, sums.normal + count - sums.marked),
      abnormal(sums.abnormal_hit, sums.abnormal + sums.marked);
  losses.focal += weight * sums.focal / count;
  losses.dice_normal += weight * normal.loss();
  losses.dice_abnormal += weight * abnormal.loss();
  const auto focal_share = static_cast<T>(weight / count);
  const auto unmarked = static_cast<T>(weight * (abnormal.slope(0) - normal.slope(1)));
  const auto marked = static_cast<T>(weight * (abnormal.slope(1) - normal.slope(0)));
  const T *d_unmarked = gathered + d.size(), *d_marked = d_unmarked + d.size();
  for (index_t i = 0; i < d.size(); ++i)
    d.data()[i] = focal_share * gathered[i] + unmarked * d_unmarked[i] + marked * d_marked[i];
}

}  // namespace detail

template <class T>
MapLosses map_losses(Context& context, const MapTask<T>& task) {
  const index_t batch = task.difference.extent(0), cells = task.difference.extent(1) * task.difference.extent(2);
  const index_t height = task.masks.extent(1), width = task.masks.extent(2);
  const auto is_on = [&](index_t b) { return task.has_mask.empty() || task.has_mask[static_cast<std::size_t>(b)]; };
  index_t pictures = task.marked;
  for (index_t b = 0; task.marked == 0 && b < batch; ++b) pictures += is_on(b);
  std::fill_n(task.d_difference.data(), task.d_difference.size(), T(0));
  if (pictures == 0) return {};

  Arena::Scope scratch(context.arena());
  const BilinearRows<T> rows(scratch, task.difference[0], task.masks[0],
                             task.values == MapValues::probability ? Alignment::edges : Alignment::corners);
  const index_t bands = (height + detail::kBandRows - 1) / detail::kBandRows, grids = 3 * cells;
  const index_t room = detail::PixelRow<T>::kRows * width + rows.scratch_size();
  T* gathered = scratch.take<T>(batch * bands * grids);
  T* room_of_worker = scratch.take<T>(context.threads() * room);
  auto* sums = scratch.take<detail::MapSums>(batch * bands);
  context.parallel_for(batch * bands, [&](index_t i, int worker) {
    const index_t b = i / bands, first = i % bands * detail::kBandRows;
    T *own = room_of_worker + worker * room, *line = own + detail::PixelRow<T>::kRows * width,
      *d = gathered + i * grids;
    std::fill_n(d, grids, T(0));
    sums[i] = {};
    if (!is_on(b)) return;
    const detail::PixelRow<T> row(own, width);
    for (index_t y = first; y < (std::min)(first + detail::kBandRows, height); ++y) {
      rows.row(&task.difference(b, 0, 0), y, row.u, line);
      row.fill_probabilities(width, task.values);
      sums[i].add(row.measure(width, &task.masks(b, y, 0), task.values));
      rows.add_adjoint(row.d_focal, y, d, line);
      rows.add_adjoint(row.d_unmarked, y, d + cells, line);
      rows.add_adjoint(row.d_marked, y, d + 2 * cells, line);
    }
  });

  MapLosses losses;
  const std::span<MapLosses> running(&losses, 1);
  task.share.in_order(running, [&] {
    for (index_t b = 0; b < batch; ++b) {
      if (!is_on(b)) continue;
      T* all = gathered + b * bands * grids;
      detail::MapSums sum;
      for (index_t band = 0; band < bands; ++band) {
        sum.add(sums[b * bands + band]);
        for (index_t k = 0; band > 0 && k < grids; ++k) all[k] += all[band * grids + k];
      }
      detail::finish_picture<T>(sum, height * width, 1.0 / static_cast<double>(pictures), all, task.d_difference[b],
                                losses);
    }
  });
  task.share.from_last(running);
  return losses;
}

MOECLIP_INSTANTIATE(cross_entropy)
MOECLIP_INSTANTIATE(map_losses)

}}  // namespace moeclip::abi_v0_1

#endif
