// SPDX-License-Identifier: MIT
#pragma once
// The arguments of attention. They have a file of their own so that the reference loops can name them without
// kernels/attention.hpp.

#include "../base/types.hpp"
#include "precision.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// Queries, keys and values of all heads side by side; usually columns 0, D and 2D of one (B*T, 3D) array.
template <class T>
struct Attention {
  const T* query = nullptr;  ///< (B, T, H * Dh), `stride` elements from token to token
  const T* key = nullptr;    ///< as query
  const T* value = nullptr;  ///< as query
  index_t stride = 0;        ///< from token to token in query, key and value, in elements; 3D in the usual array
  T* out = nullptr;          ///< (B, T, H * Dh), `out_stride` elements from token to token
  index_t out_stride = 0;    ///< from token to token in out, in elements
  index_t batch = 0, tokens = 0, heads = 0, head_width = 0;  ///< B, T (incl. the class token), H, Dh
  T scale = T(1);                                            ///< multiplies q k^T; 1 / sqrt(Dh) in CLIP
  bool causal = false;                                       ///< token t sees tokens 0..t only
  Precision precision = Precision::f32;  ///< else products of bfloat16, where float's kernels have them
};

/// What attention's backward pass is given beside the arguments of the forward pass, whose `out` holds the result.
template <class T>
struct AttentionGradient {
  const T* d_out = nullptr;  ///< (B, T, H * Dh), `d_out_stride` elements from token to token
  index_t d_out_stride = 0;  ///< from token to token in d_out, in elements
  T *d_query = nullptr, *d_key = nullptr, *d_value = nullptr;  ///< as query, `d_stride` apart; overwritten
  index_t d_stride = 0;  ///< from token to token in d_query, d_key and d_value, in elements
};

}}}  // namespace moeclip::abi_v0_1::kernels
