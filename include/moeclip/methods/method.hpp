// SPDX-License-Identifier: MIT
#pragma once
// A method is a way to find anomalies with a frozen CLIP, other than MoECLIP's own (anomaly/detector.hpp): what the
// paper compares itself with. Whoever judges pictures asks every method the same; whoever trains one finds its stages,
// its parameters and their gradients here, and needs to know no more of it (fit.hpp).

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../anomaly/detection.hpp"
#include "../anomaly/heads.hpp"
#include "../base/function_ref.hpp"
#include "../clip/clip.hpp"
#include "../io/json_value.hpp"
#include "../io/weight_use.hpp"
#include "../train/adam.hpp"
#include "../train/schedule.hpp"
#include "../train/training_batch.hpp"

namespace moeclip { inline namespace abi_v0_1 {

struct GoodPictures;  // memory/good_pictures.hpp

/// What every method is made with.
struct MethodOptions {
  index_t image_size = 0;    ///< side of the square that the model sees, pixels; 0: the method's own
  std::uint64_t seed = 111;  ///< of first values
  Json settings;             ///< what TrainedMethod::settings gave; null: as the official code has it
};

template <class T>
class TrainedMethod;

/// Immutable while it judges: any number of threads may, each with its own Context.
template <class T>
class Method {
 public:
  virtual ~Method() = default;
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  /// As `--method` has it: "winclip".
  [[nodiscard]] virtual std::string_view name() const = 0;

  [[nodiscard]] const Clip<T>& clip() const { return *clip_; }      ///< frozen
  [[nodiscard]] index_t image_size() const { return image_size_; }  ///< side of the square that is looked at, pixels

  /// This method as one that is trained; null if there is nothing to train.
  virtual TrainedMethod<T>* trained() { return nullptr; }

  /// This method, with the same CLIP, for a part of which good pictures are known (gray or RGB, any size; at least
  /// one); null if it makes nothing of them. MethodKind::takes_good says so beforehand.
  [[nodiscard]] virtual std::unique_ptr<Method<T>> with_good(Context&, const GoodPictures&) const { return nullptr; }

  /// Throws limit if the text tower has no room for what judge says about `words`.
  virtual void expect_words(const std::string& /*words*/) const {}

  /// One normalised picture (1, 3, S, S) of a thing that is called `words` ("metal nut"): the map (S, S), in [0, 1], is
  /// filled, and the score of the picture, in [0, 1], is returned. What is made of the words is kept.
  virtual T judge(Context& context, View<const T, 4> image, const std::string& words, View<T, 2> map) const = 0;

  /// The whole way of a picture (gray or RGB, any size), with `threshold` for its score and its pixels, into `result`,
  /// whose memory is used again. Throws format if the results are no numbers.
  void detect(Context& context, ImageView image, const std::string& words, float threshold, Detection& result) const;

 protected:
  /// Throws contract unless `image_size` is a multiple of the patch size.
  Method(std::shared_ptr<const Clip<T>> clip, index_t image_size);

  /// The CLIP, for another method on it.
  [[nodiscard]] const std::shared_ptr<const Clip<T>>& shared_clip() const { return clip_; }

  /// Positions (1 + g g, D) for the image size.
  [[nodiscard]] const Tensor<T>& positions() const { return positions_; }

 private:
  std::shared_ptr<const Clip<T>> clip_;
  index_t image_size_;
  Tensor<T> positions_;
};

/// A part of a training, which has an optimiser of its own.
struct MethodStage {
  std::string name;                 ///< for people: "text adapter"
  index_t epochs = 1;               ///< as the official code has it
  index_t batch = 1;                ///< pictures per step
  AdamOptions adam = {};            ///< of its parameters
  MultiStepSchedule schedule = {};  ///< of its steps, counted from 0
  double warm_up = 0;               ///< not 0: no milestones, but a rise over this share of the steps and half a cosine
  bool is_augmented = true;         ///< pictures are turned, shifted and flipped

