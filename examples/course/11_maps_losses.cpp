// SPDX-License-Identifier: MIT
// Lesson 11. Heads, maps and losses. Patch tokens become a map of where a picture is abnormal. t_j are the patches of a
// g x g grid, T_n and T_a unit vectors of sentences that say "normal" and "abnormal", c a scale:
//
//   t'_i = (1/n^2) sum of t_j over the n x n neighbourhood of i, zeros outside the grid           (PAA-1)
//   f = normalise(act(W LN_post(t')))                                                            (SEG-1)
//   s_n = c f . T_n,   s_a = c f . T_a                                                            (SIM-1)
//   P_a = (1/M) sum over M maps of sigmoid(u),   u = upsample(s_a - s_n)                          (MAP-2)
//
// where W projects into CLIP's space, and sigmoid(s_a - s_n) is what softmax gives s_a beside s_n. Here LN_post, act
// and W are left out, and M = 1. The map is compared with a mask Y, for P_t, P_o the probabilities of the true side and
// of the other one, e = 1e-5:
//
//   focal = mean of -(1 - pt)^2 log pt,   pt = (1 - e) P_t + e P_o + e                            (FOC-1)
//   dice = 1 - (2 sum P Y + 1) / (sum P + sum Y + 1), once for each side                          (DICE-1)
//
// Output:
// aggregated patches by the lesson and by the library: the same numbers
// map by the lesson and by the library: the same numbers
// losses by the lesson and by the library: the same numbers
// s_a - s_n = -2 everywhere: focal 0.016, dice normal 0.067, abnormal 0.982; |gradient| on the grid 1e-02
// s_a - s_n = -5 everywhere: focal 0.043, dice normal 0.008, abnormal 0.977; |gradient| on the grid 8e-03
// s_a - s_n = -40 everywhere: focal 0.095, dice normal 0.004, abnormal 0.973; |gradient| on the grid 1e-15

#include <moeclip/anomaly/aggregate.hpp>
#include <moeclip/anomaly/score_map.hpp>
#include <moeclip/train/losses.hpp>

#include "lesson.hpp"

constexpr index_t kGrid = 8, kSide = 64, kWidth = 24, kPatches = kGrid * kGrid;
using Matrix = Tensor<double>;

/// PAA-1
static Matrix aggregate(const Matrix& t, index_t window) {
  Matrix out(t.shape());
  const index_t reach = window / 2;
  for (index_t i = 0; i < kPatches; ++i)
    for (index_t y = i / kGrid - reach; y <= i / kGrid + reach; ++y)
      for (index_t x = i % kGrid - reach; x <= i % kGrid + reach; ++x)
        for (index_t c = 0; c < kWidth && y >= 0 && y < kGrid && x >= 0 && x < kGrid; ++c)
          out[i * kWidth + c] += t[(y * kGrid + x) * kWidth + c] / static_cast<double>(window * window);
  return out;
}

/// SEG-1 without LN_post, act and W: rows of length 1.
static Matrix normalised(Matrix t) {
  for (index_t i = 0; i < t.extent(0); ++i) {
    const double size = length(row(t, i));
    for (index_t c = 0; c < t.extent(1); ++c) t[i * t.extent(1) + c] /= size;
  }
  return t;
}

/// Bilinear, corners on corners: pixel y lies at y (g-1)/(S-1) of the grid.
static Matrix upsample(const Matrix& grid) {
  Matrix large({kSide, kSide});
  for (index_t i = 0; i < large.size(); ++i) {
    const double y = static_cast<double>(i / kSide) * (kGrid - 1) / (kSide - 1),
                 x = static_cast<double>(i % kSide) * (kGrid - 1) / (kSide - 1);
    const index_t v = std::min(static_cast<index_t>(y), kGrid - 2), h = std::min(static_cast<index_t>(x), kGrid - 2);
    const double down = y - static_cast<double>(v), right = x - static_cast<double>(h), *at = &grid[v * kGrid + h];
    large[i] =
        (1 - down) * ((1 - right) * at[0] + right * at[1]) + down * ((1 - right) * at[kGrid] + right * at[kGrid + 1]);
  }
  return large;
}

