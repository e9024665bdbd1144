// SPDX-License-Identifier: MIT
#pragma once
// Prepares pictures as CLIP was trained on them: the shorter side is resized to S (bicubic, as in Pillow), the middle S
// x S is cut out, and the bytes are normalised. The detector does not use this: the official code squeezes the whole
// picture to S x S.

#include "../image/resize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes the (3, size, size) input of the image tower for `image` to `out`.
template <class T>
void preprocess_clip(Context& context, ImageView image, index_t size, T* out);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <algorithm>
#include <cmath>
#include "../image/normalize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void preprocess_clip(Context& context, ImageView image, index_t size, T* out) {
  MOECLIP_EXPECT(image.width > 0 && image.height > 0 && size > 0, "an empty picture cannot be encoded");
  const index_t shorter = (std::min)(image.width, image.height);
  const auto scaled = [&](index_t side) { return side == shorter ? size : size * side / shorter; };
  const index_t width = scaled(image.width), height = scaled(image.height);
  Arena::Scope scratch(context.arena());
  auto* pixels = scratch.take<std::uint8_t>(width * height * image.channels);
  resize_bicubic(context, image, width, height, pixels);
  const auto margin = [&](index_t side) {  // torchvision's CenterCrop: half to even
    return static_cast<index_t>(std::nearbyint(static_cast<double>(side - size) / 2));
  };
  const ImageView middle{pixels + (margin(height) * width + margin(width)) * image.channels, size, size, image.channels,
                         width * image.channels};
  normalize<T>(middle, Normalization::clip(), out);
}

MOECLIP_INSTANTIATE(preprocess_clip)

}}  // namespace moeclip::abi_v0_1

#endif
