// SPDX-License-Identifier: MIT
#pragma once
// The residual cross-model attention of Bayes-PFL (RCA-1, RCA-2 in this folder's README): vectors of sentences look at
// the patches of a picture, and what they find is added to them. Keys and values are the unit features of the patches,
// which the sentences are compared with afterwards.

#include <vector>

#include "../nn/linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Parameters for sentences of width C, patches of width D and L levels of patches.
template <class T>
struct CrossAttention {
  static constexpr index_t kHeads = 4;  // must divide C

  Linear<T> query;                 // (C, C); (C, C, 1) in files, a convolution
  std::vector<Linear<T>> patches;  // (C, D) of each level, without bias

  CrossAttention() = default;
  /// Uninitialised parameters. Throws contract if C is no multiple of the number of heads.
  CrossAttention(index_t levels, index_t width, index_t embed) : query(embed, embed, true) {
    MOECLIP_EXPECT(embed % kHeads == 0, "cross attention has ", index_t{kHeads}, " heads, which must divide the ",
                   embed, " channels of the joint space");
    for (index_t l = 0; l < levels; ++l) patches.emplace_back(embed, width, false);
  }

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("q_proj_pre", self.query);
    visitor("linear_proj", self.patches);
  }
};

/// f (M, C) = W p / |W p| of patch tokens p (M, D) of a level; `projected` (M, C), contiguous, receives W p.  (RCA-1)
template <class T>
void patch_features_forward(Context& context, const Linear<T>& layer, View<const T, 2> p, View<T, 2> projected,
                            View<T, 2> f);

/// Adds to the gradient of the layer; d_f (M, C), contiguous, is overwritten.  (RCA-1')
template <class T>
void patch_features_backward(Context& context, const Linear<T>& layer, View<const T, 2> p, View<const T, 2> projected,
                             View<T, 2> d_f, Linear<T>& gradient);

/// One picture: K sentences and P patches. All contiguous.
template <class T>
struct CrossAttentionSteps {
  View<T, 2> query;    ///< (K, C), scaled
  View<T, 2> weights;  ///< (H * K, P), probabilities, head by head
  View<T, 2> sum;      ///< (K, C), before it is made a unit vector

  /// Room for them.
  static CrossAttentionSteps take(Arena::Scope& scratch, index_t sentences, index_t patches, index_t embed) {
    const auto take = [&](index_t rows, index_t columns) {
      return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns});
    };
    return {take(sentences, embed), take(CrossAttention<T>::kHeads * sentences, patches), take(sentences, embed)};
  }
};

/// y (K, C) = unit vectors of t + attention of t (K, C) to f (P, C).  (RCA-2)
template <class T>
void cross_attention_forward(Context& context, const Linear<T>& query, View<const T, 2> t, View<const T, 2> f,
                             const CrossAttentionSteps<T>& steps, View<T, 2> y);

/// What cross_attention_backward is given and what it makes.
template <class T>
struct CrossAttentionBackward {
  View<const T, 2> t, f;         ///< of the forward pass
  CrossAttentionSteps<T> steps;  ///< of the forward pass; overwritten
  View<const T, 2> d_y;          ///< (K, C)
  View<T, 2> d_t, d_f;           ///< (K, C), (P, C): added to
};

/// (RCA-2')
template <class T>
void cross_attention_backward(Context& context, const Linear<T>& query, const CrossAttentionBackward<T>& back,
                              Linear<T>& gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Below this length a vector counts as 0 where it is made a unit vector; the official code divides by 0 there.
template <class T>
inline constexpr T kShortest = T(1e-12);

/// y = x / |x| of each row; all contiguous.
template <class T>
void unit_rows(Context& context, View<const T, 2> x, View<T, 2> y) {
  std::copy_n(x.data(), x.size(), y.data());
  kernels::normalize_rows<T>(context, y.extent(0), y.extent(1), y.data(), y.extent(1), kShortest<T>);
}

/// The gradient of x in unit_rows; d_x may be d_y.
template <class T>
void unit_rows_backward(Context& context, View<const T, 2> x, View<const T, 2> d_y, View<T, 2> d_x) {
  kernels::normalize_rows_backward<T>(context, x.extent(0), x.extent(1), x.data(), kShortest<T>, d_y.data(),
                                      d_x.data());
}

/// As released: by the whole width, not by that of a head.
template <class T>
T cross_attention_scale(index_t embed) {
  return T(1) / std::sqrt(static_cast<T>(embed));
}

}  // namespace detail

template <class T>
void patch_features_forward(Context& context, const Linear<T>& layer, View<const T, 2> p, View<T, 2> projected,
                            View<T, 2> f) {
  linear_forward<T>(context, layer, p, projected);
  detail::unit_rows<T>(context, projected, f);
}

