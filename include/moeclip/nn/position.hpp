// SPDX-License-Identifier: MIT
#pragma once
// Resizes position embeddings for another image size (POS-1 in this folder's README; METHOD section 1). Row 0 (the
// class token) is kept. The square grid is resampled with the bicubic kernel a = -1/2 and half-pixel centres; when the
// grid shrinks, the kernel is widened (antialias). This is torch's convention for `antialias=True`, which is also
// Pillow's. Some methods interpolate between the two nearest centres instead, without antialias (POS-2).

#include <algorithm>
#include <cmath>
#include <vector>

#include "../base/lists.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Keys' cubic convolution kernel with a = -1/2.
inline double cubic_kernel(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

struct PositionTaps {
  index_t first = 0;
  std::vector<double> weights;
};

/// Taps of each output position: centre s (i + 1/2), s = in / out, support 2 max(s, 1), weights normalised to 1.
inline std::vector<PositionTaps> cubic_taps(index_t in, index_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out), widening = (std::max)(scale, 1.0);
  std::vector<PositionTaps> taps(static_cast<std::size_t>(out));
  for (index_t i = 0; i < out; ++i) {
    PositionTaps& tap = taps[static_cast<std::size_t>(i)];
    const double centre = scale * (static_cast<double>(i) + 0.5), support = 2 * widening;
    tap.first = std::max<index_t>(0, static_cast<index_t>(std::floor(centre - support + 0.5)));
    const index_t end = (std::min)(in, static_cast<index_t>(std::floor(centre + support + 0.5)));
    double sum = 0;
    for (index_t j = tap.first; j < end; ++j) {
      tap.weights.push_back(cubic_kernel((static_cast<double>(j) - centre + 0.5) / widening));
      sum += tap.weights.back();
    }
    for (double& weight : tap.weights) weight /= sum;
  }
  return taps;
}

/// Taps of each output position: the two inputs around s (i + 1/2) - 1/2, or the outermost one.
inline std::vector<PositionTaps> linear_taps(index_t in, index_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  std::vector<PositionTaps> taps(static_cast<std::size_t>(out));
  for (index_t i = 0; i < out; ++i) {
    PositionTaps& tap = taps[static_cast<std::size_t>(i)];
    const double at = (std::max)(0.0, scale * (static_cast<double>(i) + 0.5) - 0.5);
    tap.first = (std::min)(in - 1, static_cast<index_t>(at));
    const double rest = at - static_cast<double>(tap.first);
    if (tap.first == in - 1)
      tap.weights = {1.0};
    else
      tap.weights = {1 - rest, rest};
  }
  return taps;
}

/// out(i) = sum_j w_ij in(j) over rows of `length` numbers that lie `stride` apart. Sums in double: this runs once.
template <class T>
void resample_rows(const std::vector<PositionTaps>& taps, const T* in, T* out, index_t stride, index_t length) {
  std::vector<double> sum(static_cast<std::size_t>(length));
  for (const PositionTaps& tap : taps) {
    lists::fill(sum, 0.0);
    const T* row = in + tap.first * stride;
    for (const double weight : tap.weights) {
      for (index_t c = 0; c < length; ++c) sum[static_cast<std::size_t>(c)] += weight * static_cast<double>(row[c]);
      row += stride;
    }
    for (index_t c = 0; c < length; ++c) out[c] = static_cast<T>(sum[static_cast<std::size_t>(c)]);
    out += stride;
  }
}

/// The transpose of resample_rows: d_in(j) += sum_i w_ij d_out(i).
template <class T>
void spread_rows(const std::vector<PositionTaps>& taps, const T* d_out, T* d_in, index_t stride, index_t length) {
  for (const PositionTaps& tap : taps) {
    T* row = d_in + tap.first * stride;
    for (const double weight : tap.weights) {
      for (index_t c = 0; c < length; ++c) row[c] += static_cast<T>(weight) * d_out[c];
      row += stride;
    }
    d_out += stride;
  }
}

/// Side of the grid of a position embedding; throws contract if its rows are not one more than a square.
inline index_t grid_of(const Shape& shape, index_t wanted) {
  const auto side = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(shape[0] - 1))));
  MOECLIP_EXPECT(side >= 1 && side * side + 1 == shape[0] && wanted >= 1, "a position embedding of shape ",
                 to_string(shape), " cannot be resized to a grid of ", wanted);
  return side;
}

}  // namespace detail

/// How positions between those of a grid are made.
enum class PositionKernel : unsigned char {
  cubic,   ///< POS-1: torch's "bicubic" with antialias
  linear,  ///< POS-2: torch's "bilinear" without
};

/// (1 + from^2, D) -> (1 + grid^2, D). A grid of the same size is returned unchanged. Throws contract if the rows of
/// `embedding` are not one more than a square.
template <class T>
Tensor<T> resize_positions(const Tensor<T>& embedding, index_t grid, PositionKernel kernel = PositionKernel::cubic) {
  const index_t width = embedding.extent(1);
  const index_t from = detail::grid_of(embedding.shape(), grid);
  if (from == grid) return embedding;
  const auto taps = kernel == PositionKernel::cubic ? detail::cubic_taps(from, grid) : detail::linear_taps(from, grid);
  Tensor<T> wide({from, grid, width});  // x first, then y
  for (index_t y = 0; y < from; ++y)
    detail::resample_rows(taps, embedding.data() + (1 + y * from) * width, wide.data() + y * grid * width, width,
                          width);
  Tensor<T> resized({1 + grid * grid, width});
  std::copy_n(embedding.data(), width, resized.data());
  detail::resample_rows(taps, wide.data(), resized.data() + width, grid * width, grid * width);
  return resized;
}

/// Adds the gradient of resize_positions, by the cubic kernel, to `gradient` (1 + from^2, D), the gradient of what was
/// resized; d_resized is (1 + grid^2, D), contiguous.  (POS-1')
template <class T>
void resize_positions_backward(View<const T, 2> d_resized, Tensor<T>& gradient) {
  const index_t width = d_resized.extent(1);
  const index_t grid = detail::grid_of({d_resized.extent(0), width}, 1);
  const index_t from = detail::grid_of(gradient.shape(), grid);
  MOECLIP_EXPECT(gradient.extent(1) == width && d_resized.is_contiguous(), "the gradient of positions of width ",
                 gradient.extent(1), " was given one of width ", width);
  const index_t rows = from == grid ? d_resized.extent(0) : 1;  // the class token's row is not resized
  for (index_t i = 0; i < rows * width; ++i) gradient[i] += d_resized.data()[i];
  if (from == grid) return;
  const auto taps = detail::cubic_taps(from, grid);
  Tensor<T> d_wide({from, grid, width});  // y first, then x: forward the other way round
  detail::spread_rows(taps, d_resized.data() + width, d_wide.data(), grid * width, grid * width);
  for (index_t y = 0; y < from; ++y)
    detail::spread_rows(taps, d_wide.data() + y * grid * width, gradient.data() + (1 + y * from) * width, width, width);
}

}}  // namespace moeclip::abi_v0_1