  /// The learning rate of a step, counted from 0, of `steps`.
  [[nodiscard]] double rate_at(index_t step, index_t steps) const {
    if (warm_up <= 0) return schedule.at(step);
    return CosineSchedule{schedule.base, static_cast<index_t>(warm_up * static_cast<double>(steps)), steps}.at(step);
  }
};

/// A batch of a training, with what it belongs to.
template <class T>
struct MethodBatch {
  const TrainingBatch<T>& batch;       ///< `classes` are places in `words`
  std::span<const std::string> words;  ///< what the things in the pictures are called
  index_t stage = 0;                   ///< counted from 0
  index_t step = 0;                    ///< of the stage, counted from 0
  std::uint64_t seed = 0;              ///< of what is drawn in a step, such as samples of prompts
};

/// A method that is trained.
template <class T>
class TrainedMethod : public Method<T> {
 public:
  TrainedMethod<T>* trained() final { return this; }

  /// All switches: with them, the tensors of a file make the same method again (MethodOptions::settings).
  [[nodiscard]] virtual Json settings() const = 0;

  /// The parts of its training, in their order.
  [[nodiscard]] virtual std::vector<MethodStage> stages() const = 0;

  /// What stage `stage` trains. The gradients are those of the last forward_backward.
  [[nodiscard]] virtual std::vector<TrainedParameter<T>> parameters(index_t stage) = 0;

  /// The loss of a batch. The gradients of the stage's parameters are overwritten. The same bits for any number of
  /// threads.
  virtual double forward_backward(Context& context, const MethodBatch<T>& batch) = 0;

  /// Every tensor that a file of this method holds, by its official name where there is one.
  virtual void visit(function_ref<void(const std::string& name, Tensor<T>& tensor)> on_tensor) = 0;

  /// Takes the tensors of `file`: those of a file that this library wrote (method_file.hpp), or, overridden, of the
  /// official code. Throws missing, mismatch.
  virtual void load(const WeightFile& file);

  /// Called when parameters have changed: what was kept of words is made anew.
  virtual void forget_words() = 0;

 protected:
  using Method<T>::Method;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <cmath>
#include <utility>

#include "../anomaly/adapter.hpp"
#include "../anomaly/conclude.hpp"
#include "../image/normalize.hpp"
#include "../image/resize.hpp"
#include "../io/weights.hpp"
#include "../nn/position.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
Method<T>::Method(std::shared_ptr<const Clip<T>> clip, index_t image_size)
    : clip_(std::move(clip)), image_size_(image_size) {
  const VisionConfig& vision = clip_->config().vision;
  expect_whole_patches(vision, image_size);
  positions_ = resize_positions(clip_->vision().positional_embedding, image_size / vision.patch_size);
}

template <class T>
void Method<T>::detect(Context& context, ImageView image, const std::string& words, float threshold,
                       Detection& result) const {
  const FloatScope floats;
  MOECLIP_EXPECT(image.data != nullptr && image.width > 0 && image.height > 0, "an empty picture cannot be examined");
  const index_t size = image_size_;
  if (result.picture.width() != size || result.picture.height() != size) result.picture = Image(size, size, 3);
  result.width = image.width;
  result.height = image.height;
  result.map_kind = MapKind::probability;
  result.threshold = result.pixel_threshold = threshold;
  resize_to_rgb(context, image, result.picture);
  Arena::Scope scratch(context.arena());
  const View<T, 4> normalised(scratch.take<T>(3 * size * size), {1, 3, size, size});
  const View<T, 2> map(scratch.take<T>(size * size), {size, size});
  normalize<T>(result.picture.view(), Normalization::clip(), normalised.data());
  const T score = judge(context, normalised, words, map);
  const bool are_finite =
      std::all_of(map.data(), map.data() + map.size(), [](T value) { return std::isfinite(value); });
  if (!are_finite || !std::isfinite(score)) detail::fail_no_numbers();
  result.score = result.class_score = static_cast<float>(score);
  conclude<T>(context, map, 1, result);
}

template <class T>
void TrainedMethod<T>::load(const WeightFile& file) {
  visit([&](const std::string& name, Tensor<T>& tensor) { take_tensor<T>(file, name, tensor); });
  forget_words();
}

MOECLIP_INSTANTIATE_CLASS(Method)
MOECLIP_INSTANTIATE_CLASS(TrainedMethod)

}}  // namespace moeclip::abi_v0_1

#endif
