// SPDX-License-Identifier: MIT
#pragma once
// Mixing the experts' direction into a token at the token's own length (NRM-1 in this folder's README; METHOD section
// 2):
//   x <- w m |x| / (|m| + 1e-6) + (1 - w) x,   norms over the channels of each token.

#include <cmath>

#include "../base/context.hpp"
#include "../tensor/view.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

inline constexpr double kNormMatchEps = 1e-6;

/// Mixes m (N, D) into x (N, D) in place, w in [0, 1]. Where m = 0 the token shrinks to (1 - w) x, as released.
template <class T>
void norm_match_forward(Context& context, T w, View<const T, 2> m, View<T, 2> x) {
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
    const auto ratio = static_cast<T>(std::sqrt(x_square) / (std::sqrt(m_square) + kNormMatchEps));
    for (index_t c = 0; c < width; ++c) xs[c] = w * ratio * ms[c] + (T(1) - w) * xs[c];
  });
}

}  // namespace moeclip::inline MOECLIP_ABI_NS
