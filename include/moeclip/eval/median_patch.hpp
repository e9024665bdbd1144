// SPDX-License-Identifier: MIT
#pragma once
// The simplest detector there is, which a real one must beat: a patch is as anomalous as it is far from the median
// patch of its own picture. It needs neither training nor words.

#include "../base/context.hpp"
#include "../image/image.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Numbers per patch that patch_statistics makes: mean and standard deviation of each colour.
inline constexpr index_t kPatchStatistics = 6;

/// statistics (g g, 6) of the g x g patches of `patch` pixels a side of an RGB picture, in gray levels.
void patch_statistics(ImageView picture, index_t patch, View<float, 2> statistics);

/// deviation[p] of the rows of features (P, F): the root of the mean over f of ((x_pf - median_f) / (spread_f +
/// floor))^2, where the spread is the median distance from the median. `floor` is the smallest difference that means
/// something.
void median_deviation(View<const float, 2> features, float floor, float* deviation);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <cmath>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void patch_statistics(ImageView picture, index_t patch, View<float, 2> statistics) {
  const index_t across = picture.width / patch, down = picture.height / patch;
  MOECLIP_EXPECT(
      picture.channels == 3 && statistics.extent(0) == across * down && statistics.extent(1) == kPatchStatistics,
      "statistics of ", statistics.extent(0), " patches were asked for; the picture has ", across * down);
  for (index_t p = 0; p < across * down; ++p)
    for (index_t c = 0; c < 3; ++c) {
      std::int64_t sum = 0, squares = 0;
      for (index_t y = 0; y < patch; ++y)
        for (index_t x = 0; x < patch; ++x) {
          const std::int64_t value = picture.row(p / across * patch + y)[3 * (p % across * patch + x) + c];
          sum += value, squares += value * value;
        }
      const auto count = static_cast<double>(patch * patch), mean = static_cast<double>(sum) / count;
      statistics(p, c) = static_cast<float>(mean);
      statistics(p, 3 + c) =
          static_cast<float>(std::sqrt((std::max)(0.0, static_cast<double>(squares) / count - mean * mean)));
    }
}

MOECLIP_FUNC void median_deviation(View<const float, 2> features, float floor, float* deviation) {
  const index_t patches = features.extent(0), width = features.extent(1);
  std::vector<float> column(static_cast<std::size_t>(patches));
  const auto median = [&] {
    const auto middle = column.begin() + std::ssize(column) / 2;
    std::nth_element(column.begin(), middle, column.end());
    return *middle;
  };
  std::fill_n(deviation, patches, 0.0f);
  for (index_t f = 0; f < width; ++f) {
    for (index_t p = 0; p < patches; ++p) column[static_cast<std::size_t>(p)] = features(p, f);
    const float centre = median();
    for (index_t p = 0; p < patches; ++p) column[static_cast<std::size_t>(p)] = std::abs(features(p, f) - centre);
    const float scale = 1 / (median() + floor);
    for (index_t p = 0; p < patches; ++p) {
      const float z = (features(p, f) - centre) * scale;
      deviation[p] += z * z;
    }
  }
  for (index_t p = 0; p < patches; ++p) deviation[p] = std::sqrt(deviation[p] / static_cast<float>(width));
}

}}  // namespace moeclip::abi_v0_1

#endif