/// FOC-1, and DICE-1 of either side.
static moeclip::MapLosses losses(const Matrix& u, const Matrix& mask) {
  double focal = 0, hit[2] = {}, whole[2] = {};  // 0: normal, 1: abnormal
  for (index_t i = 0; i < u.size(); ++i) {
    const double p[2] = {1 / (1 + std::exp(u[i])), 1 / (1 + std::exp(-u[i]))};
    const bool is_marked = mask[i] > 0;
    const double pt = (1 - 1e-5) * p[is_marked] + 1e-5 * p[!is_marked] + 1e-5;
    focal -= (1 - pt) * (1 - pt) * std::log(pt) / static_cast<double>(u.size());
    for (const int side : {0, 1}) {
      const double y = (side == 1) == is_marked ? 1 : 0;
      hit[side] += p[side] * y;
      whole[side] += p[side] + y;
    }
  }
  return {focal, 1 - (2 * hit[0] + 1) / (whole[0] + 1), 1 - (2 * hit[1] + 1) / (whole[1] + 1)};
}

/// The library's, with the gradient on the grid.
static moeclip::MapLosses library_losses(Context& context, const Matrix& difference, const Matrix& mask, Matrix& d) {
  const View<const double, 3> on_grid(difference.data(), {1, kGrid, kGrid}), on_pixels(mask.data(), {1, kSide, kSide});
  return moeclip::map_losses<double>(context, {on_grid, on_pixels, {}, View<double, 3>(d.data(), {1, kGrid, kGrid})});
}

int main() {
  Context context({.threads = 1});
  const auto t = drawn<double>({kPatches, kWidth}, "patches");
  Matrix three(t.shape()), s({1, 2, kPatches}), map({kSide, kSide}), difference({kGrid, kGrid}), d({kGrid, kGrid});
  moeclip::aggregate_patches<double>(context, kGrid, 3, t.view<2>(), three.view<2>());
  compare("aggregated patches by the lesson and by the library", farthest(aggregate(t, 3), three), 1e-13);

  moeclip::TextAnchors<double> anchors;
  anchors.vectors = normalised(drawn<double>({2, kWidth}, "sentences"));
  anchors.similarity_scale = 10;
  const Matrix f = normalised(three);
  moeclip::similarities_forward<double>(context, f.view<2>(), anchors, s.view<3>()[0]);
  for (index_t i = 0; i < kPatches; ++i)
    difference[i] = 10 * (dot(row(f, i), row(anchors.vectors, 1)) - dot(row(f, i), row(anchors.vectors, 0)));
  Matrix u = upsample(difference), own_map = u;
  for (double& value : own_map) value = 1 / (1 + std::exp(-value));
  moeclip::probability_map<double>(context, s.view<3>(), map.view<2>());
  compare("map by the lesson and by the library", farthest(own_map, map), 1e-13);

  // A defect of 6 x 6 pixels of 64 x 64.
  Matrix mask({kSide, kSide});
  for (index_t i = 0; i < 36; ++i) mask[(30 + i / 6) * kSide + 20 + i % 6] = 1;
  const auto own = losses(u, mask), library = library_losses(context, difference, mask, d);
  compare("losses by the lesson and by the library",
          std::abs(own.focal - library.focal) + std::abs(own.dice_normal - library.dice_normal) +
              std::abs(own.dice_abnormal - library.dice_abnormal),
          1e-12);

  // The surprise: who says "normal" everywhere is right at 99 pixels of 100, and focal loss and the dice loss of the
  // normal side are content. The dice loss of the abnormal side alone is not. And where the similarities are scaled up,
  // as with c = 100, the map no longer learns: the slope of log P_t would be 1 - P_t in u, however wrong u is, but pt
  // has the floor 2 e, beside which so small a P_t and its slope do not show.
  for (const double level : {-2.0, -5.0, -40.0}) {
    difference.fill(level);
    const auto flat = library_losses(context, difference, mask, d);
    std::printf(
        "s_a - s_n = %.0f everywhere: focal %.3f, dice normal %.3f, abnormal %.3f; |gradient| on the grid %.0e\n",
        level, flat.focal, flat.dice_normal, flat.dice_abnormal, length(d.values()));
  }
}

// Exercise 1. PAA-1 divides by n^2 at the border too. Which part of a constant map is left in a corner, at an edge, for
//   n = 3 and 5? What does SEG-1 make of it?
// Exercise 2. CE-1 compares the whole picture, as a vector d with |d| <= 1, with its label y: -log softmax(z)_y for the
//   two logits z = d . T, without a scale. What is its least value, over all unit vectors T_n and T_a, and d? Check it
//   with cross_entropy.
