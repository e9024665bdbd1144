// SPDX-License-Identifier: MIT
#pragma once
// The arguments of layer normalisation backward. They have a file of their own so that the kernel table and the
// reference loops can name them without kernels/rows.hpp.

#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// One row of layer normalisation backward.
template <class T>
struct LayerNormRowGradient {
  index_t width = 0;                        ///< D, the channels of the row
  const T *x = nullptr, *gamma = nullptr;   ///< (D) each
  T eps = T(1e-5);                          ///< added to the variance, as in the forward pass
  const T* d_y = nullptr;                   ///< (D), the gradient of what layer normalisation returned
  T* d_x = nullptr;                         ///< may be d_y unless `accumulate`; null if not wanted
  bool accumulate = false;                  ///< add to d_x
  T *d_gamma = nullptr, *d_beta = nullptr;  ///< (D), added to; both null if not wanted
};

}}}  // namespace moeclip::abi_v0_1::kernels
