// SPDX-License-Identifier: MIT
#pragma once
// Augmentation in training (METHOD section 7) rotates, shifts and flips the normalised picture and its mask together,
// with nearest sampling and zeros (the mean colour) where nothing is. What a transform does equals torchvision's for
// tensors; which ones are drawn is a pure function of (seed, epoch, sample). README.md derives this (AUG-1).

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../base/error.hpp"
#include "../base/rng.hpp"
#include "../base/text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The defaults are the published ones.
struct AugmentOptions {
  double rotation_probability = 0.5;         ///< of a rotation by up to most_degrees
  double most_degrees = 30;                  ///< either way
  double translation_probability = 0.5;      ///< of a shift by up to most_translation
  double most_translation = 0.15;            ///< share of the side
  double horizontal_flip_probability = 0.5;  ///< of left and right changing places
  double vertical_flip_probability = 0.5;    ///< of top and bottom changing places
};

/// What is done to one sample, in this order.
struct Augmentation {
  double degrees = 0;                    ///< positive: counter-clockwise, about the middle of the picture
  index_t shift_x = 0;                   ///< pixels to the right
  index_t shift_y = 0;                   ///< pixels down
  bool is_flipped_horizontally = false;  ///< left and right change places
  bool is_flipped_vertically = false;    ///< top and bottom change places

  /// Whether the sample stays as it is.
  [[nodiscard]] bool is_identity() const {
    return degrees == 0 && shift_x == 0 && shift_y == 0 && !is_flipped_horizontally && !is_flipped_vertically;
  }
};

/// Draws what happens to sample `sample` of an epoch, in pictures of width x height.
Augmentation draw_augmentation(const AugmentOptions& options, const Rng& epoch_rng, index_t sample, index_t width,
                               index_t height);

/// The random numbers of all augmentations of an epoch.
Rng augmentation_rng(std::uint64_t seed, index_t epoch);

/// For each pixel of the augmented picture the index of the pixel that it shows, -1 for none. The three steps are one
/// look-up: flips and shifts move whole pixels, so only the rotation samples.
void augmentation_sources(const Augmentation& augmentation, index_t width, index_t height, index_t* sources);

/// Moves `channels` planes of `pixels` elements: out(i) = in(sources(i)), or 0. `out` does not overlap `in`.
template <class T>
void move_pixels(const index_t* sources, index_t pixels, index_t channels, const T* in, T* out) {
  for (index_t channel = 0; channel < channels; ++channel, in += pixels)
    for (index_t i = 0; i < pixels; ++i) *out++ = sources[i] < 0 ? T{0} : in[sources[i]];
}

/// Applies `augmentation` to an image (3, S, S), normalised, and its mask (S, S), in place.
template <class T>
void augment(const Augmentation& augmentation, index_t size, T* image, T* mask) {
  if (augmentation.is_identity()) return;
  const index_t pixels = size * size;
  std::vector<index_t> sources(static_cast<std::size_t>(pixels));
  augmentation_sources(augmentation, size, size, sources.data());
  std::vector<T> before(image, image + 3 * pixels);
  move_pixels(sources.data(), pixels, 3, before.data(), image);
  std::copy_n(mask, pixels, before.data());
  move_pixels(sources.data(), pixels, 1, before.data(), mask);
}

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Augmentation draw_augmentation(const AugmentOptions& options, const Rng& epoch_rng, index_t sample,
                                            index_t width, index_t height) {
  constexpr index_t kDraws = 8;
  index_t next = sample * kDraws;
  const auto unit = [&] { return epoch_rng.unit(next++); };
  const auto shift = [&](index_t side) {
    return static_cast<index_t>(
        std::nearbyint((2 * unit() - 1) * options.most_translation * static_cast<double>(side)));
  };
  Augmentation augmentation;
  const double turn = (2 * unit() - 1) * options.most_degrees;
  if (unit() < options.rotation_probability) augmentation.degrees = turn;
  const index_t right = shift(width), down = shift(height);
  if (unit() < options.translation_probability) augmentation.shift_x = right, augmentation.shift_y = down;
  augmentation.is_flipped_horizontally = unit() < options.horizontal_flip_probability;
  augmentation.is_flipped_vertically = unit() < options.vertical_flip_probability;
  return augmentation;
}

MOECLIP_FUNC Rng augmentation_rng(std::uint64_t seed, index_t epoch) { return Rng(seed, concat("augment ", epoch)); }

namespace detail {

/// Where the pixels of a rotated picture come from, in the float arithmetic of torchvision: a grid of positions from -1
/// to 1 made of the inverse rotation, rounded to the nearest pixel centre, half to even. (AUG-1)
class RotationSource {
 public:
  RotationSource(double degrees, index_t width, index_t height)
      : width_(static_cast<float>(width)), height_(static_cast<float>(height)) {
    const double angle = -degrees * (3.14159265358979323846 / 180);
    const auto cosine = static_cast<float>(std::cos(angle)), sine = static_cast<float>(std::sin(angle));
    xx_ = cosine / (0.5f * width_), xy_ = sine / (0.5f * width_);
    yx_ = -sine / (0.5f * height_), yy_ = cosine / (0.5f * height_);
  }

  /// Index of the source of (x, y), or -1 if it lies outside.
  [[nodiscard]] index_t at(index_t x, index_t y) const {
    const float across = static_cast<float>(x) + 0.5f - 0.5f * width_,
                down = static_cast<float>(y) + 0.5f - 0.5f * height_;
    const float u = std::fma(down, xy_, rounded(across * xx_)), v = std::fma(down, yy_, rounded(across * yx_));
    const float column = std::nearbyint((rounded((u + 1) * width_) - 1) / 2);
    const float row = std::nearbyint((rounded((v + 1) * height_) - 1) / 2);
    if (!(column >= 0 && column < width_ && row >= 0 && row < height_)) return -1;
    return static_cast<index_t>(row) * static_cast<index_t>(width_) + static_cast<index_t>(column);
  }

 private:
  /// A product that is rounded before it is used: keeps compilers from fusing it, which would move pixels.
  static float rounded(float product) {
    volatile float kept = product;
    return kept;
  }

  float width_, height_, xx_, xy_, yx_, yy_;
};

}  // namespace detail

MOECLIP_FUNC void augmentation_sources(const Augmentation& augmentation, index_t width, index_t height,
                                       index_t* sources) {
  MOECLIP_EXPECT(width > 0 && height > 0 && width < (1 << 20) && height < (1 << 20), "a picture of ", width, "x",
                 height, " cannot be augmented");
  const detail::RotationSource rotation(augmentation.degrees, width, height);
  for (index_t y = 0; y < height; ++y) {
    const index_t moved_y = (augmentation.is_flipped_vertically ? height - 1 - y : y) - augmentation.shift_y;
    for (index_t x = 0; x < width; ++x) {
      const index_t moved_x = (augmentation.is_flipped_horizontally ? width - 1 - x : x) - augmentation.shift_x;
      const bool is_inside = moved_x >= 0 && moved_x < width && moved_y >= 0 && moved_y < height;
      if (!is_inside)
        *sources++ = -1;
      else
        *sources++ = augmentation.degrees == 0 ? moved_y * width + moved_x : rotation.at(moved_x, moved_y);
    }
  }
}

}}  // namespace moeclip::abi_v0_1

#endif
