// SPDX-License-Identifier: MIT
#pragma once
// Sentences of Bayes-PFL through the frozen text tower, forward and backward (PTX-1 in this folder's README):
//   [begin] context words + offset | state words + offset | the name of the thing [end]
// Learned words stand where "X" stands in "X metal nut". Each group of sentences has one sample of the offsets and goes
// over the whole bank of prompts.

#include <span>
#include <vector>

#include "../clip/text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The sentences of one sample: one of each prompt of the bank.
struct PromptGroup {
  std::span<const std::int32_t> name;            ///< tokens of the thing's name, with begin and end
  bool is_abnormal = false;                      ///< which state words
  index_t context_sample = 0, state_sample = 0;  ///< rows of the offsets
};

/// The bank (N, P, Dt), (N, Q, Dt), and samples of offsets to its words.
template <class T>
struct PromptInput {
  const Tensor<T>&context, &normal, &abnormal;                         ///< learned words
  View<const T, 2> context_offsets, normal_offsets, abnormal_offsets;  ///< (samples, Dt) each
  std::span<const PromptGroup> groups;                                 ///< G of them
};

/// out (G * N, C): the projected sentences, group by group, not normalised. Throws contract if a name is too long for
/// the tower. `saved` keeps what prompt_text_backward needs.
template <class T>
void prompt_text_forward(Context& context, const TextTower<T>& tower, const PromptInput<T>& input, View<T, 2> out,
                         TextSaved<T>* saved = nullptr);

/// Gradients of what PromptInput has; all are added to.
template <class T>
struct PromptGradient {
  Tensor<T>&context, &normal, &abnormal;                         ///< (N, P, Dt), (N, Q, Dt)
  View<T, 2> context_offsets, normal_offsets, abnormal_offsets;  ///< (samples, Dt) each
};

/// Backward pass for d_out (G * N, C).  (PTX-1')
template <class T>
void prompt_text_backward(Context& context, const TextTower<T>& tower, const PromptInput<T>& input, TextSaved<T>& saved,
                          View<const T, 2> d_out, const PromptGradient<T>& gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Bytes that the text tower may keep on its way; beyond that, blocks run again.
inline constexpr index_t kPromptMemory = index_t{1} << 29;

/// How long the sentences are.
struct PromptLayout {
  index_t prompts, context, state, sentences, length = 0;
  std::vector<index_t> ends;  // (sentences)

  template <class T>
  explicit PromptLayout(const PromptInput<T>& input)
      : prompts(input.context.extent(0)),
        context(input.context.extent(1)),
        state(input.normal.extent(1)),
        sentences(prompts * std::ssize(input.groups)) {
    for (const PromptGroup& group : input.groups) {
      const index_t end = context + state + std::ssize(group.name) - 1;
      ends.insert(ends.end(), static_cast<std::size_t>(prompts), end);
      length = (std::max)(length, end + 1);
    }
  }
};

/// Rows of one sentence: x (L, Dt).
template <class T>
void fill_prompt(const TextTower<T>& tower, const PromptInput<T>& input, const PromptGroup& group, index_t prompt,
                 View<T, 2> x) {
  const index_t width = tower.config.width, context = input.context.extent(1), state = input.normal.extent(1);
  const auto learned = [&](const Tensor<T>& bank, View<const T, 2> offsets, index_t sample, index_t first) {
    const index_t count = bank.extent(1);
    for (index_t s = 0; s < count; ++s) {
      const T* const word = bank.data() + (prompt * count + s) * width;
      for (index_t c = 0; c < width; ++c) x(first + s, c) = word[c] + offsets(sample, c);
    }
  };
  const auto token = [&](index_t s, std::size_t i) {
    const std::int32_t id = group.name[i];
    MOECLIP_EXPECT(id >= 0 && id < tower.config.vocabulary, "token id ", id, " is outside the vocabulary of ",
                   tower.config.vocabulary, " entries; is this the model's tokenizer?");
    std::copy_n(tower.token_embedding.data() + id * width, width, &x(s, 0));
  };
  token(0, 0);
  learned(input.context, input.context_offsets, group.context_sample, 1);
  if (group.is_abnormal)
    learned(input.abnormal, input.abnormal_offsets, group.state_sample, 1 + context);
  else
    learned(input.normal, input.normal_offsets, group.state_sample, 1 + context);
  index_t s = context + state + 1;
  for (std::size_t i = 1; i < group.name.size(); ++i) token(s++, i);
  std::fill_n(x.data() + s * width, (x.extent(0) - s) * width, T(0));  // behind the end: nothing looks there
  for (index_t i = 0; i < x.size(); ++i) x.data()[i] += tower.positional_embedding[i];
}

}  // namespace detail

