// SPDX-License-Identifier: MIT
#pragma once
// Image features for AA-CLIP's first stage, in which no image parameter is trained (AAC-4 in aa_clip.md): a frozen CLIP
// whose last blocks attend from values to values, beside the same CLIP as it is, whose class vector is added to every
// patch. With v the values of a block,
//   o_h = softmax(v_h v_h^T / sqrt(Dh)) v_h      (AAC-5),
//   f = normalise(P LN_post(t)) + c,   c = normalise(P LN_post(class token of the plain tower))      (AAC-4).

#include <algorithm>
#include <cmath>
#include <vector>

#include "../anomaly/heads.hpp"
#include "../base/function_ref.hpp"
#include "../clip/vision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What values attend to.
enum class ValueScope {
  pictures,  ///< the values at the same place of the batch's other pictures: what the released code does, by an
             ///< exchange of axes. Alone in its batch, a value attends to itself
  tokens,    ///< the values of the same picture, as the paper means it
};

/// The name of the enumerator, as settings spell it.
const char* to_string(ValueScope scope);

/// Which features are wanted.
struct AaClipFrozen {
  index_t blocks = 19;                      ///< so many blocks at the end attend from values to values
  ValueScope scope = ValueScope::pictures;  ///< to which values
  std::vector<index_t> level_blocks;        ///< features are taken after each of these blocks (1-based, ascending)
};

/// y += attention from values to values of x, both (B * T, D), of distinct memory. (AAC-5)
template <class T>
void aa_clip_value_attention(Context& context, const SelfAttention<T>& attention, TokenLayout layout, ValueScope scope,
                             View<const T, 2> x, View<T, 2> y);

/// What receives the features f (B * L, C) of a level, numbered from 0; they are valid during the call.
template <class T>
using AaClipFrozenSink = function_ref<void(index_t level, View<const T, 2> features)>;

/// Runs images (B, 3, S, S) through both towers; positions (1 + g g, D).
template <class T>
void aa_clip_frozen_features(Context& context, const VisionTower<T>& tower, const Tensor<T>& positions,
                             View<const T, 4> images, const AaClipFrozen& options, AaClipFrozenSink<T> on_level);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC const char* to_string(ValueScope scope) { return scope == ValueScope::pictures ? "pictures" : "tokens"; }

namespace detail {

/// Rows (B * T, D) at any stride to (T * B, D), or, with the numbers exchanged, back.
template <class T>
void exchange_axes(Context& context, index_t outer, index_t inner, View<const T, 2> from, View<T, 2> to) {
  context.parallel_for(outer, [&](index_t b, int) {
    for (index_t t = 0; t < inner; ++t) std::copy_n(&from(b * inner + t, 0), from.extent(1), &to(t * outer + b, 0));
  });
}

}  // namespace detail

template <class T>
void aa_clip_value_attention(Context& context, const SelfAttention<T>& attention, TokenLayout layout, ValueScope scope,
                             View<const T, 2> x, View<T, 2> y) {
  const index_t rows = x.extent(0), width = attention.out_proj.outputs();
  Arena::Scope scratch(context.arena());
  const auto take = [&](index_t columns) { return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns}); };
  const View<T, 2> qkv = take(3 * width), heads = take(width);
  linear_forward<T>(context, attention.in_proj, x, qkv);  // (1)
  kernels::Attention<T> task = detail::attention_task<T>(attention, layout, qkv, heads);
  const View<const T, 2> values(qkv.data() + 2 * width, {rows, width}, {3 * width, 1});
  if (scope == ValueScope::tokens) {
    task.query = task.key = task.value;
    kernels::attention<T>(context, task);  // (2)
  } else {
    const View<T, 2> turned = take(width), out = take(width);
    detail::exchange_axes<T>(context, layout.batch, layout.tokens, values, turned);
    task.query = task.key = task.value = turned.data();
    task.stride = width;
    task.out = out.data();
    task.batch = layout.tokens;
    task.tokens = layout.batch;
    kernels::attention<T>(context, task);  // (2)
    detail::exchange_axes<T>(context, layout.tokens, layout.batch, out, heads);
  }
  linear_forward<T>(context, attention.out_proj, heads, y, {.accumulate = true});  // (3)
}

