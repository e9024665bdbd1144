// SPDX-License-Identifier: MIT
#pragma once
// The vector of a picture that Bayes-PFL makes of its patches for the second part of its training (FUS-1 in this
// folder's README): the levels side by side through one linear map, a weighted mean over the patches, a second map.

#include <span>

#include "../nn/linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Parameters for L levels of patches of width D, H hidden channels, and the joint space of width C.
template <class T>
struct PatchFusion {
  Linear<T> hidden;  // (H, L * D)
  Linear<T> weight;  // (1, H): how much a patch counts
  Linear<T> out;     // (C, H)

  PatchFusion() = default;
  /// Uninitialised parameters.
  PatchFusion(index_t inputs, index_t channels, index_t embed)
      : hidden(channels, inputs, true), weight(1, channels, true), out(embed, channels, true) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("fuse_modules", self.hidden);
    visitor("compress", self.weight);
    visitor("post_process", self.out);
  }
};

/// What patch_fusion_backward needs of the forward pass.
template <class T>
struct PatchFusionSaved {
  Tensor<T> hidden, weights, mean;  // (B * P, H), (B, P), (B, H)
};

/// y (B, C) of the patches p_l (B * P, D) of each level, contiguous.
template <class T>
void patch_fusion_forward(Context& context, const PatchFusion<T>& fusion, std::span<const View<const T, 2>> levels,
                          View<T, 2> y, PatchFusionSaved<T>& saved);

/// Adds to the gradient of the parameters what d_y (B, C) makes of them.  (FUS-1')
template <class T>
void patch_fusion_backward(Context& context, const PatchFusion<T>& fusion, std::span<const View<const T, 2>> levels,
                           View<const T, 2> d_y, const PatchFusionSaved<T>& saved, PatchFusion<T>& gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void patch_fusion_forward(Context& context, const PatchFusion<T>& fusion, std::span<const View<const T, 2>> levels,
                          View<T, 2> y, PatchFusionSaved<T>& saved) {
  const index_t batch = y.extent(0), rows = levels.front().extent(0), patches = rows / batch;
  const index_t width = levels.front().extent(1), inputs = fusion.hidden.inputs(), channels = fusion.hidden.outputs();
  MOECLIP_EXPECT(inputs == width * std::ssize(levels) && patches * batch == rows, "a fusion of ", inputs,
                 " channels was given ", levels.size(), " levels of ", width, " and ", rows, " patches of ", batch,
                 " pictures");
  T* const hidden = detail::fit(saved.hidden, {rows, channels}).data();
  for (std::size_t l = 0; l < levels.size(); ++l) {  // (1): a level has its own columns of the weight
    kernels::Epilogue<T> epilogue;
    epilogue.accumulate = l > 0;
    epilogue.bias = l == 0 ? fusion.hidden.bias.data() : nullptr;
    const T* const weight = fusion.hidden.weight.data() + static_cast<index_t>(l) * width;
    kernels::gemm<T>(context, {rows, channels, width}, kernels::row_major<T>(levels[l].data(), width),
                     kernels::transposed(kernels::row_major<T>(weight, inputs)), hidden, channels, epilogue);
  }
  T* const weights = detail::fit(saved.weights, {batch, patches}).data();
  linear_forward<T>(context, fusion.weight, saved.hidden.template view<2>(), View<T, 2>(weights, {rows, 1}));  // (2)
  kernels::softmax_rows<T>(context, batch, patches, weights, weights);                                         // (3)
  T* const mean = detail::fit(saved.mean, {batch, channels}).data();
  for (index_t b = 0; b < batch; ++b)  // (4)
    kernels::gemm<T>(context, {1, channels, patches}, kernels::row_major<T>(weights + b * patches, patches),
                     kernels::row_major<T>(hidden + b * patches * channels, channels), mean + b * channels, channels);
  linear_forward<T>(context, fusion.out, saved.mean.template view<2>(), y);  // (5)
}

template <class T>
void patch_fusion_backward(Context& context, const PatchFusion<T>& fusion, std::span<const View<const T, 2>> levels,
                           View<const T, 2> d_y, const PatchFusionSaved<T>& saved, PatchFusion<T>& gradient) {
  const index_t batch = d_y.extent(0), rows = saved.hidden.extent(0), patches = rows / batch;
  const index_t width = levels.front().extent(1), inputs = fusion.hidden.inputs(), channels = fusion.hidden.outputs();
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_mean(scratch.take<T>(batch * channels), {batch, channels});
  const View<T, 2> d_hidden(scratch.take<T>(rows * channels), {rows, channels});
  const View<T, 2> d_weights(scratch.take<T>(rows), {rows, 1});
  linear_backward<T>(context, fusion.out, saved.mean.template view<2>(), d_y, d_mean, &gradient.out);  // (5')
  for (index_t b = 0; b < batch; ++b) {                                                                // (4')
    const T* const hidden = saved.hidden.data() + b * patches * channels;
    kernels::gemm<T>(context, {patches, 1, channels}, kernels::row_major<T>(hidden, channels),
                     kernels::transposed(kernels::row_major<T>(&d_mean(b, 0), channels)), &d_weights(b * patches, 0),
                     1);
    for (index_t i = 0; i < patches; ++i)
      for (index_t c = 0; c < channels; ++c)
        d_hidden(b * patches + i, c) = saved.weights[b * patches + i] * d_mean(b, c);
  }
  kernels::softmax_rows_backward<T>(context, batch, patches, saved.weights.data(), d_weights.data(), d_weights.data());
  linear_backward<T>(context, fusion.weight, saved.hidden.template view<2>(), d_weights, d_hidden, &gradient.weight,
                     {.accumulate = true});        // (3'), (2')
  for (std::size_t l = 0; l < levels.size(); ++l)  // (1')
    kernels::gemm<T>(context, {channels, width, rows},
                     kernels::transposed(kernels::row_major<T>(d_hidden.data(), channels)),
                     kernels::row_major<T>(levels[l].data(), width),
                     gradient.hidden.weight.data() + static_cast<index_t>(l) * width, inputs, {.accumulate = true});
  kernels::column_sums<T>(context, rows, channels, d_hidden.data(), channels, gradient.hidden.bias.data());
}

MOECLIP_INSTANTIATE(patch_fusion_forward)
MOECLIP_INSTANTIATE(patch_fusion_backward)

}}  // namespace moeclip::abi_v0_1

#endif
