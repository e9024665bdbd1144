// SPDX-License-Identifier: MIT
#pragma once
// From what the lens lets in to the bytes of a picture: focus, the sensor's noise, and, of a camera in the hand, the
// file that it writes. (SYN-11)

#include <vector>

#include "../../image/blur.hpp"
#include "../../image/jpeg.hpp"
#include "camera.hpp"
#include "stage.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

constexpr std::uint8_t to_byte(float v) { return static_cast<std::uint8_t>(clamp01(v) * 255 + 0.5f); }

/// The light on all pixels of a square picture.
class Film {
 public:
  explicit Film(index_t size) : size_(size), light_(static_cast<std::size_t>(3 * size * size)) {}

  void expose(index_t x, index_t y, Color c) {
    light_[place(0, x, y)] = c.r, light_[place(1, x, y)] = c.g, light_[place(2, x, y)] = c.b;
  }
  [[nodiscard]] Color light(index_t x, index_t y) const {
    return {light_[place(0, x, y)], light_[place(1, x, y)], light_[place(2, x, y)]};
  }

  /// Blurs it as a lens does that is out of focus.
  void defocus(float blur) {
    const double sigma = static_cast<double>(blur) * static_cast<double>(size_);
    if (sigma < 0.2) return;  // a neighbour would get 0.000004 of a pixel's light
    const GaussianBlur bell{2 * static_cast<int>(3 * sigma + 1) + 1, sigma};
    std::vector<float> scratch(static_cast<std::size_t>(gaussian_blur_scratch(bell, size_, size_)));
    for (index_t channel = 0; channel < 3; ++channel) {
      const View<float, 2> plane(light_.data() + place(channel, 0, 0), {size_, size_});
      gaussian_blur<float>(bell, plane, plane, scratch.data());
    }
  }

  /// Writes the picture (RGB), noise included.
  void develop(const Stage& stage, const Camera& camera, Image& picture) const {
    for (index_t y = 0; y < size_; ++y)
      for (index_t x = 0; x < size_; ++x) {
        const Color lit = light(x, y);
        const int column = static_cast<int>(x), row = static_cast<int>(y);
        const Color seen =
            camera.is_fixed() ? stage.with_grain(lit, column, row) : camera.sensed(lit, stage.unit_grain(column, row));
        std::uint8_t* out = picture.row(y) + 3 * x;
        out[0] = to_byte(seen.r), out[1] = to_byte(seen.g), out[2] = to_byte(seen.b);
      }
  }

 private:
  [[nodiscard]] std::size_t place(index_t channel, index_t x, index_t y) const {
    return static_cast<std::size_t>((channel * size_ + y) * size_ + x);
  }

  index_t size_;
  std::vector<float> light_;  // (3, size, size)
};

/// What is left of a picture (RGB) that was kept as a JPEG file.
inline Image kept_as_jpeg(const Image& picture, int quality) {
  return decode_jpeg(encode_jpeg(picture.view(), quality), "a drawn picture");
}

}}}  // namespace moeclip::abi_v0_1::synthetic
