// SPDX-License-Identifier: MIT
#pragma once
// The text side of AnomalyCLIP: two sentences for objects of any kind, "object" and "damaged object", whose first words
// are rows of numbers that are learned; before each of the next blocks the first of these rows are replaced by others,
// learned for that block (OBJ-1, OBJ-2 in this folder's README; Zhou et al., ICLR 2024, section 3.2). The text tower
// itself is frozen.

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "../base/half.hpp"
#include "../clip/text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How much of the two sentences is learned. The defaults are those of the published code.
struct ObjectPromptSizes {
  index_t context = 12;  ///< n, rows in front of the words of either sentence
  index_t deep = 4;      ///< m <= n, rows that are replaced
  index_t depth = 9;     ///< rows are replaced before blocks 2 ... depth; 1: before none

  friend bool operator==(const ObjectPromptSizes&, const ObjectPromptSizes&) = default;
};

/// What is learned, and a gradient of it. Shapes and names are those of the official files.
template <class T>
struct ObjectPrompts {
  Tensor<T> normal;             // (1, 1, n, Dt), in front of "object."
  Tensor<T> abnormal;           // (1, 1, n, Dt), in front of "damaged object."
  std::vector<Tensor<T>> deep;  // (m, Dt) each: what stands in rows 1 ... m before block 2, 3, ...

  ObjectPrompts() = default;
  /// Uninitialised rows for a text tower of width Dt.
  ObjectPrompts(const ObjectPromptSizes& sizes, index_t width)
      : normal(Tensor<T>::uninitialised({1, 1, sizes.context, width})),
        abnormal(Tensor<T>::uninitialised({1, 1, sizes.context, width})) {
    for (index_t block = 2; block <= sizes.depth; ++block)
      deep.push_back(Tensor<T>::uninitialised({sizes.deep, width}));
  }

  /// n, m and the depth.
  [[nodiscard]] ObjectPromptSizes sizes() const {
    return {normal.extent(2), deep.empty() ? 0 : deep[0].extent(0), std::ssize(deep) + 1};
  }

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("ctx_pos", self.normal);
    visitor("ctx_neg", self.abnormal);
    visitor("compound_prompts_text", self.deep);
  }
};

/// What stays of the two sentences: the row of the start token, the learned places, which hold their positions alone,
/// the rows of the words and of the end tokens. Rows after the last end token are left out, since the tower is causal.
template <class T>
struct PromptFrame {
  Tensor<T> rows;                 ///< (2, L, Dt)
  std::array<index_t, 2> ends{};  ///< where the end tokens are
  index_t context = 0;            ///< n, learned rows
};

/// The frame of two sentences given by their token rows (2, S) without learned rows. Throws contract, with the lengths,
/// if they do not fit into the tower with n more rows.
template <class T>
PromptFrame<T> make_prompt_frame(const TextTower<T>& tower, View<const std::int32_t, 2> tokens, index_t context);

/// What object_prompts_forward leaves for the way back.
template <class T>
struct ObjectPromptsSaved {
  TextSaved<T> text;    // of the tower
  Tensor<T> sentences;  // (2, Dt), its output
  Tensor<T> projected;  // (2, C), before they are made unit vectors
};

/// How the deep rows enter a block.
enum class DeepRows : unsigned char {
  half,   ///< rounded to float16, as the published code does whatever the type of everything else is
  exact,  ///< as they are
};

/// The name of the enumerator, as settings spell it.
constexpr const char* to_string(DeepRows rows) { return rows == DeepRows::half ? "half" : "exact"; }

/// The frozen part of the text side.
template <class T>
struct PromptedTower {
  const TextTower<T>& tower;            ///< packed or not
  const PromptFrame<T>& frame;          ///< of its width
  DeepRows deep_rows = DeepRows::half;  ///< how they enter
};

