// SPDX-License-Identifier: MIT
#pragma once
// Reads the checkpoints of the official AnomalyCLIP (epoch_15.pth): a dictionary "prompt_learner" with the learned rows
// "ctx_pos", "ctx_neg" and "compound_prompts_text.0" ..., beside which lie what the CLIP they were trained on has in
// the rows of words ("token_suffix_pos" ...), the tokens, and projections that nothing ever used.

#include "../clip/clip.hpp"
#include "../io/weight_file.hpp"
#include "anomaly_clip.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The tokens (2, S) of the two sentences without their learned rows.
template <class T>
Tensor<std::int32_t> anomaly_clip_tokens(const Clip<T>& clip, const AnomalyClipConfig& config);

/// The learned rows of a file in the official layout, in whatever container; their sizes are those of the file. Throws
/// missing or mismatch if it holds no such rows; mismatch, with the shapes, if they are of another CLIP, if the words
/// behind them are not those of `config`, or if the rows of these words are not those of `clip`; unsupported if it
/// holds more.
template <class T>
ObjectPrompts<T> read_anomaly_clip(const WeightFile& file, const Clip<T>& clip, const AnomalyClipConfig& config);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "../base/lists.hpp"
#include "../io/naming.hpp"
#include "../io/weight_use.hpp"
#include "../io/weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// A file in the official layout and the names in it.
class AnomalyClipFile {
 public:
  explicit AnomalyClipFile(const WeightFile& file) : file_(file) {
    const std::vector<std::string> prefixes = prefixes_of(file, "ctx_pos");
    if (prefixes.empty())
      fail(ErrorCode::missing, concat(file.path(),
                                      ": holds no learned prompts of AnomalyCLIP: no tensor is called "
                                      "ctx_pos, as in the official epoch_15.pth"));
    expect_one_model(file, prefixes);
    prefix_ = prefixes[0];
  }

  [[nodiscard]] std::string stored(std::string_view name) const { return concat(prefix_, name); }
  [[nodiscard]] const WeightEntry* find(std::string_view name) const { return file_.find(stored(name)); }
  [[nodiscard]] const WeightEntry& entry(std::string_view name) const { return file_.entry(stored(name)); }

  /// Sizes of the learned rows, as far as shapes tell; the shapes themselves are checked when they are read.
  [[nodiscard]] ObjectPromptSizes sizes() const {
    const Shape& shape = entry("ctx_pos").shape;
    if (shape.rank() != 4 || shape[0] != 1 || shape[1] != 1 || shape[2] < 1)
      fail(ErrorCode::mismatch,
           concat(file_.path(), ": tensor ", in_quotes(stored("ctx_pos")), " is ", to_string(shape),
                  "; one prompt for objects of any kind, (1,1,n,width), was "
                  "wanted"));
    ObjectPromptSizes sizes{shape[2], 0, 1};
    while (const WeightEntry* rows = find(concat("compound_prompts_text.", sizes.depth - 1))) {
      if (sizes.depth == 1) sizes.deep = rows->shape.rank() == 2 ? rows->shape[0] : 0;
      ++sizes.depth;
    }
    return sizes;
  }

  /// Throws unsupported if anything is left that is neither read nor known to be without use.
  void expect_known(index_t depth) const {
    std::vector<std::string> unknown;
    for (const WeightEntry& entry : file_.entries())
      if (!is_optimizer_state(entry.name) &&
          !(entry.name.starts_with(prefix_) && is_known(std::string_view(entry.name).substr(prefix_.size()), depth)))
        unknown.push_back(entry.name);
    if (!unknown.empty())
      fail(ErrorCode::unsupported, concat(file_.path(), ": beside the prompts of AnomalyCLIP it holds ",
                                          count_and_names(unknown), ", which this method does not have"));
  }

  /// Throws mismatch if the sentences of the file end in other words than `tokens` (2, S).
  void expect_words(View<const std::int32_t, 2> tokens, index_t context) const {
    for (index_t n = 0; n < 2; ++n) {
      const std::string name = n == 0 ? "tokenized_prompts_pos" : "tokenized_prompts_neg";
      if (find(name) == nullptr) continue;
      const Tensor<double> own = file_.read<double>(stored(name));
      bool is_same = own.size() > context;
      for (index_t s = 1; is_same && s <= end_position(tokens[n]); ++s)
        is_same = s + context < own.size() && own[s + context] == static_cast<double>(tokens(n, s));
      if (!is_same)
        fail(ErrorCode::mismatch, concat(file_.path(), ": ", in_quotes(stored(name)),
                                         " has other words behind the learned rows than this CLIP's tokenizer makes "
                                         "of the method's own; use the CLIP and the words that it was trained with"));
    }
  }

