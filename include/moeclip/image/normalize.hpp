// SPDX-License-Identifier: MIT
#pragma once
// Turns bytes into the numbers that the model sees: planes of (x/255 - mean) / std, in the order and precision of
// torchvision's ToTensor and Normalize. A byte has 256 values, so each channel is a table.

#include <array>
#include <cstdint>

#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Mean and standard deviation per channel (R, G, B) of pixels scaled to [0, 1].
struct Normalization {
  std::array<double, 3> mean{0.0, 0.0, 0.0};  ///< subtracted from a channel
  std::array<double, 3> std{1.0, 1.0, 1.0};   ///< what a channel is divided by after that

  /// The constants of OpenAI's CLIP.
  static constexpr Normalization clip() {
    return {{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}};
  }
};

/// out(c, y, x) = (in(y, x, c) / 255 - mean(c)) / std(c), each operation rounded to T; a gray image counts as three
/// equal channels. `out` holds 3 * height * width elements.
template <class T>
void normalize(ImageView in, const Normalization& norm, T* out) {
  MOECLIP_EXPECT(in.channels == 1 || in.channels == 3, "an image has 1 or 3 channels, not ", in.channels);
  for (std::size_t c = 0; c < 3; ++c) {
    std::array<T, 256> table{};
    for (std::size_t value = 0; value < table.size(); ++value)
      table[value] = (static_cast<T>(value) / T{255} - static_cast<T>(norm.mean[c])) / static_cast<T>(norm.std[c]);
    const index_t offset = in.channels == 3 ? static_cast<index_t>(c) : 0;
    for (index_t y = 0; y < in.height; ++y) {
      const std::uint8_t* pixel = in.row(y) + offset;
      for (index_t x = 0; x < in.width; ++x, pixel += in.channels) *out++ = table[*pixel];
    }
  }
}

}}  // namespace moeclip::abi_v0_1