/// anchors (2, C), contiguous: the unit vectors of both sentences, normal and abnormal. `saved` may be null. (OBJ-1,
/// OBJ-2)
template <class T>
void object_prompts_forward(Context& context, const PromptedTower<T>& text, const ObjectPrompts<T>& prompts,
                            View<T, 2> anchors, ObjectPromptsSaved<T>* saved = nullptr);

/// Backward pass of object_prompts_forward for d_anchors (2, C), contiguous: added to `gradient`. Rounding counts as
/// the identity.  (OBJ-2', OBJ-1')
template <class T>
void object_prompts_backward(Context& context, const PromptedTower<T>& text, ObjectPromptsSaved<T>& saved,
                             View<const T, 2> d_anchors, ObjectPrompts<T>& gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include "../kernels/gemm.hpp"
#include "../kernels/rows.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr double kAnchorFloor = 1e-12;  // of the length of an anchor that is divided by

/// The number that a float16 keeps of `value`.
template <class T>
T through_half(T value) {
  return static_cast<T>(half_to_float(float_to_half(static_cast<float>(value))));
}

}  // namespace detail

template <class T>
PromptFrame<T> make_prompt_frame(const TextTower<T>& tower, View<const std::int32_t, 2> tokens, index_t context) {
  MOECLIP_EXPECT(tokens.extent(0) == 2 && context >= 1, "two sentences with learned rows were wanted, not ",
                 tokens.extent(0), " with ", context);
  PromptFrame<T> frame;
  frame.context = context;
  for (index_t n = 0; n < 2; ++n) frame.ends[static_cast<std::size_t>(n)] = end_position(tokens[n]) + context;
  const index_t length = (std::max)(frame.ends[0], frame.ends[1]) + 1, width = tower.config.width;
  MOECLIP_EXPECT(length <= tower.config.context_length, "a sentence of ", length, " tokens, ", context,
                 " of them learned; this text tower takes up to ", tower.config.context_length);
  frame.rows = Tensor<T>({2, length, width});
  const View<T, 3> rows = frame.rows.template view<3>();
  for (index_t n = 0; n < 2; ++n)
    for (index_t s = 0; s < length; ++s) {
      std::copy_n(tower.positional_embedding.data() + s * width, width, &rows(n, s, 0));
      if (s >= 1 && s <= context) continue;
      const index_t id = tokens(n, s == 0 ? 0 : s - context);
      MOECLIP_EXPECT(id >= 0 && id < tower.config.vocabulary, "token id ", id, " is outside the vocabulary of ",
                     tower.config.vocabulary, " entries; is this the model's tokenizer?");
      const T* const token = tower.token_embedding.data() + id * width;
      for (index_t c = 0; c < width; ++c) rows(n, s, c) += token[c];
    }
  return frame;
}

