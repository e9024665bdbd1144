// SPDX-License-Identifier: MIT
#pragma once
// Norm matching mixes the experts' direction into a token at the token's own length (NRM-1 in this folder's README;
// METHOD section 2):
//   x <- w m |x| / (|m| + 1e-6) + (1 - w) x,   norms over the channels of each token.
// Its derivative in m grows as 1 / |m| (NRM-1'): w |x| / 1e-6 at m = 0, where training starts.

#include <algorithm>
#include <cmath>

#include "../base/context.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr double kNormMatchEps = 1e-6;  // added to |m|, so that the quotient is finite

/// Mixes m (N, D) into x (N, D) in place, w in [0, 1]. Where m = 0 the token shrinks to (1 - w) x, as released. `eps`
/// is added to |m|; it may be 0.
template <class T>
void norm_match_forward(Context& context, T w, View<const T, 2> m, View<T, 2> x, double eps = kNormMatchEps) {
  MOECLIP_EXPECT(m.extents() == x.extents(), "norm matching of ", m.extent(0), "x", m.extent(1), " into ", x.extent(0),
                 "x", x.extent(1));
  const index_t width = x.extent(1);
  context.parallel_for(x.extent(0), [&](index_t n, int) {
    T* xs = &x(n, 0);
    const T* ms = &m(n, 0);
    double x_square = 0, m_square = 0;  // in double: a thousand squares, and the ratio goes to every channel
    for (index_t c = 0; c < width; ++c) {
      x_square += static_cast<double>(xs[c]) * static_cast<double>(xs[c]);
      m_square += static_cast<double>(ms[c]) * static_cast<double>(ms[c]);
    }
    const double divisor = std::sqrt(m_square) + eps;
    const auto ratio = static_cast<T>(divisor > 0 ? std::sqrt(x_square) / divisor : 0);
    for (index_t c = 0; c < width; ++c) xs[c] = w * ratio * ms[c] + (T(1) - w) * xs[c];
  });
}

/// What the backward pass of norm matching is told besides its tensors.
struct NormMatchBackward {
  double weight = 0.1;         ///< w of the forward pass
  double floor = 0;            ///< in d_m, |m| counts as at least floor * |x|, which bounds d_m by w / floor; 0: exact
  double eps = kNormMatchEps;  ///< of the forward pass
};

/// d (N, D): in the gradient of the result, out that of x; d_m (N, D) is overwritten. m and x (N, D) as they went into
/// the forward pass. All contiguous.
template <class T>
void norm_match_backward(Context& context, const NormMatchBackward& options, View<const T, 2> m, View<const T, 2> x,
                         View<T, 2> d, View<T, 2> d_m) {
  const index_t width = x.extent(1);
  context.parallel_for(x.extent(0), [&](index_t n, int) {
    const T *xs = &x(n, 0), *ms = &m(n, 0);
    double x_square = 0, m_square = 0, dot = 0;  // dot = m . d
    for (index_t c = 0; c < width; ++c) {
      x_square += static_cast<double>(xs[c]) * static_cast<double>(xs[c]);
      m_square += static_cast<double>(ms[c]) * static_cast<double>(ms[c]);
      dot += static_cast<double>(ms[c]) * static_cast<double>(d(n, c));
    }
    const double x_norm = std::sqrt(x_square), m_norm = std::sqrt(m_square);
    const double exact = m_norm + options.eps, bounded = (std::max)(m_norm, options.floor * x_norm) + options.eps;
    const auto ratio = static_cast<T>(bounded > 0 ? options.weight * x_norm / bounded : 0);
    const auto radial = static_cast<T>(m_norm > 0 ? dot / (m_norm * exact) : 0);  // |m| itself has no slope at m = 0
    const auto stretch = static_cast<T>(x_norm > 0 && exact > 0 ? options.weight * dot / (exact * x_norm) : 0);
    const auto rest = static_cast<T>(1 - options.weight);
    for (index_t c = 0; c < width; ++c) {
      const T d_y = d(n, c);
      d_m(n, c) = ratio * (d_y - radial * ms[c]);
      d(n, c) = rest * d_y + stretch * xs[c];
    }
  });
}

}}  // namespace moeclip::abi_v0_1
