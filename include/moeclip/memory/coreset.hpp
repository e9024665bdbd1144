// SPDX-License-Identifier: MIT
#pragma once
// A few points that stand for many (COR-1 in this folder's README): the greedy answer to the k-center problem, as
// PatchCore uses it (Roth et al. 2022, algorithm 1). Beginning with a point that the seed decides, the point that is
// farthest from all that were chosen is chosen next; of several that are equally far, the first.

#include <cstdint>
#include <vector>

#include "../base/context.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Distances of wider points are measured on their image in so many dimensions, which a random matrix of signs makes
/// (Achlioptas 2003): it changes them by a few percent, and the choice takes a fraction of the time.
inline constexpr index_t kCoresetWidth = 128;

/// What distances of `points` (N, F) are measured on: their image (N, kCoresetWidth) if they are wider, else a copy.
template <class T>
Tensor<T> coreset_coordinates(Context& context, View<const T, 2> points, std::uint64_t seed);

/// The rows of `points` (N, F) that are chosen, `count` of them in the order of choice; all rows, in their order, if
/// there are no more. The same for any number of threads.
template <class T>
std::vector<index_t> choose_coreset(Context& context, View<const T, 2> points, index_t count, std::uint64_t seed);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "../base/rng.hpp"
#include "../kernels/gemm.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr index_t kCoresetRows = 512;  // of a task: enough for its thread, few enough to share out

/// |a - b|^2 of points of `width` coordinates, as 16 sums side by side. Four of them at a time go through all
/// coordinates: so a compiler keeps them in one register.
template <class T>
T squared_distance(const T* a, const T* b, index_t width) {
  constexpr index_t kSums = 16, kLanes = 4;
  const index_t whole = width / kSums * kSums;
  std::array<T, kSums> sums{};
  for (index_t s = 0; s < kSums; s += kLanes) {
    T lanes[kLanes] = {};
    for (index_t c = s; c < whole; c += kSums)
      for (index_t l = 0; l < kLanes; ++l) lanes[l] += (a[c + l] - b[c + l]) * (a[c + l] - b[c + l]);
    std::copy_n(lanes, kLanes, sums.begin() + s);
  }
  T rest = 0;
  for (index_t c = whole; c < width; ++c) rest += (a[c] - b[c]) * (a[c] - b[c]);
  return std::accumulate(sums.begin(), sums.end(), rest);
}

/// The greedy choice among `points` (N, F), as they are.
template <class T>
class GreedyChoice {
 public:
  GreedyChoice(Context& context, View<const T, 2> points)
      : context_(context),
        points_(points),
        distances_(static_cast<std::size_t>(points.extent(0)), std::numeric_limits<T>::infinity()),
        farthest_(static_cast<std::size_t>((points.extent(0) + kCoresetRows - 1) / kCoresetRows)) {}

  /// Takes row `chosen` in, and returns the row that is now farthest from all that were.
  index_t choose(index_t chosen) {
    const T* const center = &points_(chosen, 0);
    context_.parallel_for(std::ssize(farthest_), [&](index_t task, int) {
      const index_t begin = task * kCoresetRows, end = (std::min)(begin + kCoresetRows, points_.extent(0));
      index_t best = begin;
      for (index_t i = begin; i < end; ++i) {
        T& nearest = distances_[static_cast<std::size_t>(i)];
        nearest = (std::min)(nearest, squared_distance(&points_(i, 0), center, points_.extent(1)));
        if (nearest > distance(best)) best = i;
      }
      farthest_[static_cast<std::size_t>(task)] = best;
    });
    return *std::max_element(farthest_.begin(), farthest_.end(), [&](index_t a, index_t b) {
      return distance(a) < distance(b);  // the first of equals
    });
  }

 private:
  [[nodiscard]] T distance(index_t row) const { return distances_[static_cast<std::size_t>(row)]; }

  Context& context_;
  View<const T, 2> points_;
  std::vector<T> distances_;       // squared, of each point from the nearest that was chosen
  std::vector<index_t> farthest_;  // of each task
};

}  // namespace detail

template <class T>
Tensor<T> coreset_coordinates(Context& context, View<const T, 2> points, std::uint64_t seed) {
  const index_t rows = points.extent(0), width = points.extent(1);
  if (width <= kCoresetWidth) {
    Tensor<T> copy({rows, width});
    for (index_t i = 0; i < rows; ++i) std::copy_n(&points(i, 0), width, &copy[i * width]);
    return copy;
  }
  const Rng signs(seed, "coreset/projection");
  auto matrix = Tensor<T>::uninitialised({width, kCoresetWidth});
  const T unit = T(1) / std::sqrt(static_cast<T>(kCoresetWidth));
  for (index_t i = 0; i < matrix.size(); ++i) matrix[i] = (signs.bits(i) >> 63) != 0 ? unit : -unit;
  auto images = Tensor<T>::uninitialised({rows, kCoresetWidth});
  kernels::gemm<T>(context, {rows, kCoresetWidth, width}, kernels::row_major<T>(points.data(), points.stride(0)),
                   kernels::row_major<T>(matrix.data(), kCoresetWidth), images.data(), kCoresetWidth);
  return images;
}

template <class T>
std::vector<index_t> choose_coreset(Context& context, View<const T, 2> points, index_t count, std::uint64_t seed) {
  const index_t rows = points.extent(0);
  MOECLIP_EXPECT(rows > 0 && count > 0, "a coreset of ", count, " among ", rows, " points");
  std::vector<index_t> chosen(static_cast<std::size_t>((std::min)(rows, count)));
  std::iota(chosen.begin(), chosen.end(), index_t{0});
  if (count >= rows) return chosen;
  const Tensor<T> coordinates = coreset_coordinates<T>(context, points, seed);
  detail::GreedyChoice<T> greedy(context, coordinates.template view<2>());
  index_t next = Rng(seed, "coreset/first").integer(0, 0, rows);
  for (index_t& row : chosen) {
    row = next;
    next = greedy.choose(row);
  }
  return chosen;
}

MOECLIP_INSTANTIATE(coreset_coordinates)
MOECLIP_INSTANTIATE(choose_coreset)

}}  // namespace moeclip::abi_v0_1

#endif