template <class T>
void prompt_text_forward(Context& context, const TextTower<T>& tower, const PromptInput<T>& input, View<T, 2> out,
                         TextSaved<T>* saved) {
  const FloatScope floats;
  const detail::PromptLayout layout(input);
  const index_t width = tower.config.width;
  MOECLIP_EXPECT(layout.length <= tower.config.context_length, "a name of ",
                 layout.length - 2 - layout.context - layout.state, " tokens after ", layout.context + layout.state,
                 " learned words is too long for a text tower of ", tower.config.context_length, " positions");
  Arena::Scope scratch(context.arena());
  const View<T, 3> x(scratch.take<T>(layout.sentences * layout.length * width),
                     {layout.sentences, layout.length, width});
  const View<T, 2> encoded(scratch.take<T>(layout.sentences * width), {layout.sentences, width});
  context.parallel_for(layout.sentences, [&](index_t n, int) {  // (1)
    const PromptGroup& group = input.groups[static_cast<std::size_t>(n / layout.prompts)];
    detail::fill_prompt<T>(tower, input, group, n % layout.prompts, x[n]);
  });
  if (saved != nullptr)
    saved->blocks.plan = plan_for<T>(transformer_config(tower.config), {layout.sentences, layout.length, true}, 1,
                                     detail::kPromptMemory);
  auto nothing = [](index_t, View<T, 2>) {};
  text_rows_forward<T>(context, tower, {x, layout.ends}, nothing, encoded, saved);  // (2)
  project_forward<T>(context, tower.projection, encoded, out);                      // (3)
}

template <class T>
void prompt_text_backward(Context& context, const TextTower<T>& tower, const PromptInput<T>& input, TextSaved<T>& saved,
                          View<const T, 2> d_out, const PromptGradient<T>& gradient) {
  const FloatScope floats;
  const detail::PromptLayout layout(input);
  const index_t width = tower.config.width, embed = tower.projection.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_encoded(scratch.take<T>(layout.sentences * width), {layout.sentences, width});
  const View<T, 3> d_x(scratch.take<T>(layout.sentences * layout.length * width),
                       {layout.sentences, layout.length, width});
  kernels::gemm<T>(context, {layout.sentences, width, embed}, kernels::row_major<T>(d_out.data(), d_out.stride(0)),
                   kernels::transposed(kernels::row_major<T>(tower.projection.data(), embed)), d_encoded.data(), width);
  auto nothing = [](index_t, View<T, 2>) {};
  text_rows_backward<T>(context, tower, saved, {layout.ends, d_encoded, nothing, nullptr}, d_x);  // (3'), (2')
  for (index_t n = 0; n < layout.sentences; ++n) {                                                // (1')
    const PromptGroup& group = input.groups[static_cast<std::size_t>(n / layout.prompts)];
    const index_t prompt = n % layout.prompts;
    const auto learned = [&](Tensor<T>& bank, T* offset, index_t first) {
      const index_t count = bank.extent(1);
      T* const words = bank.data() + prompt * count * width;
      for (index_t s = 0; s < count; ++s)
        for (index_t c = 0; c < width; ++c) {
          const T d = d_x(n, first + s, c);
          words[s * width + c] += d;
          offset[c] += d;
        }
    };
    learned(gradient.context, &gradient.context_offsets(group.context_sample, 0), 1);
    const View<T, 2> offsets = group.is_abnormal ? gradient.abnormal_offsets : gradient.normal_offsets;
    learned(group.is_abnormal ? gradient.abnormal : gradient.normal, &offsets(group.state_sample, 0),
            1 + layout.context);
  }
}

MOECLIP_INSTANTIATE(prompt_text_forward)
MOECLIP_INSTANTIATE(prompt_text_backward)

}}  // namespace moeclip::abi_v0_1

#endif
