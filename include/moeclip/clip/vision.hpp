// SPDX-License-Identifier: MIT
#pragma once
// CLIP's image tower cuts an image into patches, adds a class token and positions, and runs a transformer (METHOD
// section 1; VIS-1, VIS-1' in this folder's README). The gradients of all of it are here too. The tower knows nothing
// of adapters: whoever wants to act between blocks passes a hook.

#include <algorithm>

#include "../nn/patch_embed.hpp"
#include "../nn/position.hpp"
#include "../tensor/visit.hpp"
#include "config.hpp"
#include "observer.hpp"
#include "projection.hpp"
#include "transformer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The parameters of the image tower.
template <class T>
struct VisionTower {
  VisionConfig config;                                               // sizes
  kernels::Activation activation = kernels::Activation::quick_gelu;  // of the MLPs
  Linear<T> patch_embed;                                             // (D, 3 p p); stored as conv1.weight (D, 3, p, p)
  Tensor<T> class_embedding;                                         // (D)
  Tensor<T> positional_embedding;                                    // (1 + g g, D), of the grid it was trained for
  LayerNorm<T> ln_pre;                                               // over D, of all tokens before the first block
  Transformer<T> transformer;                                        // the blocks
  LayerNorm<T> ln_post;  // over D, of tokens on their way to the joint space
  Tensor<T> projection;  // (D, C)

