// SPDX-License-Identifier: MIT
#pragma once
// CLIP's text tower embeds tokens and positions, runs a causal transformer and takes the row at the end token (METHOD
// section 3; TXT-0, TXT-0' in this folder's README). The gradients of all of it are here too.

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "../tensor/visit.hpp"
#include "config.hpp"
#include "observer.hpp"
#include "projection.hpp"
#include "transformer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The parameters of the text tower.
template <class T>
struct TextTower {
  TextConfig config;                                                 // sizes
  kernels::Activation activation = kernels::Activation::quick_gelu;  // of the MLPs
  Tensor<T> token_embedding;                                         // (V, Dt)
  Tensor<T> positional_embedding;                                    // (S, Dt)
  Transformer<T> transformer;                                        // the blocks; their attention is causal
  LayerNorm<T> ln_final;                                             // over Dt, of the row at the end token
  Tensor<T> projection;                                              // (Dt, C)

  TextTower() = default;
  /// Shapes for these sizes and a joint space of width C = `embed`; values to be filled in.
  TextTower(const TextConfig& sizes, index_t embed, kernels::Activation act)
      : config(sizes),
        activation(act),
        token_embedding(Tensor<T>::uninitialised({sizes.vocabulary, sizes.width})),
        positional_embedding(Tensor<T>::uninitialised({sizes.context_length, sizes.width})),
        transformer(transformer_config(sizes)),
        ln_final(sizes.width),
        projection(Tensor<T>::uninitialised({sizes.width, embed})) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("token_embedding.weight", self.token_embedding);
    visitor("positional_embedding", self.positional_embedding);
    visitor("transformer", self.transformer);
    visitor("ln_final", self.ln_final);
    visitor("text_projection", self.projection);
  }
};

/// Position of the largest id of a row, the first among equals: the end token, which has the largest id of all.
inline index_t end_position(View<const std::int32_t, 1> tokens) {
  index_t best = 0;
  for (index_t i = 1; i < tokens.extent(0); ++i)
    if (tokens(i) > tokens(best)) best = i;
  return best;
}

namespace detail {

/// x(n, s) = token embedding of tokens(n, s) + position s.
template <class T>
void embed_tokens(const TextTower<T>& tower, View<const std::int32_t, 2> tokens, View<T, 3> x) {
  for (index_t n = 0; n < x.extent(0); ++n) {
    for (index_t s = 0; s < x.extent(1); ++s) {
      const index_t id = tokens(n, s);
      MOECLIP_EXPECT(id >= 0 && id < tower.config.vocabulary, "token id ", id, " is outside the vocabulary of ",
                     tower.config.vocabulary, " entries; is this the model's tokenizer?");
      const T* token = tower.token_embedding.data() + id * tower.config.width;
      const T* position = tower.positional_embedding.data() + s * tower.config.width;
      for (index_t c = 0; c < tower.config.width; ++c) x(n, s, c) = token[c] + position[c];
    }
  }
}

/// Adds the gradient of every x(n, s) to those of its token and its position.
template <class T>
void embed_tokens_backward(View<const std::int32_t, 2> tokens, View<const T, 3> d_x, TextTower<T>& gradient) {
  const index_t width = d_x.extent(2);
  for (index_t n = 0; n < d_x.extent(0); ++n)
    for (index_t s = 0; s < d_x.extent(1); ++s) {
      T* token = gradient.token_embedding.data() + tokens(n, s) * width;
      T* position = gradient.positional_embedding.data() + s * width;
      for (index_t c = 0; c < width; ++c) {
        token[c] += d_x(n, s, c);
        position[c] += d_x(n, s, c);
      }
    }
}

}  // namespace detail

/// What text_forward leaves for its backward pass.
template <class T>
struct TextSaved {
  TransformerSaved<T> blocks;  // what the blocks kept, as blocks.plan says
  Tensor<T> ends;              // (N, Dt), rows of the end tokens before ln_final
  index_t length = 0;          // positions that were computed
};

/// Sentences as rows of numbers: those of their tokens, or learned ones among them.
template <class T>
struct TextRows {
  View<T, 3> x;                   ///< (N, L, Dt), tokens and positions added; overwritten by the pass
  std::span<const index_t> ends;  ///< of each sentence, the row that speaks for it
};

