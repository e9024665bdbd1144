// SPDX-License-Identifier: MIT
#pragma once
// What the parts of a training step share (adapter_step.hpp): its input, what is kept between the parts, and the text
// side, whose forward pass comes first and whose backward pass comes last.

#include <algorithm>
#include <cmath>

#include "../anomaly/anchors.hpp"
#include "../anomaly/features.hpp"
#include "../moe/mixing.hpp"
#include "adapter_step_types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A step's input.
template <class T>
struct StepInput {
  const TrainingBatch<T>& batch;
  std::span<const ClassText<T>> texts;  ///< of all classes
  StepOptions options = {};
  const Probe<T>* probe =
      nullptr;  ///< sees similarities and the gradients of activations, as the golden data names them
};

/// What a step keeps between its parts, and from step to step so that memory is taken once.
template <class T>
struct AdapterWorkspace {
  struct ClassAnchors {
    index_t class_index = 0;
    Tensor<T> z;  // (N, C), adapted sentences
    TextAnchors<T> anchors;
  };
  std::vector<ClassAnchors> classes;  // of the batch, in the order of their first picture
  std::vector<std::size_t> class_of;  // (B), place in `classes`
  TransformerSaved<T> blocks;
  std::vector<MixingSaved<T>> mixtures;
  std::vector<Tensor<T>> d_levels;         // (B * T, D) each: gradient of the tokens of a level
  Tensor<T> tokens, d_tokens;              // (B, T, D)
  Tensor<T> similarities, d_similarities;  // (B, 2, g, g) of one map
  Tensor<T> difference, d_difference;      // (B, g, g)
  Tensor<T> d_anchors;                     // (B, 2, C), per picture
  LossReport report;
};

namespace detail {

/// What every part of a step needs.
template <class T>
struct StepRun {
  Context& context;
  const AdaptedModel<T>& model;
  const StepInput<T>& input;
  AdapterWorkspace<T>& work;
  AdapterGradient<T>* gradient;  // null: losses only

  [[nodiscard]] index_t batch() const { return input.batch.images.extent(0); }
  [[nodiscard]] index_t patches() const { return model.positions.extent(0) - 1; }
  [[nodiscard]] index_t grid() const {
    return static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(patches()))));
  }
  [[nodiscard]] index_t width() const { return model.tower.config.width; }
  [[nodiscard]] index_t embed() const { return model.adapter.text.outputs(); }
  [[nodiscard]] bool has_any_mask() const {
    const std::vector<bool>& has = input.batch.has_mask;
    return has.empty() || std::ranges::find(has, true) != has.end();
  }
  /// Blocks up to this one are not run backward.
  [[nodiscard]] index_t first_mixture_block() const {
    const auto& blocks = model.adapter.config.mixture_blocks;
    return blocks.empty() ? model.tower.config.layers + 1 : *std::ranges::min_element(blocks);
  }
  [[nodiscard]] const TextAnchors<T>& anchors_of(index_t b) const {
    return work.classes[work.class_of[static_cast<std::size_t>(b)]].anchors;
  }
  [[nodiscard]] View<T, 2> d_anchors_of(index_t b) const { return work.d_anchors.template view<3>()[b]; }
  [[nodiscard]] double map_weight() const {
    return input.options.averages_maps ? 1.0 / static_cast<double>(model.adapter.config.maps()) : 1.0;
  }
  [[nodiscard]] MixingOptions mixing(std::size_t j) const {
    const StepOptions& o = input.options;
    const bool on = o.is_training;
    return {model.adapter.config.mix_weight,
            on,
            on ? o.lambda_etf : 0,
            on ? o.lambda_balance : 0,
            {on ? o.expert_dropout : 0, o.seed, o.step, static_cast<index_t>(j)},
            o.norm_match_floor,
            o.trains_lora_a};
  }
};