template <class T>
void patch_features_backward(Context& context, const Linear<T>& layer, View<const T, 2> p, View<const T, 2> projected,
                             View<T, 2> d_f, Linear<T>& gradient) {
  detail::unit_rows_backward<T>(context, projected, d_f, d_f);
  linear_backward<T>(context, layer, p, d_f, {}, &gradient);
}

template <class T>
void cross_attention_forward(Context& context, const Linear<T>& query, View<const T, 2> t, View<const T, 2> f,
                             const CrossAttentionSteps<T>& steps, View<T, 2> y) {
  const index_t sentences = t.extent(0), patches = f.extent(0), embed = t.extent(1);
  const index_t heads = CrossAttention<T>::kHeads, part = embed / heads, block = sentences * patches;
  linear_forward<T>(context, query, t, steps.query);  // (1)
  const T scale = detail::cross_attention_scale<T>(embed);
  for (index_t i = 0; i < steps.query.size(); ++i) steps.query.data()[i] *= scale;
  for (index_t h = 0; h < heads; ++h)  // (2)
    kernels::gemm<T>(context, {sentences, patches, part}, kernels::row_major<T>(steps.query.data() + h * part, embed),
                     kernels::transposed(kernels::row_major<T>(f.data() + h * part, embed)),
                     steps.weights.data() + h * block, patches);
  kernels::softmax_rows<T>(context, heads * sentences, patches, steps.weights.data(), steps.weights.data());  // (3)
  std::copy_n(t.data(), t.size(), steps.sum.data());
  for (index_t h = 0; h < heads; ++h)  // (4)
    kernels::gemm<T>(
        context, {sentences, part, patches}, kernels::row_major<T>(steps.weights.data() + h * block, patches),
        kernels::row_major<T>(f.data() + h * part, embed), steps.sum.data() + h * part, embed, {.accumulate = true});
  detail::unit_rows<T>(context, steps.sum, y);  // (5)
}

template <class T>
void cross_attention_backward(Context& context, const Linear<T>& query, const CrossAttentionBackward<T>& back,
                              Linear<T>& gradient) {
  const index_t sentences = back.t.extent(0), patches = back.f.extent(0), embed = back.t.extent(1);
  const index_t heads = CrossAttention<T>::kHeads, part = embed / heads, block = sentences * patches;
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_weights(scratch.take<T>(heads * block), {heads * sentences, patches});
  const View<T, 2> d_sum = back.steps.sum, d_query(scratch.take<T>(sentences * embed), {sentences, embed});
  detail::unit_rows_backward<T>(context, back.steps.sum, back.d_y, d_sum);  // (5')
  for (index_t i = 0; i < d_sum.size(); ++i) back.d_t.data()[i] += d_sum.data()[i];
  const auto rows_of = [&](const View<T, 2>& x, index_t h) {
    return kernels::row_major<T>(x.data() + h * part, embed);
  };
  const auto features = [&](index_t h) { return kernels::row_major<T>(back.f.data() + h * part, embed); };
  const auto block_of = [&](const View<T, 2>& x, index_t h) {
    return kernels::row_major<T>(x.data() + h * block, patches);
  };
  for (index_t h = 0; h < heads; ++h) {  // (4')
    kernels::gemm<T>(context, {sentences, patches, part}, rows_of(d_sum, h), kernels::transposed(features(h)),
                     d_weights.data() + h * block, patches);
    kernels::gemm<T>(context, {patches, part, sentences}, kernels::transposed(block_of(back.steps.weights, h)),
                     rows_of(d_sum, h), back.d_f.data() + h * part, embed, {.accumulate = true});
  }
  kernels::softmax_rows_backward<T>(context, heads * sentences, patches, back.steps.weights.data(), d_weights.data(),
                                    d_weights.data());  // (3')
  for (index_t h = 0; h < heads; ++h) {                 // (2')
    kernels::gemm<T>(context, {sentences, part, patches}, block_of(d_weights, h), features(h),
                     d_query.data() + h * part, embed);
    kernels::gemm<T>(context, {patches, part, sentences}, kernels::transposed(block_of(d_weights, h)),
                     rows_of(back.steps.query, h), back.d_f.data() + h * part, embed, {.accumulate = true});
  }
  const T scale = detail::cross_attention_scale<T>(embed);
  for (index_t i = 0; i < d_query.size(); ++i) d_query.data()[i] *= scale;
  linear_backward<T>(context, query, back.t, d_query, back.d_t, &gradient, {.accumulate = true});  // (1')
}

MOECLIP_INSTANTIATE(patch_features_forward)
MOECLIP_INSTANTIATE(patch_features_backward)
MOECLIP_INSTANTIATE(cross_attention_forward)
MOECLIP_INSTANTIATE(cross_attention_backward)

}}  // namespace moeclip::abi_v0_1

#endif
