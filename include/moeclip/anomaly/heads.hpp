// SPDX-License-Identifier: MIT
#pragma once
// The heads map adapted patch tokens into the joint space: to one unit vector per patch and map (SEG-1 in this folder's
// README), and to one mean of unit vectors per image (DET-1). METHOD section 2 describes both.

#include <algorithm>

#include "../kernels/elementwise.hpp"
#include "adapter.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr double kNormalizeEps = 1e-12;  // torch.nn.functional.normalize's floor of a norm

namespace detail {

/// Which of the projections serves map `map`.
inline std::size_t projection_of_map(const AdapterConfig& config, index_t map) {
  return static_cast<std::size_t>(config.use_separate_projections ? map : map / std::ssize(config.windows));
}

/// What follows a projection.
inline kernels::Activation projection_activation(const AdapterConfig& config) {
  return config.use_relu ? kernels::Activation::leaky_relu : kernels::Activation::none;
}

}  // namespace detail

/// act(P t) for the tokens t (N, D) of map `map`; projected (N, C).
template <class T>
void project_tokens(Context& context, const Adapter<T>& adapter, index_t map, View<const T, 2> tokens,
                    View<T, 2> projected) {
  linear_forward<T>(context, adapter.projections[detail::projection_of_map(adapter.config, map)], tokens, projected,
                    {.activation = detail::projection_activation(adapter.config)});
}

/// Divides each row of x (N, C) by max(its length, 1e-12).
template <class T>
void normalize_tokens(Context& context, View<T, 2> x) {
  kernels::normalize_rows<T>(context, x.extent(0), x.extent(1), x.data(), x.stride(0), static_cast<T>(kNormalizeEps));
}

/// The way back from unit features to tokens.
template <class T>
struct ProjectionBackward {
  View<const T, 2> tokens;     ///< (N, D), and
  View<const T, 2> projected;  ///< (N, C), of project_tokens
  View<T, 2> d_features;       ///< (N, C) in: gradient of normalise(projected); overwritten
  View<T, 2> d_tokens;         ///< (N, D) out; without data: not wanted
  BatchShare share = {};       ///< whose pictures the tokens are of
};

/// Backward of project_tokens and normalize_tokens (SEG-1'). `gradient` may be null.
template <class T>
void project_tokens_backward(Context& context, const Adapter<T>& adapter, index_t map,
                             const ProjectionBackward<T>& back, Adapter<T>* gradient) {
  const std::size_t which = detail::projection_of_map(adapter.config, map);
  T* const d = back.d_features.data();
  kernels::normalize_rows_backward<T>(context, back.projected.extent(0), back.projected.extent(1),
                                      back.projected.data(), static_cast<T>(kNormalizeEps), d, d);
  if (adapter.config.use_relu)  // its slope depends on the sign, which LeakyReLU leaves as it is
    kernels::activate_backward<T>(context, kernels::Activation::leaky_relu, back.projected.size(),
                                  back.projected.data(), d, d);
  const Linear<T>& layer = adapter.projections[which];
  if (back.d_tokens.data() != nullptr)
    linear_backward<T>(context, layer, back.tokens, back.d_features, back.d_tokens, nullptr);
  if (gradient == nullptr) return;
  // The maps of a level share a projection: each map's sum is whole before it is added, so that it can be a running
  // one.
  Tensor<T>& total = gradient->projections[which].weight;  // without bias
  Arena::Scope scratch(context.arena());
  const std::span<T> sums(scratch.take<T>(total.size()), static_cast<std::size_t>(total.size()));
  std::fill(sums.begin(), sums.end(), T(0));
  const View<const T, 2> d_out = back.d_features;
  back.share.add_pictures(back.tokens.extent(0), sums, [&](index_t begin, index_t end) {
    const kernels::MatrixRef<T> d_rows{&d_out(begin, 0), d_out.stride(0), d_out.stride(1)};
    const kernels::MatrixRef<T> rows{&back.tokens(begin, 0), back.tokens.stride(0), back.tokens.stride(1)};
    kernels::gemm<T>(context, {layer.outputs(), layer.inputs(), end - begin}, kernels::transposed(d_rows), rows,
                     sums.data(), layer.inputs(), {.accumulate = true});
  });
  for (std::size_t i = 0; i < sums.size(); ++i) total[static_cast<index_t>(i)] += sums[i];
}

/// What the detection head makes on its way: (L, D), (L, D) and (L, C) per image.
template <class T>
struct DetectionSteps {
  View<T, 2> normed, convolved, projected;  ///< after LayerNorm, after the convolution, after W

  /// Memory for `rows` patches, D = `width` and C = `embed`. Nothing is filled in.
  static DetectionSteps take(Arena::Scope& scratch, index_t rows, index_t width, index_t embed) {
    return {View<T, 2>(scratch.take<T>(rows * width), {rows, width}),
            View<T, 2>(scratch.take<T>(rows * width), {rows, width}),
            View<T, 2>(scratch.take<T>(rows * embed), {rows, embed})};
  }

  /// The steps of patches [begin, end), such as those of one image.
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

/// The way back from an embedding to tokens.
template <class T>
struct DetectionBackward {
  View<const T, 2> tokens;  ///< (L, D), and
  DetectionSteps<T> steps;  ///< of detection_forward
  const T* d_embedding;     ///< (C)
  View<T, 2> d_tokens;      ///< (L, D), added to
};

/// Backward of detection_forward for one image (DET-1'). `gradient` may be null.
template <class T>
void detection_backward(Context& context, const DetectionHead<T>& head, const DetectionBackward<T>& back,
                        DetectionHead<T>* gradient) {
  const index_t patches = back.tokens.extent(0), embed = back.steps.projected.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 2> active(scratch.take<T>(back.tokens.size()), back.tokens.extents());
  const View<T, 2> d_active(scratch.take<T>(back.tokens.size()), back.tokens.extents());
  const View<T, 2> d_projected(scratch.take<T>(patches * embed), {patches, embed});
  for (index_t i = 0; i < patches; ++i)  // (6')
    for (index_t c = 0; c < embed; ++c) d_projected(i, c) = back.d_embedding[c] / static_cast<T>(patches);
  kernels::normalize_rows_backward<T>(context, patches, embed, back.steps.projected.data(),
                                      static_cast<T>(kNormalizeEps), d_projected.data(), d_projected.data());  // (5')
  kernels::activate<T>(context, kernels::Activation::gelu, active.size(), back.steps.convolved.data(), active.data());
  linear_backward<T>(context, head.pointwise, active, d_projected, d_active,
                     gradient == nullptr ? nullptr : &gradient->pointwise);  // (4')
  kernels::activate_backward<T>(context, kernels::Activation::gelu, active.size(), back.steps.convolved.data(),
                                d_active.data(), d_active.data());  // (3')
  const View<T, 2> d_normed = active;                               // GELU's result has served
  depthwise_conv_backward<T>(context, head.depthwise, back.steps.normed, d_active, d_normed,
                             gradient == nullptr ? nullptr : &gradient->depthwise);  // (2')
  layer_norm_backward<T>(context, head.norm, back.tokens, d_normed, back.d_tokens,
                         gradient == nullptr ? nullptr : &gradient->norm, true);  // (1')
}

}}  // namespace moeclip::abi_v0_1