template <class T>
void object_prompts_forward(Context& context, const PromptedTower<T>& text, const ObjectPrompts<T>& prompts,
                            View<T, 2> anchors, ObjectPromptsSaved<T>* saved) {
  const FloatScope floats;
  const TextTower<T>& tower = text.tower;
  const PromptFrame<T>& frame = text.frame;
  const index_t length = frame.rows.extent(1), width = tower.config.width, learned = frame.context;
  const ObjectPromptSizes sizes = prompts.sizes();
  MOECLIP_EXPECT(sizes.context == learned && prompts.normal.extent(3) == width && sizes.deep <= learned &&
                     sizes.depth <= tower.config.layers,
                 "a text tower of width ", width, " and ", tower.config.layers, " blocks with ", learned,
                 " learned rows was given prompts ", to_string(prompts.normal.shape()), ", of which ", sizes.deep,
                 " are replaced before blocks 2 to ", sizes.depth);
  Arena::Scope scratch(context.arena());
  const View<T, 3> x(scratch.take<T>(2 * length * width), {2, length, width});
  std::copy_n(frame.rows.data(), x.size(), x.data());  // (1)
  for (index_t n = 0; n < 2; ++n) {
    const T* const rows = (n == 0 ? prompts.normal : prompts.abnormal).data();
    for (index_t i = 0; i < learned * width; ++i) (&x(n, 1, 0))[i] += rows[i];
  }
  auto replace = [&](index_t block, View<T, 2>) {  // (2)
    if (block > std::ssize(prompts.deep)) return;
    const Tensor<T>& rows = prompts.deep[static_cast<std::size_t>(block - 1)];
    for (index_t n = 0; n < 2; ++n)
      for (index_t i = 0; i < rows.size(); ++i)
        (&x(n, 1, 0))[i] = text.deep_rows == DeepRows::half ? detail::through_half(rows[i]) : rows[i];
  };
  const View<T, 2> sentences =
      saved != nullptr ? detail::room(saved->sentences, 2, width) : View<T, 2>(scratch.take<T>(2 * width), {2, width});
  text_rows_forward<T>(context, tower, {x, frame.ends}, replace, sentences, saved != nullptr ? &saved->text : nullptr);
  project_forward<T>(context, tower.projection, sentences, anchors);  // (3)
  if (saved != nullptr) detail::keep_rows<T>(anchors, saved->projected);
  kernels::normalize_rows<T>(context, 2, anchors.extent(1), anchors.data(), anchors.stride(0),
                             static_cast<T>(detail::kAnchorFloor));  // (4)
}

template <class T>
void object_prompts_backward(Context& context, const PromptedTower<T>& text, ObjectPromptsSaved<T>& saved,
                             View<const T, 2> d_anchors, ObjectPrompts<T>& gradient) {
  const FloatScope floats;
  const TextTower<T>& tower = text.tower;
  const PromptFrame<T>& frame = text.frame;
  const index_t length = frame.rows.extent(1), width = tower.config.width, embed = d_anchors.extent(1);
  MOECLIP_EXPECT(d_anchors.is_contiguous() && saved.projected.size() == d_anchors.size(), "gradients (",
                 d_anchors.extent(0), ",", embed, ") of anchors ", to_string(saved.projected.shape()));
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_projected(scratch.take<T>(2 * embed), {2, embed});
  const View<T, 2> d_sentences(scratch.take<T>(2 * width), {2, width});
  const View<T, 3> d_x(scratch.take<T>(2 * length * width), {2, length, width});
  kernels::normalize_rows_backward<T>(context, 2, embed, saved.projected.data(), static_cast<T>(detail::kAnchorFloor),
                                      d_anchors.data(), d_projected.data());  // (4')
  kernels::gemm<T>(context, {2, width, embed}, kernels::row_major<T>(d_projected.data(), embed),
                   kernels::transposed(kernels::row_major<T>(tower.projection.data(), embed)), d_sentences.data(),
                   width);                          // (3')
  auto replaced = [&](index_t block, View<T, 2>) {  // (2')
    if (block > std::ssize(gradient.deep)) return;
    Tensor<T>& rows = gradient.deep[static_cast<std::size_t>(block - 1)];
    for (index_t n = 0; n < 2; ++n) {
      T* const d_rows = &d_x(n, 1, 0);
      for (index_t i = 0; i < rows.size(); ++i) rows[i] += d_rows[i];
      std::fill_n(d_rows, rows.size(), T(0));
    }
  };
  text_rows_backward<T>(context, tower, saved.text, {frame.ends, d_sentences, replaced}, d_x);
  for (index_t n = 0; n < 2; ++n) {  // (1')
    Tensor<T>& rows = n == 0 ? gradient.normal : gradient.abnormal;
    for (index_t i = 0; i < rows.size(); ++i) rows[i] += (&d_x(n, 1, 0))[i];
  }
}

MOECLIP_INSTANTIATE(make_prompt_frame)
MOECLIP_INSTANTIATE(object_prompts_forward)
MOECLIP_INSTANTIATE(object_prompts_backward)

}}  // namespace moeclip::abi_v0_1

#endif
