// SPDX-License-Identifier: MIT
#pragma once
// Clip is a whole CLIP, loaded and packed, which turns pictures and sentences into vectors of one space.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../base/lists.hpp"
#include "precision_plan.hpp"
#include "preprocess.hpp"
#include "text.hpp"
#include "tokenizer.hpp"
#include "vision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How a CLIP is loaded.
struct ClipOptions {
  std::optional<kernels::Activation> activation;  ///< instead of the model's own
  std::string vocabulary;  ///< tokenizer file; "": the one in the weights or their folder, else the standard one
  int threads = 0;         ///< for loading; 0: one per core
  std::optional<PrecisionPlan> precision = {};  ///< of the blocks; unset: f32, or as the file was quantized
};

/// Immutable after loading: any number of threads may use one, each with its own Context.
template <class T>
class Clip {
 public:
  /// Loads the CLIP at `path`: OpenAI's .pt, open_clip's or Hugging Face's weights, or a folder of them. Throws Error
  /// as open_clip does. A missing tokenizer is an error only when it is needed. Defined in clip/load_clip.hpp, so that
  /// only a program that includes it compiles the readers of weight files.
  static Clip load(const std::string& path, const ClipOptions& options = {});

  /// Joins towers that are already in memory.
  Clip(const ClipConfig& config, VisionTower<T> vision, TextTower<T> text, std::string vocabulary = {});
  /// An image tower without a text tower: sentences are encoded elsewhere, and tokenize() throws missing.
  Clip(const ClipConfig& config, VisionTower<T> vision) : Clip(config, std::move(vision), {}) {}

  [[nodiscard]] const ClipConfig& config() const { return config_; }      ///< sizes, and the activation in use
  [[nodiscard]] const VisionTower<T>& vision() const { return vision_; }  ///< the image tower
  [[nodiscard]] const TextTower<T>& text() const { return text_; }        ///< the text tower
  [[nodiscard]] double logit_scale() const { return logit_scale_; }  ///< factor of the cosines; 100 in OpenAI's models
  /// Tensors of its file that nothing uses, but for an optimiser's state.
  [[nodiscard]] const std::vector<std::string>& unused_tensors() const { return unused_; }

  /// Opened when it is first asked for. Throws missing, with the places where it was looked for, if there is none.
  [[nodiscard]] const Tokenizer& tokenizer() const;

  /// Unit vector (C) of a picture.
  [[nodiscard]] Tensor<T> encode_image(const Image& image) const;
  [[nodiscard]] Tensor<T> encode_image(Context& context, ImageView image) const;

  /// Unit vectors (N, C) of sentences.
  [[nodiscard]] Tensor<T> encode_text(const std::vector<std::string>& sentences) const;
  [[nodiscard]] Tensor<T> encode_text(Context& context, const std::vector<std::string>& sentences) const;

  /// Token rows (N, S) of sentences. Throws mismatch if the tokenizer is not this model's, and limit for a sentence
  /// that does not fit, unless it may be truncated.
  [[nodiscard]] Tensor<std::int32_t> tokenize(const std::vector<std::string>& sentences, bool truncate = false) const;

 private:
  struct LazyTokenizer {
    std::mutex mutex;
    std::optional<Tokenizer> tokenizer;
  };

  ClipConfig config_;
  VisionTower<T> vision_;
  TextTower<T> text_;
  double logit_scale_ = 100;
  std::string vocabulary_;
  bool has_own_merges_ = false;  // vocabulary_ is the weight file itself
  std::vector<std::string> unused_;
  std::unique_ptr<LazyTokenizer> lazy_ = std::make_unique<LazyTokenizer>();
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <mutex>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
Clip<T>::Clip(const ClipConfig& config, VisionTower<T> vision, TextTower<T> text, std::string vocabulary)
    : config_(config), vision_(std::move(vision)), text_(std::move(text)), vocabulary_(std::move(vocabulary)) {}

template <class T>
const Tokenizer& Clip<T>::tokenizer() const {
  // Not call_once: glibc ends the program if an exception leaves it while there is no memory.
  const std::lock_guard lock(lazy_->mutex);
  if (!lazy_->tokenizer)
    lazy_->tokenizer.emplace(has_own_merges_ ? Tokenizer(detail::read_inner_vocabulary(vocabulary_))
                                             : Tokenizer::open(vocabulary_.empty() ? find_vocabulary() : vocabulary_));
  return *lazy_->tokenizer;
}

template <class T>
Tensor<T> Clip<T>::encode_image(const Image& image) const {
  Context context;
  return encode_image(context, image.view());
}

template <class T>
Tensor<T> Clip<T>::encode_image(Context& context, ImageView image) const {
  const FloatScope floats;
  const index_t size = config_.vision.image_size;
  Tensor<T> pixels({1, 3, size, size}), vector({config_.embed});
  preprocess_clip<T>(context, image, size, pixels.data());
  const View<T, 2> out(vector.data(), {1, config_.embed});
  encode_image_forward<T>(context, vision_, std::as_const(pixels).template view<4>(), vision_.positional_embedding,
                          out);
  kernels::normalize_rows<T>(context, 1, config_.embed, vector.data(), config_.embed, T(1e-12));
  return vector;
}

template <class T>
Tensor<T> Clip<T>::encode_text(const std::vector<std::string>& sentences) const {
  Context context;
  return encode_text(context, sentences);
}

template <class T>
Tensor<T> Clip<T>::encode_text(Context& context, const std::vector<std::string>& sentences) const {
  const FloatScope floats;
  const Tensor<std::int32_t> tokens = tokenize(sentences);
  Tensor<T> vectors({std::ssize(sentences), config_.embed});
  encode_text_forward<T>(context, text_, tokens.view<2>(), vectors.template view<2>());
  kernels::normalize_rows<T>(context, vectors.extent(0), config_.embed, vectors.data(), config_.embed, T(1e-12));
  return vectors;
}

template <class T>
Tensor<std::int32_t> Clip<T>::tokenize(const std::vector<std::string>& sentences, bool truncate) const {
  if (text_.transformer.blocks.empty())
    fail(ErrorCode::missing,
         "this model has no text tower: it knows the words that were encoded before, and no others can be");
  if (tokenizer().vocabulary_size() != config_.text.vocabulary)
    fail(ErrorCode::mismatch, concat("the tokenizer has ", counted(tokenizer().vocabulary_size(), "token"),
                                     ", but the model's text tower has ", config_.text.vocabulary,
                                     "; give the model's own vocabulary: --vocab, ClipOptions::vocabulary"));
  const index_t length = config_.text.context_length;
  Tensor<std::int32_t> tokens({std::ssize(sentences), length});
  index_t row = 0;
  for (const std::string& sentence : sentences) {
    const auto ids = tokenizer().encode_padded(sentence, length, truncate);
    lists::copy(ids, tokens.data() + length * row++);
  }
  return tokens;
}

MOECLIP_INSTANTIATE_CLASS(Clip)

}}  // namespace moeclip::abi_v0_1

#endif