/// u = ln_final(x)[end] (N, Dt) of sentences that are rows already; `after_block` acts between the blocks. `saved`
/// keeps what text_rows_backward needs, as saved->blocks.plan says.
template <class T>
void text_rows_forward(Context& context, const TextTower<T>& tower, const TextRows<T>& rows, BlockHook<T> after_block,
                       View<T, 2> out, TextSaved<T>* saved = nullptr) {
  const FloatScope floats;
  const index_t sentences = rows.x.extent(0), length = rows.x.extent(1), width = tower.config.width;
  MOECLIP_EXPECT(std::ssize(rows.ends) == sentences && length <= tower.config.context_length &&
                     rows.x.extent(2) == width && rows.x.is_contiguous(),
                 "a text tower of width ", width, " was given ", sentences, " x ", length, " rows of ",
                 rows.x.extent(2), " and ", rows.ends.size(), " ends");
  const View<T, 2> x(rows.x.data(), {sentences * length, width});
  transformer_forward<T>(context, {tower.transformer, tower.activation, {sentences, length, true}}, x, after_block,
                         saved == nullptr ? nullptr : &saved->blocks);
  for (index_t n = 0; n < sentences; ++n)
    std::copy_n(&x(n * length + rows.ends[static_cast<std::size_t>(n)], 0), width, &out(n, 0));
  if (saved != nullptr) {
    saved->length = length;
    detail::keep_rows<T>(out, saved->ends);
  }
  layer_norm_forward<T>(context, tower.ln_final, out, out);
}

/// What text_rows_backward is given besides the tower and what was saved.
template <class T>
struct TextRowsBackward {
  std::span<const index_t> ends;     ///< of the forward pass
  View<const T, 2> d_out;            ///< (N, Dt)
  BlockHook<T> before_block;         ///< see transformer_backward
  TextTower<T>* gradient = nullptr;  ///< of a plain tower, added to; null: the tower is frozen
};

/// Backward pass of text_rows_forward: d_x (N, L, Dt), contiguous, becomes the gradient of the rows, or, where
/// saved.blocks.plan begins later, of what the hook left before its first block.
template <class T>
void text_rows_backward(Context& context, const TextTower<T>& tower, TextSaved<T>& saved,
                        const TextRowsBackward<T>& back, View<T, 3> d_x) {
  const FloatScope floats;
  const index_t sentences = back.d_out.extent(0), width = tower.config.width, length = saved.length;
  MOECLIP_EXPECT(std::ssize(back.ends) == sentences && saved.ends.extent(0) == sentences && d_x.is_contiguous() &&
                     d_x.extent(0) == sentences && d_x.extent(1) == length,
                 "gradients of ", sentences, " sentences for ", saved.ends.extent(0), " that were saved, and ",
                 d_x.extent(1), " rows for ", length);
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_ends(scratch.take<T>(sentences * width), {sentences, width});
  layer_norm_backward<T>(context, tower.ln_final, std::as_const(saved.ends).template view<2>(), back.d_out, d_ends,
                         back.gradient == nullptr ? nullptr : &back.gradient->ln_final);
  std::fill_n(d_x.data(), d_x.size(), T(0));
  for (index_t n = 0; n < sentences; ++n)
    std::copy_n(&d_ends(n, 0), width, &d_x(n, back.ends[static_cast<std::size_t>(n)], 0));
  const TransformerPass<T> pass{tower.transformer, tower.activation, {sentences, length, true}};
  transformer_backward<T>(context, pass, saved.blocks, View<T, 2>(d_x.data(), {sentences * length, width}),
                          back.before_block, back.gradient == nullptr ? nullptr : &back.gradient->transformer);
}

namespace detail {
/// The end of each row of tokens (N, S).
inline std::span<const index_t> end_positions(Arena::Scope& scratch, View<const std::int32_t, 2> tokens) {
  index_t* const ends = scratch.take<index_t>(tokens.extent(0));
  for (index_t n = 0; n < tokens.extent(0); ++n) ends[n] = end_position(tokens[n]);
  return {ends, static_cast<std::size_t>(tokens.extent(0))};
}
}  // namespace detail