template <class T>
void check_step(const StepRun<T>& run) {
  const TrainingBatch<T>& batch = run.input.batch;
  const Adapter<T>& adapter = run.model.adapter;
  const auto count = static_cast<std::size_t>(run.batch());
  MOECLIP_EXPECT(batch.labels.size() == count && batch.classes.size() == count &&
                     (batch.has_mask.empty() || batch.has_mask.size() == count),
                 "a batch of ", count, " pictures has ", batch.labels.size(), " labels, ", batch.classes.size(),
                 " classes and ", batch.has_mask.size(), " mask flags");
  MOECLIP_EXPECT(!run.has_any_mask() || (batch.masks.rank() == 3 && batch.masks.extent(0) == run.batch()),
                 "a batch of ", count, " pictures has masks ", to_string(batch.masks.shape()));
  for (const index_t which : batch.classes) {
    MOECLIP_EXPECT(which >= 0 && which < std::ssize(run.input.texts), "a picture is of class ", which,
                   ", but there are ", run.input.texts.size(), " class texts");
    const ClassText<T>& text = run.input.texts[static_cast<std::size_t>(which)];
    MOECLIP_EXPECT(text.normal_count > 0 && text.normal_count < text.encodings.extent(0), "the class \"", text.name,
                   "\" needs sentences for both states; ", text.normal_count, " of ", text.encodings.extent(0),
                   " are normal");
  }
  MOECLIP_EXPECT(adapter.detection.has_value() && !adapter.text.weight.empty(),
                 "a step needs an adapter with a detection head, not packed");
}

/// Anchors of the classes in the batch.
template <class T>
void encode_classes(const StepRun<T>& run) {
  AdapterWorkspace<T>& work = run.work;
  work.class_of.clear();
  std::size_t count = 0;
  for (const index_t which : run.input.batch.classes) {
    std::size_t place = 0;
    while (place < count && work.classes[place].class_index != which) ++place;
    work.class_of.push_back(place);
    if (place < count) continue;
    work.classes.resize(std::max(work.classes.size(), ++count));
    auto& own = work.classes[place];
    own.class_index = which;
    own.anchors.similarity_scale = static_cast<T>(run.model.adapter.config.similarity_scale);
    const ClassText<T>& text = run.input.texts[static_cast<std::size_t>(which)];
    anchors_of_sentences<T>(run.context, run.model.adapter, text.encodings.template view<2>(), text.normal_count,
                            fit(own.z, {text.encodings.extent(0), run.embed()}).template view<2>(),
                            fit(own.anchors.vectors, {2, run.embed()}).template view<2>());
  }
  work.classes.resize(count);
  fit(work.d_anchors, {run.batch(), 2, run.embed()}).fill(T(0));
}

/// The text side backward: pictures of one class share its anchors.
template <class T>
void encode_classes_backward(const StepRun<T>& run) {
  AdapterWorkspace<T>& work = run.work;
  Arena::Scope scratch(run.context.arena());
  const View<T, 2> sum(scratch.take<T>(2 * run.embed()), {2, run.embed()});
  for (std::size_t place = 0; place < work.classes.size(); ++place) {
    std::fill_n(sum.data(), sum.size(), T(0));
    for (index_t b = 0; b < run.batch(); ++b)
      if (work.class_of[static_cast<std::size_t>(b)] == place)
        add_scaled_row<T>(T(1), run.d_anchors_of(b).data(), sum.data(), sum.size());
    const auto& own = work.classes[place];
    const ClassText<T>& text = run.input.texts[static_cast<std::size_t>(own.class_index)];
    anchors_backward<T>(run.context, run.model.adapter,
                        {text.encodings.template view<2>(), text.normal_count, own.z.template view<2>(), sum},
                        run.gradient->values.text);
  }
}

/// The gradient of every picture's anchors, as the golden data has them: (B, C, 2).
template <class T>
void show_d_anchors(const StepRun<T>& run) {
  if (run.input.probe == nullptr) return;
  const index_t batch = run.batch(), embed = run.embed();
  Tensor<T> columns({batch, embed, 2});
  for (index_t b = 0; b < batch; ++b)
    for (index_t c = 0; c < embed; ++c)
      for (index_t side = 0; side < 2; ++side) columns[(b * embed + c) * 2 + side] = run.d_anchors_of(b)(side, c);
  run.input.probe->on_values("grad_text_features", columns.shape(), columns.data());
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1