  /// Throws mismatch if the rows of words in the file are not those of `frame`: of another CLIP, they have nothing in
  /// common with them, while what storage rounds off is far below the bound.
  template <class T>
  void expect_rows(const TextTower<T>& tower, const PromptFrame<T>& frame) const {
    constexpr double kRounding = 1.0 / 64;  // of the largest number
    const index_t width = tower.config.width;
    for (index_t n = 0; n < 2; ++n) {
      const std::string name = n == 0 ? "token_suffix_pos" : "token_suffix_neg";
      if (find(name) == nullptr) continue;
      const Tensor<double> own = file_.read<double>(stored(name));
      const index_t words = frame.ends[static_cast<std::size_t>(n)] - frame.context;
      bool is_same = own.size() >= words * width;
      double worst = 0, largest = 0;
      for (index_t i = 0; is_same && i < words * width; ++i) {
        const index_t at = (1 + frame.context) * width + i;
        const double row = static_cast<double>(frame.rows.template view<3>()[n].data()[at]) -
                           static_cast<double>(tower.positional_embedding[at]);
        worst = (std::max)(worst, std::abs(row - own[i]));
        largest = (std::max)(largest, std::abs(row));
      }
      if (!is_same || !(worst <= kRounding * largest))
        fail(ErrorCode::mismatch, concat(file_.path(), ": ", in_quotes(stored(name)),
                                         " holds other word embeddings than this CLIP; use the CLIP that it was "
                                         "trained on"));
    }
  }

 private:
  static bool is_known(std::string_view name, index_t depth) {
    for (const std::string_view plain :
         {"ctx_pos", "ctx_neg", "token_prefix_pos", "token_prefix_neg", "token_suffix_pos", "token_suffix_neg",
          "tokenized_prompts_pos", "tokenized_prompts_neg"})
      if (name == plain) return true;
    for (index_t i = 0; i < depth - 1; ++i)
      if (name == concat("compound_prompts_text.", i)) return true;
    return name.starts_with("compound_prompt_projections.");
  }

  const WeightFile& file_;
  std::string prefix_;
};

}  // namespace detail

template <class T>
Tensor<std::int32_t> anomaly_clip_tokens(const Clip<T>& clip, const AnomalyClipConfig& config) {
  return clip.tokenize({config.normal_words, config.abnormal_words});
}

template <class T>
ObjectPrompts<T> read_anomaly_clip(const WeightFile& weights, const Clip<T>& clip, const AnomalyClipConfig& config) {
  const detail::AnomalyClipFile file(weights);
  const TextTower<T>& tower = clip.text();
  const ObjectPromptSizes sizes = file.sizes();
  const index_t width = file.entry("ctx_pos").shape[3];
  if (width != tower.config.width || sizes.depth > tower.config.layers)
    fail(ErrorCode::mismatch,
         concat(weights.path(), ": its prompts are for a text tower of width ", width, " and at least ",
                counted(sizes.depth, "block"), "; this CLIP's has ", tower.config.width, " and ", tower.config.layers,
                "; use the CLIP that it was trained on"));
  file.expect_known(sizes.depth);
  const Tensor<std::int32_t> tokens = anomaly_clip_tokens<T>(clip, config);
  const index_t words = (std::max)(end_position(tokens.view<2>()[0]), end_position(tokens.view<2>()[1]));
  if (sizes.deep > sizes.context || sizes.context + words >= tower.config.context_length)
    fail(ErrorCode::mismatch,
         concat(weights.path(), ": ", counted(sizes.context, "learned row"), ", ", sizes.deep,
                " of them replaced in deeper blocks, and ", counted(words + 1, "row"), " of words do not fit into the ",
                counted(tower.config.context_length, "token"), " of this CLIP's sentences"));
  file.expect_words(tokens.view<2>(), sizes.context);
  file.template expect_rows<T>(tower, make_prompt_frame<T>(tower, tokens.view<2>(), sizes.context));
  ObjectPrompts<T> prompts(sizes, width);
  visit_parameters(prompts, "", [&](const std::string& name, Tensor<T>& tensor) {
    take_tensor<T>(weights, file.stored(name), tensor);
  });
  return prompts;
}

MOECLIP_INSTANTIATE(anomaly_clip_tokens)
MOECLIP_INSTANTIATE(read_anomaly_clip)

}}  // namespace moeclip::abi_v0_1

#endif