/// u = ln_final(x)[end], the sentence before any projection. tokens (N, S), ids in [0, V); out (N, Dt).
///
/// A causal tower never looks ahead, so positions after the last end token are not computed: for short prompts that is
/// nine tenths of the work. With a `probe`, which sees every block of the first sentence as "block_00_prompt0" (the
/// caller adds the class), all positions are.
/// `saved` keeps what text_backward needs, as saved->blocks.plan says.
template <class T>
void text_forward(Context& context, const TextTower<T>& tower, View<const std::int32_t, 2> tokens, View<T, 2> out,
                  const Probe<T>* probe = nullptr, TextSaved<T>* saved = nullptr) {
  const index_t sentences = tokens.extent(0), width = tower.config.width;
  MOECLIP_EXPECT(tokens.extent(1) > 0 && tokens.extent(1) <= tower.config.context_length, "sentences of ",
                 tokens.extent(1), " tokens; this text tower takes up to ", tower.config.context_length);
  const TextObserver<T> observe{probe};
  Arena::Scope scratch(context.arena());
  const std::span<const index_t> ends = detail::end_positions(scratch, tokens);
  index_t length = observe.is_watching() ? tokens.extent(1) : 1;
  for (const index_t end : ends) length = (std::max)(length, end + 1);

  const View<T, 3> x(scratch.take<T>(sentences * length * width), {sentences, length, width});
  detail::embed_tokens<T>(tower, tokens, x);
  auto after_block = [&](index_t block, View<T, 2> rows) { observe.block(block, length, rows); };
  text_rows_forward<T>(context, tower, {x, ends}, after_block, out, saved);
}

/// Backward pass of text_forward: adds to `gradient` what d_out (N, Dt) makes of every weight of a plain tower but its
/// projection, down to saved.blocks.plan.first_block.
template <class T>
void text_backward(Context& context, const TextTower<T>& tower, View<const std::int32_t, 2> tokens, TextSaved<T>& saved,
                   View<const T, 2> d_out, TextTower<T>& gradient) {
  const index_t sentences = tokens.extent(0), width = tower.config.width, length = saved.length;
  MOECLIP_EXPECT(length <= tokens.extent(1), "gradients of sentences of ", tokens.extent(1), " tokens, of which ",
                 length, " were computed");
  Arena::Scope scratch(context.arena());
  const std::span<const index_t> ends = detail::end_positions(scratch, tokens);
  const View<T, 3> d_x(scratch.take<T>(sentences * length * width), {sentences, length, width});
  auto nothing = [](index_t, View<T, 2>) {};
  text_rows_backward<T>(context, tower, saved, {ends, d_out, nothing, &gradient}, d_x);
  if (saved.blocks.plan.first_block == 1) detail::embed_tokens_backward<T>(tokens, d_x, gradient);
}

/// Embedding of each sentence: text_forward times the projection, not normalised. tokens (N, S); out (N, C).
template <class T>
void encode_text_forward(Context& context, const TextTower<T>& tower, View<const std::int32_t, 2> tokens,
                         View<T, 2> out, TextSaved<T>* saved = nullptr) {
  const FloatScope floats;
  Arena::Scope scratch(context.arena());
  const index_t rows = tokens.extent(0), width = tower.config.width;
  const View<T, 2> sentences(scratch.take<T>(rows * width), {rows, width});
  text_forward<T>(context, tower, tokens, sentences, nullptr, saved);
  project_forward<T>(context, tower.projection, sentences, out);
}

/// Backward pass of encode_text_forward: adds to `gradient` what d_out (N, C) makes of every weight of the tower.
template <class T>
void encode_text_backward(Context& context, const TextTower<T>& tower, View<const std::int32_t, 2> tokens,
                          TextSaved<T>& saved, View<const T, 2> d_out, TextTower<T>& gradient) {
  const FloatScope floats;
  Arena::Scope scratch(context.arena());
  const index_t rows = tokens.extent(0), width = tower.config.width;
  const View<T, 2> sentences(scratch.take<T>(rows * width), {rows, width});
  const View<T, 2> d_sentences(scratch.take<T>(rows * width), {rows, width});
  layer_norm_forward<T>(context, tower.ln_final, std::as_const(saved.ends).template view<2>(), sentences);
  project_backward<T>(context, tower.projection, sentences, d_out, d_sentences, gradient.projection);
  text_backward<T>(context, tower, tokens, saved, d_sentences, gradient);
}

}}  // namespace moeclip::abi_v0_1
