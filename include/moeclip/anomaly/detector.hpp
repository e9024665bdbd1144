// SPDX-License-Identifier: MIT
#pragma once
// The detector is the whole method behind one call: it takes a picture and gives a score, a verdict, a map and regions.

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../clip/clip.hpp"
#include "adapter.hpp"
#include "anchors.hpp"
#include "conclude.hpp"
#include "detection.hpp"
#include "detector_options.hpp"
#include "features.hpp"
#include "prompts.hpp"
#include "score_map.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a pass keeps for those who ask why (explain/); memory is taken by the first one only.
template <class T>
struct DetectionTrace {
  Tensor<T> pixels;          // (1, 3, S, S), normalised
  Tensor<T> similarities;    // (M, 2, L)
  Tensor<T> embedding;       // (1, C)
  FeatureSaved<T> features;  // as features.blocks.plan says, which is set before the pass
};

/// Immutable after loading: any number of threads may call `detect`, each with its own Context.
template <class T>
class BasicDetector {
 public:
  /// Loads CLIP and adapter (adapter "": plain zero-shot CLIP). Throws Error as Clip::load and load_adapter do. Defined
  /// in anomaly/load_detector.hpp, so that only a program that includes it compiles the readers of weight files.
  static BasicDetector load(const std::string& clip, const std::string& adapter, const DetectorOptions& options = {});

  /// Joins what is already in memory.
  BasicDetector(Clip<T> clip, Adapter<T> adapter, const DetectorOptions& options)
      : BasicDetector(std::make_shared<const Clip<T>>(std::move(clip)), std::move(adapter), options) {}
  /// The same with a CLIP that others use too, such as a training whose adapter is looked at.
  BasicDetector(std::shared_ptr<const Clip<T>> clip, Adapter<T> adapter, const DetectorOptions& options);

  [[nodiscard]] const Clip<T>& clip() const { return *clip_; }               ///< both towers and the tokenizer
  [[nodiscard]] const Adapter<T>& adapter() const { return adapter_; }       ///< plain_adapter's if none was given
  [[nodiscard]] const DetectorOptions& options() const { return options_; }  ///< with the image size that was chosen
  [[nodiscard]] const Tensor<T>& positions() const { return positions_; }    ///< (1 + g g, D) for the image size

  /// Image tower, positions and adapter, for those who run them (features.hpp); valid as long as this detector.
  [[nodiscard]] AdaptedModel<T> model() const { return {clip_->vision(), positions_, adapter_}; }

  /// This detector with other thresholds, of scores and of pixels of the probability map.
  [[nodiscard]] BasicDetector with_thresholds(float image, float pixel) &&;

  /// Anchors of the class called `name` ("metal nut"), made once and kept.
  [[nodiscard]] TextAnchors<T> anchors(const std::string& name) const;

  /// Anchors from sentences of one's own; nothing is kept.
  [[nodiscard]] TextAnchors<T> anchors(const std::string& name, const Prompts& prompts) const;

  /// Looks at one picture (gray or RGB, any size). This form makes its own Context, threads included.
  [[nodiscard]] Detection detect(const Image& image, const TextAnchors<T>& anchors) const;
  [[nodiscard]] Detection detect(Context& context, ImageView image, const TextAnchors<T>& anchors) const;

  /// The same into `result`, whose memory is used again: with one context and one result, the second picture of a size
  /// allocates nothing (but for more regions than there ever were). `trace`, unless it is null, gets the intermediates;
  /// the bits of the result are the same.
  void detect(Context& context, ImageView image, const TextAnchors<T>& anchors, Detection& result,
              DetectionTrace<T>* trace = nullptr) const;

  /// The first half of `detect`, for those who judge features in their own way (memory/): squeezes the picture to the
  /// model's square, which `result` keeps, and hands its features to `sink`. `pixels`,
  /// unless it is null, gets what the model saw, (1, 3, S, S).
  void look(Context& context, ImageView image, Detection& result, const FeatureSink<T>& sink,
            Tensor<T>* pixels = nullptr) const;

