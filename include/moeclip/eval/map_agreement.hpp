// SPDX-License-Identifier: MIT
#pragma once
// How much two maps of one picture differ (AGR-1 in this folder's README): what a model in lower precision is compared
// with the full one by.

#include <span>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How near two maps are.
struct MapAgreement {
  double rank_correlation = 1;    ///< Spearman's, over pixels, in [-1, 1]; 1 if both maps are flat, 0 if one is
  double largest_difference = 0;  ///< of a pixel
  double mean_difference = 0;     ///< of the absolute values
};

/// Compares maps of the same size. Throws contract if their sizes differ or they are empty.
MapAgreement compare_maps(std::span<const float> a, std::span<const float> b);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "../base/error.hpp"
#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The rank of each value, from 0; equal values share the mean of theirs.
inline std::vector<double> ranks_of(std::span<const float> values) {
  std::vector<index_t> order(values.size());
  std::iota(order.begin(), order.end(), index_t{0});
  const auto value = [&](index_t i) { return values[static_cast<std::size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](index_t i, index_t j) { return value(i) < value(j); });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && value(order[end]) == value(order[begin])) ++end;
    for (std::size_t i = begin; i < end; ++i)
      ranks[static_cast<std::size_t>(order[i])] = static_cast<double>(begin + end - 1) / 2;
  }
  return ranks;
}

/// Pearson's correlation of ranks, whose mean is (n - 1) / 2 in both.
inline double correlation_of_ranks(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean = static_cast<double>(a.size() - 1) / 2;
  double product = 0, square_a = 0, square_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += (a[i] - mean) * (b[i] - mean);
    square_a += (a[i] - mean) * (a[i] - mean);
    square_b += (b[i] - mean) * (b[i] - mean);
  }
  if (square_a == 0 || square_b == 0) return square_a == square_b ? 1 : 0;
  return product / std::sqrt(square_a * square_b);
}

}  // namespace detail

MOECLIP_FUNC MapAgreement compare_maps(std::span<const float> a, std::span<const float> b) {
  MOECLIP_EXPECT(a.size() == b.size() && !a.empty(), "maps of ", a.size(), " and ", b.size(),
                 " pixels cannot be compared");
  MapAgreement agreement;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    agreement.largest_difference = (std::max)(agreement.largest_difference, difference);
    agreement.mean_difference += difference / static_cast<double>(a.size());
  }
  agreement.rank_correlation = detail::correlation_of_ranks(detail::ranks_of(a), detail::ranks_of(b));
  return agreement;
}

}}  // namespace moeclip::abi_v0_1

#endif
