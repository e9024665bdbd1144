// SPDX-License-Identifier: MIT
#pragma once
// Planar flows (Rezende and Mohamed 2015, as Bayes-PFL has them; PLF-1 in this folder's README): a Gaussian sample z is
// bent F times by z <- z + u tanh(w . z + b), and the logarithm of how far volumes are stretched is added up.

#include "../kernels/rows.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The parameters of F flows of width Z for each of M rows; with one row, of all samples.
template <class T>
struct PlanarFlows {
  View<const T, 3> u, w;  ///< (M, F, Z)
  View<const T, 2> b;     ///< (M, F)

  [[nodiscard]] index_t flows() const { return b.extent(1); }  ///< F
  [[nodiscard]] index_t width() const { return u.extent(2); }  ///< Z
};

/// z (N, Z), contiguous, goes through all flows in place; log_det (N), unless it has no data, gets the sum over the
/// flows of log(|1 + (1 - h^2) w . u| + 1e-5), h = tanh(w . z + b). `steps` (N, F, Z), unless it has no data, keeps
/// what each flow was given.
template <class T>
void planar_flows_forward(Context& context, const PlanarFlows<T>& flows, View<T, 2> z, View<T, 1> log_det = {},
                          View<T, 3> steps = {});

/// Gradients of planar_flows_forward, where M = N.
template <class T>
struct PlanarFlowsGradient {
  View<T, 2> d_z;              ///< (N, Z) in: of the result; out: of the sample
  View<const T, 1> d_log_det;  ///< (N)
  View<T, 3> d_u, d_w;         ///< (N, F, Z) out
  View<T, 2> d_b;              ///< (N, F) out
};

/// (PLF-1'); `steps` are those of the forward pass.
template <class T>
void planar_flows_backward(Context& context, const PlanarFlows<T>& flows, View<const T, 3> steps,
                           const PlanarFlowsGradient<T>& gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Keeps the logarithm finite where a flow folds space onto a plane.
inline constexpr double kPlanarFloor = 1e-5;

template <class T>
T dot(index_t width, const T* a, const T* b) {
  T sum = 0;
  for (index_t i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace detail

template <class T>
void planar_flows_forward(Context& context, const PlanarFlows<T>& flows, View<T, 2> z, View<T, 1> log_det,
                          View<T, 3> steps) {
  const index_t rows = z.extent(0), width = z.extent(1), own = flows.b.extent(0);
  MOECLIP_EXPECT(flows.width() == width && (own == 1 || own == rows), "planar flows of ", own, " x ", flows.width(),
                 " were given ", rows, " samples of ", width);
  context.share(rows, 3.0 * static_cast<double>(rows * width * flows.flows()), [&](index_t n, int) {
    T* const sample = &z(n, 0);
    const index_t m = own == 1 ? 0 : n;
    T stretched = 0;
    for (index_t k = 0; k < flows.flows(); ++k) {
      const T *u = &flows.u(m, k, 0), *w = &flows.w(m, k, 0);
      if (steps.data() != nullptr) std::copy_n(sample, width, &steps(n, k, 0));
      const T h = std::tanh(detail::dot(width, w, sample) + flows.b(m, k));
      const T stretch = T(1) + (T(1) - h * h) * detail::dot(width, w, u);
      stretched += std::log(std::abs(stretch) + static_cast<T>(detail::kPlanarFloor));
      for (index_t i = 0; i < width; ++i) sample[i] += u[i] * h;
    }
    if (log_det.data() != nullptr) log_det(n) = stretched;
  });
}

template <class T>
void planar_flows_backward(Context& context, const PlanarFlows<T>& flows, View<const T, 3> steps,
                           const PlanarFlowsGradient<T>& gradient) {
  const index_t rows = gradient.d_z.extent(0), width = flows.width();
  MOECLIP_EXPECT(flows.b.extent(0) == rows && steps.extent(0) == rows, "gradients of ", rows,
                 " samples for the flows of ", flows.b.extent(0));
  context.share(rows, 8.0 * static_cast<double>(rows * width * flows.flows()), [&](index_t n, int) {
    T* const d_z = &gradient.d_z(n, 0);
    for (index_t k = flows.flows() - 1; k >= 0; --k) {
      const T *u = &flows.u(n, k, 0), *w = &flows.w(n, k, 0), *z = &steps(n, k, 0);
      const T h = std::tanh(detail::dot(width, w, z) + flows.b(n, k)), slope = T(1) - h * h;
      const T across = detail::dot(width, w, u), stretch = T(1) + slope * across;
      const T sign = stretch < T(0) ? T(-1) : T(1);
      const T d_stretch = gradient.d_log_det(n) * sign / (std::abs(stretch) + static_cast<T>(detail::kPlanarFloor));
      const T d_across = d_stretch * slope, d_h = detail::dot(width, u, d_z) - T(2) * h * d_stretch * across;
      const T d_inner = d_h * slope;
      T *d_u = &gradient.d_u(n, k, 0), *d_w = &gradient.d_w(n, k, 0);
      for (index_t i = 0; i < width; ++i) {
        d_u[i] = h * d_z[i] + d_across * w[i];
        d_w[i] = d_inner * z[i] + d_across * u[i];
        d_z[i] += d_inner * w[i];
      }
      gradient.d_b(n, k) = d_inner;
    }
  });
}

MOECLIP_INSTANTIATE(planar_flows_forward)
MOECLIP_INSTANTIATE(planar_flows_backward)

}}  // namespace moeclip::abi_v0_1

#endif
