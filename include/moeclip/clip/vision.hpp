// SPDX-License-Identifier: MIT
#pragma once
// CLIP's image tower: patches, class token, positions, transformer (METHOD section 1). The tower itself has no idea of
// adapters: whoever wants to act between blocks passes a hook.

#include <algorithm>
#include <string>

#include "../nn/patch_embed.hpp"
#include "../nn/position.hpp"
#include "../tensor/probe.hpp"
#include "../tensor/visit.hpp"
#include "config.hpp"
#include "transformer.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct VisionTower {
  VisionConfig config;
  kernels::Activation activation = kernels::Activation::quick_gelu;
  Linear<T> patch_embed;           // (D, 3 p p); stored as conv1.weight (D, 3, p, p)
  Tensor<T> class_embedding;       // (D)
  Tensor<T> positional_embedding;  // (1 + g g, D), of the grid it was trained for
  LayerNorm<T> ln_pre;
  Transformer<T> transformer;
  LayerNorm<T> ln_post;
  Tensor<T> projection;  // (D, C)

  VisionTower() = default;
  VisionTower(const VisionConfig& sizes, index_t embed, kernels::Activation act)
      : config(sizes),
        activation(act),
        patch_embed(sizes.width, 3 * sizes.patch_size * sizes.patch_size, false),
        class_embedding(Tensor<T>::uninitialised({sizes.width})),
        positional_embedding(Tensor<T>::uninitialised({1 + sizes.grid() * sizes.grid(), sizes.width})),
        ln_pre(sizes.width),
        transformer(TransformerConfig{sizes.width, sizes.layers, sizes.heads, sizes.hidden}),
        ln_post(sizes.width),
        projection(Tensor<T>::uninitialised({sizes.width, embed})) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("conv1", self.patch_embed);
    visitor("class_embedding", self.class_embedding);
    visitor("positional_embedding", self.positional_embedding);
    visitor("ln_pre", self.ln_pre);
    visitor("transformer", self.transformer);
    visitor("ln_post", self.ln_post);
    visitor("proj", self.projection);
  }
};

/// Shows the patch tokens, class tokens left out: tokens (B, 1 + L, D) as (B, L, D).
template <class T>
void show_patches(Context& context, const Probe<T>& probe, const std::string& name, View<const T, 3> tokens) {
  const index_t batch = tokens.extent(0), patches = tokens.extent(1) - 1, width = tokens.extent(2);
  Arena::Scope scratch(context.arena());
  T* copy = scratch.take<T>(batch * patches * width);
  for (index_t b = 0; b < batch; ++b) std::copy_n(&tokens(b, 1, 0), patches * width, copy + b * patches * width);
  probe.on_values(name, {batch, patches, width}, copy);
}

/// What a pass through the image tower is asked to do besides the pass itself.
template <class T>
struct VisionOptions {
  BlockHook<T> after_block;         ///< acts on the tokens after block n (1-based)
  const Probe<T>* probe = nullptr;  ///< sees patch_embed, ln_pre and every block
};

/// Tokens after the last block, before ln_post.
/// images (B, 3, S, S), normalised; positions (1 + g g, D) for g = S / p (nn/position.hpp); tokens (B, 1 + g g, D) is
/// the output, row 0 of each image its class token.
template <class T>
void vision_forward(Context& context, const VisionTower<T>& tower, View<const T, 4> images, const Tensor<T>& positions,
                    View<T, 3> tokens, const VisionOptions<T>& options) {
  const index_t batch = images.extent(0), count = tokens.extent(1), width = tower.config.width;
  MOECLIP_EXPECT(positions.extent(0) == count && tokens.extent(2) == width, "image tower of width ", width,
                 " was given tokens (", tokens.extent(1), ",", tokens.extent(2), ") and positions ",
                 to_string(positions.shape()));
  MOECLIP_EXPECT(tokens.is_contiguous(), "the token array must be contiguous");
  const View<T, 2> rows(tokens.data(), {batch * count, width});
  const Probe<T>* probe = options.probe;

  patch_embed_forward<T>(context, tower.patch_embed, tower.config.patch_size, images, tokens);  // (1)
  if (probe != nullptr) show_patches<T>(context, *probe, "vision/patch_embed", tokens);
  for (index_t b = 0; b < batch; ++b) {  // (2)
    std::copy_n(tower.class_embedding.data(), width, &tokens(b, 0, 0));
    T* x = &tokens(b, 0, 0);
    for (index_t i = 0; i < count * width; ++i) x[i] += positions[i];
  }
  layer_norm_forward<T>(context, tower.ln_pre, rows, rows);  // (3)
  if (probe != nullptr) probe->on_values("vision/ln_pre", {batch, count, width}, rows.data());

  auto after_block = [&](index_t block, View<T, 2> x) {
    if (probe != nullptr) probe->on_values("vision/block_" + two_digits(block - 1), {batch, count, width}, x.data());
    options.after_block(block, x);
  };
  transformer_forward<T>(context, tower.transformer, tower.activation, {batch, count, false}, rows,
                         after_block);  // (4)
}

/// Embedding of each image: ln_post of the class token times the projection, not normalised.
/// images and positions as above; out (B, C).
template <class T>
void encode_image_forward(Context& context, const VisionTower<T>& tower, View<const T, 4> images,
                          const Tensor<T>& positions, View<T, 2> out) {
  const index_t batch = images.extent(0), count = positions.extent(0), width = tower.config.width;
  Arena::Scope scratch(context.arena());
  const View<T, 3> tokens(scratch.take<T>(batch * count * width), {batch, count, width});
  auto nothing = [](index_t, View<T, 2>) {};
  vision_forward<T>(context, tower, images, positions, tokens, {nothing, nullptr});
  const View<T, 2> classes(tokens.data(), {batch, width}, {count * width, 1});
  layer_norm_forward<T>(context, tower.ln_post, classes, classes);
  const index_t embed = tower.projection.extent(1);
  kernels::gemm<T>(context, {batch, embed, width}, {classes.data(), classes.stride(0), 1},
                   kernels::row_major<T>(tower.projection.data(), embed), out.data(), out.stride(0));
}

}  // namespace moeclip::inline MOECLIP_ABI_NS
