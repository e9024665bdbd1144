// SPDX-License-Identifier: MIT
#pragma once
// Blurs a map with a separable Gaussian, along x and then along y:
//   g(i) = exp(-i^2 / (2 sigma^2)) / sum,  |i| <= size/2;    out(y, x) = sum_j g(j) sum_i g(i) in(y + j, x + i)
// The border reflects without repeating the edge (d c b | a b c d | c b a), as OpenCV does, or repeats it, as SciPy
// does (c b a | a b c d | d c b). Where the map is narrower than the window the reflection goes back and forth; a map
// of one pixel reflects onto itself.

#include <algorithm>

#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How wide a blur is.
struct GaussianBlur {
  int size = 7;               ///< taps; odd
  double sigma = 1.0;         ///< in pixels; positive
  bool repeats_edge = false;  ///< whether the reflection beyond the border begins with the edge itself

  /// That of scipy.ndimage.gaussian_filter: four standard deviations to either side.
  static GaussianBlur scipy(double sigma) { return {2 * static_cast<int>(4 * sigma + 0.5) + 1, sigma, true}; }
};

/// Where position i of a line of `extent` samples lies after reflection at both ends.
constexpr index_t reflect(index_t i, index_t extent, bool repeats_edge = false) {
  if (extent == 1) return 0;
  const index_t period = 2 * (repeats_edge ? extent : extent - 1);
  i = ((i % period) + period) % period;
  return (std::min)(i, (repeats_edge ? period - 1 : period) - i);
}

/// Elements of scratch that `gaussian_blur` needs for a map of height x width.
constexpr index_t gaussian_blur_scratch(const GaussianBlur& blur, index_t height, index_t width) {
  return height * width + width + 2 * blur.size;
}

/// Blurs `in` (h, w) into `out` (h, w), both contiguous; they may be the same. `scratch` holds
/// gaussian_blur_scratch(blur, h, w) elements.
template <class T>
void gaussian_blur(const GaussianBlur& blur, View<const std::type_identity_t<T>, 2> in, View<T, 2> out, T* scratch);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <cmath>
#include <type_traits>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void gaussian_blur(const GaussianBlur& blur, View<const std::type_identity_t<T>, 2> in, View<T, 2> out, T* scratch) {
  MOECLIP_EXPECT(blur.size > 0 && blur.size % 2 == 1 && blur.sigma > 0, "a blur of size ", blur.size, " and sigma ",
                 blur.sigma, "; the size must be odd and the sigma positive");
  MOECLIP_EXPECT(in.extents() == out.extents() && in.is_contiguous() && out.is_contiguous(),
                 "a blur needs two contiguous maps of one shape");
  const index_t height = in.extent(0), width = in.extent(1), half = blur.size / 2;
  T* rows = scratch;                   // (h, w) blurred along x
  T* weights = rows + height * width;  // (size)
  T* padded = weights + blur.size;     // (size - 1 + w) a row with its reflections

  const auto bell = [&](index_t i) { return std::exp(-static_cast<double>(i * i) / (2 * blur.sigma * blur.sigma)); };
  double sum = 0;
  for (index_t i = -half; i <= half; ++i) sum += bell(i);
  for (index_t i = -half; i <= half; ++i) weights[i + half] = static_cast<T>(bell(i) / sum);

  for (index_t y = 0; y < height; ++y) {
    for (index_t x = -half; x < width + half; ++x)
      padded[x + half] = in.data()[y * width + reflect(x, width, blur.repeats_edge)];
    T* row = rows + y * width;
    std::fill_n(row, width, T{0});
    for (index_t tap = 0; tap < blur.size; ++tap)
      for (index_t x = 0; x < width; ++x) row[x] += weights[tap] * padded[x + tap];
  }
  for (index_t y = 0; y < height; ++y) {
    T* row = out.data() + y * width;
    std::fill_n(row, width, T{0});
    for (index_t tap = 0; tap < blur.size; ++tap) {
      const T* source = rows + reflect(y + tap - half, height, blur.repeats_edge) * width;
      for (index_t x = 0; x < width; ++x) row[x] += weights[tap] * source[x];
    }
  }
}

MOECLIP_INSTANTIATE(gaussian_blur)

}}  // namespace moeclip::abi_v0_1

#endif