 private:
  struct AnchorCache {
    std::mutex mutex;
    std::map<std::string, TextAnchors<T>> anchors;
  };

  /// Gives `result` the sizes it needs, if it has not got them.
  void prepare(ImageView image, Detection& result) const;

  template <int Rank>
  static void keep(View<T, Rank> values, Tensor<T>& tensor) {
    std::copy_n(values.data(), values.size(), detail::fit(tensor, Shape(values.extents())).data());
  }

  /// Throws format if a result is no number.
  static void expect_numbers(View<const T, 3> similarities, T class_value);

  /// Map, score, verdict and regions from similarities (M, 2, L) and class score.
  void judge(Context& context, View<const T, 3> similarities, T class_value, Detection& result) const;

  std::shared_ptr<const Clip<T>> clip_;
  Adapter<T> adapter_;
  DetectorOptions options_;
  Tensor<T> positions_;  // (1 + g g, D) for the image size
  std::unique_ptr<AnchorCache> cache_ = std::make_unique<AnchorCache>();
};

/// The detector for use: in float, which runs the fast kernels.
using Detector = BasicDetector<float>;

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <cmath>

#include "../image/normalize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
BasicDetector<T>::BasicDetector(std::shared_ptr<const Clip<T>> clip, Adapter<T> adapter, const DetectorOptions& options)
    : clip_(std::move(clip)), adapter_(std::move(adapter)), options_(options) {
  const FloatScope floats;
  const VisionConfig& vision = clip_->config().vision;
  if (options_.image_size == 0) options_.image_size = default_image_size(vision, adapter_.detection.has_value());
  expect_whole_patches(vision, options_.image_size);
  positions_ = resize_positions(clip_->vision().positional_embedding, options_.image_size / vision.patch_size);
}

template <class T>
BasicDetector<T> BasicDetector<T>::with_thresholds(float image, float pixel) && {
  options_.threshold = image;
  options_.pixel_threshold = pixel;
  return std::move(*this);
}

template <class T>
TextAnchors<T> BasicDetector<T>::anchors(const std::string& name) const {
  const std::lock_guard lock(cache_->mutex);
  const auto known = cache_->anchors.find(name);
  if (known != cache_->anchors.end()) return known->second;
  return cache_->anchors.emplace(name, anchors(name, make_prompts(name))).first->second;
}

template <class T>
TextAnchors<T> BasicDetector<T>::anchors(const std::string& name, const Prompts& prompts) const {
  const FloatScope floats;
  std::vector<std::string> sentences = prompts.normal;
  sentences.insert(sentences.end(), prompts.abnormal.begin(), prompts.abnormal.end());
  const Tensor<std::int32_t> tokens = clip_->tokenize(sentences, options_.truncate_prompts);
  Context context;
  return anchors_forward<T>(context, clip_->text(), adapter_, {name, tokens.view<2>(), std::ssize(prompts.normal)});
}

template <class T>
Detection BasicDetector<T>::detect(const Image& image, const TextAnchors<T>& anchors) const {
  Context context;
  return detect(context, image.view(), anchors);
}

template <class T>
Detection BasicDetector<T>::detect(Context& context, ImageView image, const TextAnchors<T>& anchors) const {
  Detection result;
  detect(context, image, anchors, result);
  return result;
}

