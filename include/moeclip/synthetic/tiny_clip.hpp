// SPDX-License-Identifier: MIT
#pragma once
// The built-in CLIP, made from nothing but a seed: its sizes, its vocabulary, and its training in two stages. CLIP's
// own 336-pixel model was trained in the same way: long on small pictures (here windows), then briefly on whole
// pictures of the final size.

#include <string>

#include "bpe_learner.hpp"
#include "pairs.hpp"
#include "whitening.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// About 0.8 million parameters, 1.6 MB in half precision. Widths are multiples of 48, the columns of a tile of the
/// AVX-512 kernels.
ClipConfig tiny_clip_config(index_t vocabulary, index_t image_size);

/// How the built-in CLIP is trained.
struct TinyClipOptions {
  std::uint64_t seed = 111;                        ///< of first weights, pictures and captions
  index_t window_steps = 4500, whole_steps = 250;  ///< of the first stage and of the second
  index_t window_size = 64, whole_size = 128;      ///< pixels; the second is the model's image size
  double lr = 1.5e-3;                              ///< highest, of the first stage; the second has half of it
  index_t pairs = 32;                              ///< per batch
  index_t pool = 512;                              ///< see SyntheticPairsOptions
};

/// A CLIP with the list of merges of its tokenizer: what save_clip takes.
struct TinyClip {
  ClipWeights<float> weights;  ///< both towers and the logit scale
  std::string merges;          ///< text of the list (bpe_learner.hpp)
};

/// Trains it. Steps are counted through both stages; `on_step` returning false ends the training at once.
TinyClip train_tiny_clip(Context& context, const TinyClipOptions& options, PretrainCallback on_step);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

#include <algorithm>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC ClipConfig tiny_clip_config(index_t vocabulary, index_t image_size) {
  return {{image_size, 8, 96, 4, 3, 384}, {32, vocabulary, 96, 2, 3, 384}, 96, kernels::Activation::gelu};
}

namespace detail {

inline constexpr index_t kMostTinyMerges = 2000;  // more than all words of all captions have

inline PretrainOptions tiny_stage(index_t steps, double lr) {
  PretrainOptions options;
  options.steps = steps;
  options.warmup = std::min<index_t>(200, steps / 10);
  options.lr = lr;
  return options;
}

/// A short training shows each pair of a large pool hardly once; then a smaller one does, two pairs of each category.
inline index_t useful_pool(const TinyClipOptions& options, index_t steps) {
  const index_t least = 2 * std::ssize(pretraining_categories());
  return (std::min)(options.pool, (std::max)(least, steps * options.pairs / 8));
}

/// First values of the patch embedding, from what the first batch shows.
inline void whiten_first_batch(Context& context, SyntheticPairs& pairs, VisionTower<float>& tower) {
  PretrainBatch<float> batch;
  pairs.fill(context, 0, batch);
  whiten_patches(context, batch.images, tower.config.patch_size, tower.patch_embed);
}

/// The same weights for pictures of another size.
inline ClipWeights<float> with_image_size(ClipWeights<float> clip, index_t size) {
  clip.config.vision.image_size = clip.vision.config.image_size = size;
  clip.vision.positional_embedding = resize_positions(clip.vision.positional_embedding, clip.config.vision.grid());
  return clip;
}

}  // namespace detail

MOECLIP_FUNC TinyClip train_tiny_clip(Context& context, const TinyClipOptions& options, PretrainCallback on_step) {
  const FloatScope floats;
  TinyClip tiny;
  tiny.merges = learn_merges(pretraining_captions(), detail::kMostTinyMerges);
  const Tokenizer tokenizer(vocabulary_of_merges(tiny.merges, "the vocabulary learned from synthetic captions"));
  tiny.weights = ClipWeights<float>(tiny_clip_config(tokenizer.vocabulary_size(), options.window_size));
  initialize_clip(tiny.weights, options.seed);
  bool is_wanted = true;
  const auto run = [&](const SyntheticPairsOptions& data, const PretrainOptions& stage, index_t done) {
    if (!is_wanted || stage.steps == 0) return;
    SyntheticPairs pairs(data, tokenizer, tiny.weights.config.text.context_length);
    if (done == 0) detail::whiten_first_batch(context, pairs, tiny.weights.vision);
    auto source = [&](index_t step, PretrainBatch<float>& batch) { pairs.fill(context, step, batch); };
    auto watch = [&](PretrainReport report) {
      report.step += done;
      return is_wanted = on_step(report);
    };
    pretrain<float>(context, tiny.weights, stage, source, watch);
  };
  SyntheticPairsOptions windows;
  windows.seed = options.seed;
  windows.pairs = options.pairs;
  windows.size = options.window_size;
  windows.renewed = options.pairs / 8;
  windows.pool = detail::useful_pool(options, options.window_steps);
  windows.lowest_severity = 0.6;  // first what can be seen well
  run(windows, detail::tiny_stage(options.window_steps, options.lr), 0);

  tiny.weights = detail::with_image_size(std::move(tiny.weights), options.whole_size);
  SyntheticPairsOptions whole = windows;
  whole.seed = options.seed + 1;
  whole.lowest_severity = 0.3;
  whole.size = whole.smallest = whole.largest = options.whole_size;
  whole.renewed = options.pairs / 4;
  whole.pool = detail::useful_pool(options, options.whole_steps);
  run(whole, detail::tiny_stage(options.whole_steps, options.lr / 2), options.window_steps);
  return tiny;
}

}}  // namespace moeclip::abi_v0_1

#endif