  VisionTower() = default;
  /// Shapes for these sizes and a joint space of width C = `embed`; values to be filled in.
  VisionTower(const VisionConfig& sizes, index_t embed, kernels::Activation act)
      : config(sizes),
        activation(act),
        patch_embed(sizes.width, 3 * sizes.patch_size * sizes.patch_size, false),
        class_embedding(Tensor<T>::uninitialised({sizes.width})),
        positional_embedding(Tensor<T>::uninitialised({1 + sizes.grid() * sizes.grid(), sizes.width})),
        ln_pre(sizes.width),
        transformer(transformer_config(sizes)),
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

/// What a pass through the image tower is asked to do besides the pass itself.
template <class T>
struct VisionOptions {
  BlockHook<T> after_block;              ///< acts on the tokens after block n (1-based)
  const Probe<T>* probe = nullptr;       ///< sees patch_embed, ln_pre and every block
  TransformerSaved<T>* saved = nullptr;  ///< keeps what vision_backward needs, as saved->plan says
};

namespace detail {

/// Step (2) of vision_forward: class token in row 0 of each image, positions added.
template <class T>
void add_class_and_positions(const VisionTower<T>& tower, const Tensor<T>& positions, View<T, 3> tokens) {
  const index_t width = tower.config.width;
  for (index_t b = 0; b < tokens.extent(0); ++b) {
    T* x = &tokens(b, 0, 0);
    std::copy_n(tower.class_embedding.data(), width, x);
    for (index_t i = 0; i < positions.size(); ++i) x[i] += positions[i];
  }
}

}  // namespace detail

/// The input of the first block, steps (1) to (3). images (B, 3, S, S), normalised; positions (1 + g g, D) for g = S /
/// p (nn/position.hpp); tokens (B, 1 + g g, D), contiguous, is the output, row 0 of each image its class token.
template <class T>
void vision_embedding_forward(Context& context, const VisionTower<T>& tower, View<const T, 4> images,
                              const Tensor<T>& positions, View<T, 3> tokens, const VisionObserver<T>& observe = {}) {
  const FloatScope floats;
  const index_t batch = images.extent(0), count = tokens.extent(1), width = tower.config.width;
  MOECLIP_EXPECT(positions.extent(0) == count && tokens.extent(2) == width, "image tower of width ", width,
                 " was given tokens (", tokens.extent(1), ",", tokens.extent(2), ") and positions ",
                 to_string(positions.shape()));
  MOECLIP_EXPECT(tokens.is_contiguous(), "the token array must be contiguous");
  const View<T, 2> rows(tokens.data(), {batch * count, width});

  patch_embed_forward<T>(context, tower.patch_embed, tower.config.patch_size, images, tokens);  // (1)
  observe.patch_embed(context, tokens);
  detail::add_class_and_positions<T>(tower, positions, tokens);  // (2)
  layer_norm_forward<T>(context, tower.ln_pre, rows, rows);      // (3)
  observe.ln_pre(rows);
}

/// Tokens after the last block, before ln_post; images, positions and tokens as above.
template <class T>
void vision_forward(Context& context, const VisionTower<T>& tower, View<const T, 4> images, const Tensor<T>& positions,
                    View<T, 3> tokens, const VisionOptions<T>& options) {
  const FloatScope floats;
  const VisionObserver<T> observe{options.probe, images.extent(0)};
  vision_embedding_forward<T>(context, tower, images, positions, tokens, observe);
  const View<T, 2> rows(tokens.data(), {images.extent(0) * tokens.extent(1), tokens.extent(2)});

  auto after_block = [&](index_t block, View<T, 2> x) {
    observe.block(block, x);
    options.after_block(block, x);
  };
  const TokenLayout layout{images.extent(0), tokens.extent(1), false};  // (4)
  transformer_forward<T>(context, {tower.transformer, tower.activation, layout}, rows, after_block, options.saved);
}

/// The input of a forward pass, once more for the backward pass.
template <class T>
struct VisionInput {
  View<const T, 4> images;     ///< (B, 3, S, S)
  const Tensor<T>& positions;  ///< (1 + g g, D)
};

/// What vision_backward needs besides the tower, its input and the gradient of its tokens.
template <class T>
struct VisionBackward {
  BlockHook<T> before_block;           ///< see transformer_backward
  TransformerSaved<T>& saved;          ///< of the forward pass
  VisionTower<T>* gradient = nullptr;  ///< of a plain tower; null: the tower is frozen
};

namespace detail {

/// (3') to (1'): d_tokens is the gradient of ln_pre's output. Its input is made again, which costs one product of
/// matrices, rather than kept.
template <class T>
void vision_embedding_backward(Context& context, const VisionTower<T>& tower, const VisionInput<T>& input,
                               View<T, 3> d_tokens, VisionTower<T>& gradient) {
  const index_t batch = d_tokens.extent(0), count = d_tokens.extent(1), width = d_tokens.extent(2);
  Arena::Scope scratch(context.arena());
  const View<T, 3> tokens(scratch.take<T>(d_tokens.size()), d_tokens.extents());
  patch_embed_forward<T>(context, tower.patch_embed, tower.config.patch_size, input.images, tokens);
  add_class_and_positions<T>(tower, input.positions, tokens);
  const View<T, 2> rows(tokens.data(), {batch * count, width}), d_rows(d_tokens.data(), {batch * count, width});
  layer_norm_backward<T>(context, tower.ln_pre, rows, d_rows, d_rows, &gradient.ln_pre);  // (3')

  const View<T, 2> d_positions(scratch.take<T>(count * width), {count, width});  // (2')
  std::copy_n(d_tokens.data(), count * width, d_positions.data());
  for (index_t b = 1; b < batch; ++b)
    for (index_t i = 0; i < count * width; ++i) d_positions.data()[i] += d_tokens[b].data()[i];
  for (index_t c = 0; c < width; ++c) gradient.class_embedding[c] += d_positions(0, c);
  resize_positions_backward<T>(d_positions, gradient.positional_embedding);
  patch_embed_backward<T>(context, tower.patch_embed, tower.config.patch_size, input.images, d_tokens,
                          &gradient.patch_embed);  // (1')
}

}  // namespace detail

/// Backward pass of vision_forward. d_tokens (B, 1 + g g, D), contiguous: in, the gradient of the tokens; out, what is
/// left of it below the last block that was saved. Gradients are added to options.gradient, that of the positions after
/// the adjoint of their resizing; those of ln_post and the projection belong to whoever used them.
template <class T>
void vision_backward(Context& context, const VisionTower<T>& tower, const VisionInput<T>& input, View<T, 3> d_tokens,
                     const VisionBackward<T>& options) {
  const FloatScope floats;
  const index_t batch = d_tokens.extent(0), count = d_tokens.extent(1);
  MOECLIP_EXPECT(
      batch > 0 && d_tokens.is_contiguous() && batch == input.images.extent(0) && count == input.positions.extent(0),
      "gradients of ", batch, " x ", count, " tokens for ", input.images.extent(0), " images of ",
      input.positions.extent(0), " tokens");
  const View<T, 2> d_rows(d_tokens.data(), {batch * count, d_tokens.extent(2)});
  const TransformerPass<T> pass{tower.transformer, tower.activation, {batch, count, false}};
  transformer_backward<T>(context, pass, options.saved, d_rows, options.before_block,
                          options.gradient == nullptr ? nullptr : &options.gradient->transformer);  // (4')
  if (options.gradient != nullptr && options.saved.plan.first_block == 1)
    detail::vision_embedding_backward<T>(context, tower, input, d_tokens, *options.gradient);
}

/// What encode_image_forward leaves for its backward pass.
template <class T>
struct VisionSaved {
  TransformerSaved<T> blocks;  // what the blocks kept, as blocks.plan says
  Tensor<T> classes;           // (B, D), class tokens before ln_post
};

/// Embedding of each image: ln_post of the class token times the projection, not normalised.
/// images and positions as above; out (B, C).
template <class T>
void encode_image_forward(Context& context, const VisionTower<T>& tower, View<const T, 4> images,
                          const Tensor<T>& positions, View<T, 2> out, VisionSaved<T>* saved = nullptr) {
  const FloatScope floats;
  const index_t batch = images.extent(0), count = positions.extent(0), width = tower.config.width;
  Arena::Scope scratch(context.arena());
  const View<T, 3> tokens(scratch.take<T>(batch * count * width), {batch, count, width});
  auto nothing = [](index_t, View<T, 2>) {};
  vision_forward<T>(context, tower, images, positions, tokens,
                    {nothing, nullptr, saved == nullptr ? nullptr : &saved->blocks});
  const View<T, 2> classes(tokens.data(), {batch, width}, {count * width, 1});
  if (saved != nullptr) detail::keep_rows<T>(classes, saved->classes);
  layer_norm_forward<T>(context, tower.ln_post, classes, classes);  // (5)
  project_forward<T>(context, tower.projection, classes, out);      // (6)
}

/// Backward pass of encode_image_forward: adds to `gradient` what d_out (B, C) makes of every weight of the tower.
template <class T>
void encode_image_backward(Context& context, const VisionTower<T>& tower, const VisionInput<T>& input,
                           VisionSaved<T>& saved, View<const T, 2> d_out, VisionTower<T>& gradient) {
  const FloatScope floats;
  const index_t batch = d_out.extent(0), count = input.positions.extent(0), width = tower.config.width;
  Arena::Scope scratch(context.arena());
  const View<T, 3> d_tokens(scratch.take<T>(batch * count * width), {batch, count, width});
  std::fill_n(d_tokens.data(), d_tokens.size(), T(0));  // nothing looks at the other tokens of the last block
  const View<T, 2> d_classes(d_tokens.data(), {batch, width}, {count * width, 1});
  const View<const T, 2> classes = saved.classes.template view<2>();
  const View<T, 2> normed(scratch.take<T>(batch * width), {batch, width});
  layer_norm_forward<T>(context, tower.ln_post, classes, normed);
  project_backward<T>(context, tower.projection, normed, d_out, d_classes, gradient.projection);     // (6')
  layer_norm_backward<T>(context, tower.ln_post, classes, d_classes, d_classes, &gradient.ln_post);  // (5')
  auto nothing = [](index_t, View<T, 2>) {};
  vision_backward<T>(context, tower, input, d_tokens, {nothing, saved.blocks, &gradient});
}

}}  // namespace moeclip::abi_v0_1