namespace detail {

/// A block (BLK-1) whose attention is AAC-5, on x (B * T, D) in place.
template <class T>
void aa_clip_value_block(Context& context, const VisionTower<T>& tower, const Block<T>& block, TokenLayout layout,
                         ValueScope scope, View<T, 2> x) {
  Arena::Scope scratch(context.arena());
  const View<T, 2> normed(scratch.take<T>(x.size()), x.extents());
  layer_norm_forward<T>(context, block.ln_1, x, normed);
  aa_clip_value_attention<T>(context, block.attention, layout, scope, normed, x);
  layer_norm_forward<T>(context, block.ln_2, x, normed);
  mlp_forward<T>(context, block.mlp, tower.activation, normed, x);
}

/// normalise(P LN_post(x)) for tokens x (N, D), rows at any stride; out (N, C), contiguous.
template <class T>
void aa_clip_units(Context& context, const VisionTower<T>& tower, View<const T, 2> x, View<T, 2> out) {
  Arena::Scope scratch(context.arena());
  const View<T, 2> normed(scratch.take<T>(x.size()), x.extents());
  layer_norm_forward<T>(context, tower.ln_post, x, normed);
  project_forward<T>(context, tower.projection, normed, out);
  normalize_tokens<T>(context, out);
}

}  // namespace detail

template <class T>
void aa_clip_frozen_features(Context& context, const VisionTower<T>& tower, const Tensor<T>& positions,
                             View<const T, 4> images, const AaClipFrozen& options, AaClipFrozenSink<T> on_level) {
  const FloatScope floats;
  const index_t batch = images.extent(0), count = positions.extent(0), patches = count - 1, width = tower.config.width,
                layers = tower.config.layers, embed = tower.projection.extent(1);
  const index_t first = layers + 1 - (std::min)(options.blocks, layers);
  Arena::Scope scratch(context.arena());
  const auto take = [&](index_t rows, index_t columns) {
    return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns});
  };
  const View<T, 2> plain = take(batch * count, width), turned = take(batch * count, width);
  const TokenLayout layout{batch, count, false};
  std::vector<View<T, 2>> levels;
  vision_embedding_forward<T>(context, tower, images, positions,
                              View<T, 3>(plain.data(), {batch, count, width}));  // (1)
  for (index_t n = 1; n <= layers; ++n) {
    const Block<T>& block = tower.transformer.blocks[static_cast<std::size_t>(n - 1)];
    if (n == first) std::copy_n(plain.data(), plain.size(), turned.data());
    block_forward<T>(context, block, tower.activation, layout, plain);                                     // (2)
    if (n >= first) detail::aa_clip_value_block<T>(context, tower, block, layout, options.scope, turned);  // (3)
    for (const index_t level : options.level_blocks) {
      if (level != n) continue;
      const View<T, 2> from = n < first ? plain : turned, kept = take(batch * count, width);
      std::copy_n(from.data(), from.size(), kept.data());
      levels.push_back(kept);
    }
  }
  const View<T, 2> classes = take(batch, embed), features = take(batch * patches, embed);
  detail::aa_clip_units<T>(context, tower, View<T, 2>(plain.data(), {batch, width}, {count * width, 1}), classes);
  for (std::size_t l = 0; l < levels.size(); ++l) {
    for (index_t b = 0; b < batch; ++b) {
      const View<T, 2> own = features.rows(b * patches, (b + 1) * patches);
      detail::aa_clip_units<T>(context, tower, levels[l].rows(b * count + 1, (b + 1) * count), own);  // (4)
      for (index_t i = 0; i < patches; ++i)
        for (index_t c = 0; c < embed; ++c) own(i, c) += classes(b, c);
    }
    on_level(static_cast<index_t>(l), features);
  }
}

MOECLIP_INSTANTIATE(aa_clip_value_attention)
MOECLIP_INSTANTIATE(aa_clip_frozen_features)

}}  // namespace moeclip::abi_v0_1

#endif
