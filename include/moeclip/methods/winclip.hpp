// SPDX-License-Identifier: MIT
#pragma once
// WinCLIP and WinCLIP+, which train nothing: sentences, windows, and for WinCLIP+ a few good pictures
// (winclip_steps.hpp; WCL-7 in this folder's README).

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "../memory/good_pictures.hpp"
#include "method.hpp"
#include "winclip_prompts.hpp"
#include "winclip_steps.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How WinCLIP looks.
struct WinClipOptions {
  index_t image_size = 0;                    ///< side of the square that the model sees, pixels; 0: the CLIP's own
  double temperature = kWinClipTemperature;  ///< what cosines are divided by before the softmax, above 0
};

/// WinCLIP, or, with good pictures of a part, WinCLIP+.
template <class T>
class WinClip : public Method<T> {
 public:
  /// Throws contract for an image size that is no multiple of the patch size or gives fewer than 3 patches a side.
  explicit WinClip(std::shared_ptr<const Clip<T>> clip, const WinClipOptions& options = {});

  [[nodiscard]] std::string_view name() const override { return "winclip"; }
  [[nodiscard]] const WinClipOptions& options() const { return options_; }  ///< with the image size that was chosen

  /// WinCLIP+. Each good picture takes some 2 (g g D + 2 g g C) numbers of memory. Throws contract if there are none.
  [[nodiscard]] std::unique_ptr<Method<T>> with_good(Context& context, const GoodPictures& good) const override;

  /// k, the good pictures that are known; 0 for WinCLIP.
  [[nodiscard]] index_t good_pictures() const { return references_ ? references_->pictures : 0; }

  /// Anchors of the class called `words`, made once and kept. Where sentences are too long for the text tower, what
  /// they say of the purpose of the picture is cut; throws limit if what it shows does not fit.
  [[nodiscard]] TextAnchors<T> anchors(Context& context, const std::string& words) const;

  void expect_words(const std::string& words) const override;
  T judge(Context& context, View<const T, 4> image, const std::string& words, View<T, 2> map) const override;

 private:
  struct AnchorCache {
    std::mutex mutex;
    std::map<std::string, TextAnchors<T>> anchors;
  };

  /// g, patches along a side.
  [[nodiscard]] index_t grid() const { return this->image_size() / this->clip().config().vision.patch_size; }

  WinClipOptions options_;
  std::optional<WinClipReferences<T>> references_;
  std::shared_ptr<AnchorCache> cache_ = std::make_shared<AnchorCache>();  // of all methods that came from one
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include "../image/normalize.hpp"
#include "../image/resize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline index_t winclip_image_size(index_t wanted, const VisionConfig& vision) {
  return wanted == 0 ? vision.image_size : wanted;
}

/// Token rows of an ensemble.
template <class T>
Tensor<std::int32_t> tokenize_winclip(const Clip<T>& clip, const std::vector<std::string>& sentences) {
  constexpr std::size_t kTemplates = kWinClipTemplates.size();
  std::vector<std::string> without_purpose;
  for (std::size_t i = 0; i < sentences.size(); ++i)
    if (i % kTemplates < kTemplates - kWinClipPurposes) without_purpose.push_back(sentences[i]);
  static_cast<void>(clip.tokenize(without_purpose));  // throws if one of them is too long
  return clip.tokenize(sentences, true);
}

}  // namespace detail

template <class T>
WinClip<T>::WinClip(std::shared_ptr<const Clip<T>> clip, const WinClipOptions& options)
    : Method<T>(clip, detail::winclip_image_size(options.image_size, clip->config().vision)), options_(options) {
  options_.image_size = this->image_size();
  MOECLIP_EXPECT(grid() >= kWinClipSides.back(), "WinCLIP has windows of ", kWinClipSides.back(), " x ",
                 kWinClipSides.back(), " patches, and pictures of ", this->image_size(), " pixels have only ", grid(),
                 " x ", grid(), " patches; give a larger image size");
  MOECLIP_EXPECT(options_.temperature > 0, "a temperature of ", options_.temperature, " is not above 0");
}

template <class T>
std::unique_ptr<Method<T>> WinClip<T>::with_good(Context& context, const GoodPictures& good) const {
  const index_t size = this->image_size();
  Image square(size, size, 3);
  auto pixels = Tensor<T>::uninitialised({1, 3, size, size});
  const auto look = [&](index_t picture, const WinClipFeatures<T>& features) {
    const Image loaded = good.load(picture);
    resize_to_rgb(context, loaded.view(), square);
    normalize<T>(square.view(), Normalization::clip(), pixels.data());
    winclip_features_forward<T>(context, this->clip().vision(), this->positions(),
                                std::as_const(pixels).template view<4>(), features);
  };
  auto method = std::make_unique<WinClip<T>>(this->shared_clip(), options_);
  method->cache_ = cache_;
  method->references_ = winclip_references<T>(context, this->clip().config(), grid(), good.count, look);
  return method;
}

template <class T>
void WinClip<T>::expect_words(const std::string& words) const {
  const Prompts prompts = make_winclip_prompts(words);
  for (const auto* sentences : {&prompts.normal, &prompts.abnormal})
    static_cast<void>(detail::tokenize_winclip(this->clip(), *sentences));
}

template <class T>
TextAnchors<T> WinClip<T>::anchors(Context& context, const std::string& words) const {
  const std::lock_guard lock(cache_->mutex);
  const auto known = cache_->anchors.find(words);
  if (known != cache_->anchors.end()) return known->second;
  Prompts prompts = make_winclip_prompts(words);
  const index_t normal = std::ssize(prompts.normal);
  prompts.normal.insert(prompts.normal.end(), prompts.abnormal.begin(), prompts.abnormal.end());
  const Tensor<std::int32_t> tokens = detail::tokenize_winclip(this->clip(), prompts.normal);
  return cache_->anchors
      .emplace(words, winclip_anchors<T>(context, this->clip().text(), {words, tokens.view<2>(), normal},
                                         options_.temperature))
      .first->second;
}

template <class T>
T WinClip<T>::judge(Context& context, View<const T, 4> image, const std::string& words, View<T, 2> map) const {
  const FloatScope floats;
  const TextAnchors<T> states = anchors(context, words);
  Arena::Scope scratch(context.arena());
  const auto features = WinClipFeatures<T>::take(scratch, this->clip().config(), grid());
  winclip_features_forward<T>(context, this->clip().vision(), this->positions(), image, features);
  return winclip_judge<T>(context, features, states, references_ ? &*references_ : nullptr, map);
}

MOECLIP_INSTANTIATE_CLASS(WinClip)

}}  // namespace moeclip::abi_v0_1

#endif
