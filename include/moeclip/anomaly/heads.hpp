// SPDX-License-Identifier: MIT
#pragma once
// From adapted patch tokens to unit vectors in the joint space: one per patch and map (SEG-1 in this folder's README),
// and one mean per image (DET-1). METHOD section 2.

#include <algorithm>

#include "../kernels/elementwise.hpp"
#include "adapter.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

inline constexpr double kNormalizeEps = 1e-12;  // torch.nn.functional.normalize's floor of a norm

/// act(P t) for the tokens t (N, D) of map `map`; projected (N, C).
template <class T>
void project_tokens(Context& context, const Adapter<T>& adapter, index_t map, View<const T, 2> tokens,
                    View<T, 2> projected) {
  const AdapterConfig& config = adapter.config;
  const index_t which = config.use_separate_projections ? map : map / static_cast<index_t>(config.windows.size());
  const auto activation = config.use_relu ? kernels::Activation::leaky_relu : kernels::Activation::none;
  linear_forward<T>(context, adapter.projections[static_cast<std::size_t>(which)], tokens, projected,
                    {.activation = activation});
}

/// Divides each row of x (N, C) by max(its length, 1e-12).
template <class T>
void normalize_tokens(Context& context, View<T, 2> x) {
  kernels::normalize_rows<T>(context, x.extent(0), x.extent(1), x.data(), x.stride(0), static_cast<T>(kNormalizeEps));
}

/// What the detection head makes on its way: (L, D), (L, D) and (L, C) per image.
template <class T>
struct DetectionSteps {
  View<T, 2> normed, convolved, projected;

  static DetectionSteps take(Arena::Scope& scratch, index_t rows, index_t width, index_t embed) {
    return {View<T, 2>(scratch.take<T>(rows * width), {rows, width}),
            View<T, 2>(scratch.take<T>(rows * width), {rows, width}),
            View<T, 2>(scratch.take<T>(rows * embed), {rows, embed})};
  }

  [[nodiscard]] DetectionSteps rows(index_t begin, index_t end) const {
    return {normed.rows(begin, end), convolved.rows(begin, end), projected.rows(begin, end)};
  }
};

/// d = mean over patches of normalise(W GELU(conv(LN(t)))), for the patches t (L, D) of one image; d (C) is not
/// renormalised, so it is shorter than 1. The convolution runs along the raster sequence, across row ends, as released.
template <class T>
void detection_forward(Context& context, const DetectionHead<T>& head, View<const T, 2> tokens,
                       const DetectionSteps<T>& steps, T* embedding) {
  const index_t patches = tokens.extent(0), embed = steps.projected.extent(1);
  layer_norm_forward<T>(context, head.norm, tokens, steps.normed);                    // (1)
  depthwise_conv_forward<T>(context, head.depthwise, steps.normed, steps.convolved);  // (2)
  Arena::Scope scratch(context.arena());
  const View<T, 2> active(scratch.take<T>(tokens.size()), tokens.extents());
  const View<T, 2> unit(scratch.take<T>(patches * embed), {patches, embed});
  kernels::activate<T>(context, kernels::Activation::gelu, active.size(), steps.convolved.data(),
                       active.data());                                  // (3)
  linear_forward<T>(context, head.pointwise, active, steps.projected);  // (4)
  std::copy_n(steps.projected.data(), unit.size(), unit.data());
  normalize_tokens<T>(context, unit);   // (5)
  std::fill_n(embedding, embed, T(0));  // (6)
  for (index_t i = 0; i < patches; ++i)
    for (index_t c = 0; c < embed; ++c) embedding[c] += unit(i, c);
  for (index_t c = 0; c < embed; ++c) embedding[c] /= static_cast<T>(patches);
}

}  // namespace moeclip::inline MOECLIP_ABI_NS