template <class T>
void BasicDetector<T>::detect(Context& context, ImageView image, const TextAnchors<T>& anchors, Detection& result,
                              DetectionTrace<T>* trace) const {
  const FloatScope floats;
  const index_t patches = positions_.extent(0) - 1, maps = adapter_.config.maps();
  Arena::Scope scratch(context.arena());
  const View<T, 3> similarities(scratch.take<T>(maps * 2 * patches), {maps, 2, patches});
  const View<T, 2> embedding(scratch.take<T>(clip_->config().embed), {1, clip_->config().embed});
  const auto on_map = [&](index_t map, View<const T, 2> features) {
    similarities_forward<T>(context, features, anchors, similarities[map]);
  };
  FeatureSink<T> sink{on_map, embedding};
  if (trace != nullptr) sink.saved = &trace->features;
  look(context, image, result, sink, trace != nullptr ? &trace->pixels : nullptr);
  if (trace != nullptr) {
    keep(similarities, trace->similarities);
    keep(embedding, trace->embedding);
  }
  judge(context, similarities, class_score<T>(embedding.data(), anchors), result);
}

template <class T>
void BasicDetector<T>::look(Context& context, ImageView image, Detection& result, const FeatureSink<T>& sink,
                            Tensor<T>* pixels) const {
  const FloatScope floats;
  MOECLIP_EXPECT(image.data != nullptr && image.width > 0 && image.height > 0, "an empty picture cannot be examined");
  const index_t size = options_.image_size;
  prepare(image, result);
  resize_to_rgb(context, image, result.picture);  // as the official code does
  Arena::Scope scratch(context.arena());
  const View<T, 4> normalised(scratch.take<T>(3 * size * size), {1, 3, size, size});
  normalize<T>(result.picture.view(), Normalization::clip(), normalised.data());
  features_forward<T>(context, clip_->vision(), adapter_, positions_, normalised, sink);
  if (pixels != nullptr) keep(normalised, *pixels);
}

template <class T>
void BasicDetector<T>::prepare(ImageView image, Detection& result) const {
  const index_t size = options_.image_size;
  if (result.picture.width() != size || result.picture.height() != size) result.picture = Image(size, size, 3);
  if (!(result.map.shape() == Shape{size, size})) result.map = Tensor<float>({size, size});
  if (options_.makes_both_maps && !(result.reference.shape() == Shape{size, size}))
    result.reference = Tensor<float>({size, size});
  result.width = image.width;
  result.height = image.height;
  result.map_kind = options_.map;
  result.threshold = options_.threshold;
}

template <class T>
void BasicDetector<T>::expect_numbers(View<const T, 3> similarities, T class_value) {
  bool are_finite = std::isfinite(class_value);
  for (index_t i = 0; i < similarities.size(); ++i) are_finite = are_finite && std::isfinite(similarities.data()[i]);
  if (!are_finite) detail::fail_no_numbers();
}

template <class T>
void BasicDetector<T>::judge(Context& context, View<const T, 3> similarities, T class_value, Detection& result) const {
  const index_t size = options_.image_size;
  Arena::Scope scratch(context.arena());
  const View<T, 2> map(scratch.take<T>(size * size), {size, size});
  probability_map<T>(context, similarities, map);
  const T largest = *std::max_element(map.data(), map.data() + map.size());
  expect_numbers(similarities, class_value);
  result.class_score = static_cast<float>(class_value);
  result.score = static_cast<float>(image_score<T>(options_.domain, largest, class_value));
  result.pixel_threshold = options_.pixel_threshold.value_or(options_.threshold);
  if (options_.makes_both_maps) {
    const View<T, 2> other(scratch.take<T>(size * size), {size, size});
    reference_map<T>(context, similarities, options_.domain, other);
    std::transform(other.data(), other.data() + other.size(), result.reference.begin(),
                   [](T value) { return static_cast<float>(value); });
  }
  if (options_.map == MapKind::reference) {
    reference_map<T>(context, similarities, options_.domain, map);
    // each of its maps is 1/2 where both anchors are equally near
    result.pixel_threshold = 0.5f * static_cast<float>(similarities.extent(0));
  }
  conclude<T>(context, map, options_.smallest_region, result);
}

MOECLIP_INSTANTIATE_CLASS(BasicDetector)

}}  // namespace moeclip::abi_v0_1

#endif
