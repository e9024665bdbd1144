// SPDX-License-Identifier: MIT
#pragma once
// CLIP's text tower: token and position embedding, causal transformer, the row at the end token (METHOD section 3).

#include <algorithm>
#include <cstdint>

#include "../tensor/probe.hpp"
#include "../tensor/visit.hpp"
#include "config.hpp"
#include "transformer.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct TextTower {
  TextConfig config;
  kernels::Activation activation = kernels::Activation::quick_gelu;
  Tensor<T> token_embedding;       // (V, Dt)
  Tensor<T> positional_embedding;  // (S, Dt)
  Transformer<T> transformer;
  LayerNorm<T> ln_final;
  Tensor<T> projection;  // (Dt, C)

  TextTower() = default;
  TextTower(const TextConfig& sizes, index_t embed, kernels::Activation act)
      : config(sizes),
        activation(act),
        token_embedding(Tensor<T>::uninitialised({sizes.vocabulary, sizes.width})),
        positional_embedding(Tensor<T>::uninitialised({sizes.context_length, sizes.width})),
        transformer(TransformerConfig{sizes.width, sizes.layers, sizes.heads, sizes.hidden}),
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

}  // namespace detail

/// u = ln_final(x)[end], the sentence before any projection. tokens (N, S), ids in [0, V); out (N, Dt).
///
/// A causal tower never looks ahead, so positions after the last end token are not computed: for short prompts that is
/// nine tenths of the work. With a `probe`, which sees every block of the first sentence as "block_00_prompt0" (the
/// caller adds the class), all positions are.
template <class T>
void text_forward(Context& context, const TextTower<T>& tower, View<const std::int32_t, 2> tokens, View<T, 2> out,
                  const Probe<T>* probe = nullptr) {
  const index_t sentences = tokens.extent(0), width = tower.config.width;
  MOECLIP_EXPECT(tokens.extent(1) > 0 && tokens.extent(1) <= tower.config.context_length, "sentences of ",
                 tokens.extent(1), " tokens; this text tower takes up to ", tower.config.context_length);
  index_t length = probe != nullptr ? tokens.extent(1) : 1;
  for (index_t n = 0; n < sentences; ++n) length = std::max(length, end_position(tokens[n]) + 1);

  Arena::Scope scratch(context.arena());
  const View<T, 2> x(scratch.take<T>(sentences * length * width), {sentences * length, width});
  detail::embed_tokens<T>(tower, tokens, View<T, 3>(x.data(), {sentences, length, width}));
  auto after_block = [&](index_t block, View<T, 2> rows) {
    if (probe != nullptr)
      probe->on_values(concat("block_", two_digits(block - 1), "_prompt0"), {length, width}, rows.data());
  };
  transformer_forward<T>(context, tower.transformer, tower.activation, {sentences, length, true}, x, after_block);

  for (index_t n = 0; n < sentences; ++n) std::copy_n(&x(n * length + end_position(tokens[n]), 0), width, &out(n, 0));
  layer_norm_forward<T>(context, tower.ln_final, out, out);
}

/// Embedding of each sentence: text_forward times the projection, not normalised. tokens (N, S); out (N, C).
template <class T>
void encode_text_forward(Context& context, const TextTower<T>& tower, View<const std::int32_t, 2> tokens,
                         View<T, 2> out) {
  Arena::Scope scratch(context.arena());
  const index_t width = tower.config.width, embed = tower.projection.extent(1);
  const View<T, 2> sentences(scratch.take<T>(tokens.extent(0) * width), {tokens.extent(0), width});
  text_forward<T>(context, tower, tokens, sentences);
  kernels::gemm<T>(context, {tokens.extent(0), embed, width}, kernels::row_major<T>(sentences.data(), width),
                   kernels::row_major<T>(tower.projection.data(), embed), out.data(), out.stride(0));
}

}  // namespace moeclip::inline MOECLIP_ABI_NS
