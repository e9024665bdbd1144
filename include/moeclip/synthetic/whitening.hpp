// SPDX-License-Identifier: MIT
#pragma once
// First values of a patch embedding, taken from the pictures that it will see (WHI-1 in this folder's README).
// Neighbouring pixels are nearly equal, so random filters all answer to brightness and hardly to a scratch. Filters
// that whiten the patches answer to everything alike, and a model that has little time to learn does well to start from
// there.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "../base/lists.hpp"
#include "../nn/patch_embed.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Turns the symmetric matrix a (n, n) into its eigenvalues on the diagonal, and v into the eigenvectors, a row each:
/// cyclic Jacobi rotations until what is off the diagonal no longer counts.
inline void diagonalise(index_t n, Tensor<double>& a, Tensor<double>& v) {
  constexpr int kMostSweeps = 30;  // a handful is usual: convergence is quadratic
  v.fill(0);
  for (index_t i = 0; i < n; ++i) v[i * n + i] = 1;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    double off = 0, trace = 0;
    for (index_t i = 0; i < n; ++i) {
      trace += std::abs(a[i * n + i]);
      for (index_t j = 0; j < i; ++j) off += std::abs(a[i * n + j]);
    }
    if (off <= 1e-12 * trace) return;
    for (index_t p = 0; p < n; ++p)
      for (index_t q = p + 1; q < n; ++q) {
        const double apq = a[p * n + q];
        if (apq == 0) continue;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (index_t k = 0; k < n; ++k) {  // columns p and q
          const double x = a[k * n + p], y = a[k * n + q];
          a[k * n + p] = c * x - s * y;
          a[k * n + q] = s * x + c * y;
        }
        for (index_t k = 0; k < n; ++k) {  // rows p and q, of v too
          const double x = a[p * n + k], y = a[q * n + k], vx = v[p * n + k], vy = v[q * n + k];
          a[p * n + k] = c * x - s * y;
          a[q * n + k] = s * x + c * y;
          v[p * n + k] = c * vx - s * vy;
          v[q * n + k] = s * vx + c * vy;
        }
      }
  }
}

}  // namespace detail

/// Sets the filters of `kernel` (D, 3 p p), D <= 3 p p, to the D strongest principal components of the patches of
/// `images` (B, 3, S, S), each scaled to about unit answers.
template <class T>
void whiten_patches(Context& context, const Tensor<T>& images, index_t patch, Linear<T>& kernel) {
  constexpr double kFloor = 0.02;  // of the mean component: what is weaker is mostly noise, and stays weak
  const index_t inputs = kernel.inputs(), grid = images.extent(2) / patch, patches = grid * (images.extent(3) / patch);
  MOECLIP_EXPECT(kernel.outputs() <= inputs && images.extent(0) > 0 && patches > 0, kernel.outputs(),
                 " filters cannot whiten patches of ", inputs, " numbers");
  Tensor<double> moments({inputs, inputs}), vectors({inputs, inputs});
  Tensor<T> rows({patches, inputs});
  for (index_t b = 0; b < images.extent(0); ++b) {
    unfold_patches<T>(context, images.template view<4>()[b], patch, rows.template view<2>());
    context.parallel_for(inputs, [&](index_t i, int) {
      for (index_t n = 0; n < patches; ++n)
        for (index_t j = 0; j < inputs; ++j)
          moments[i * inputs + j] +=
              static_cast<double>(rows[n * inputs + i]) * static_cast<double>(rows[n * inputs + j]);
    });
  }
  const double count = static_cast<double>(images.extent(0) * patches);
  for (double& moment : moments) moment /= count;
  detail::diagonalise(inputs, moments, vectors);

  std::vector<index_t> order(static_cast<std::size_t>(inputs));
  std::iota(order.begin(), order.end(), index_t{0});
  lists::stable_sort(order,
                     [&](index_t i, index_t j) { return moments[i * (inputs + 1)] > moments[j * (inputs + 1)]; });
  double mean = 0;
  for (index_t i = 0; i < inputs; ++i) mean += moments[i * (inputs + 1)] / static_cast<double>(inputs);
  for (index_t k = 0; k < kernel.outputs(); ++k) {
    const index_t i = order[static_cast<std::size_t>(k)];
    const double scale = 1 / std::sqrt(moments[i * (inputs + 1)] + kFloor * mean);
    for (index_t j = 0; j < inputs; ++j)
      kernel.weight[k * inputs + j] = static_cast<T>(scale * vectors[i * inputs + j]);
  }
}

}}  // namespace moeclip::abi_v0_1
