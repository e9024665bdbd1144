// SPDX-License-Identifier: MIT
#pragma once
// Turns a sample into the numbers that a training step sees (METHOD section 7): the picture is resized to S x S
// (bicubic, as in Pillow) and normalised, the mask is resized by the nearest pixel and made 0 or 1.

#include "../image/normalize.hpp"
#include "../image/resize.hpp"
#include "sample.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes `image` (3, S, S) and `mask` (S, S); the mask is zeros for a good sample or one whose mask is not known.
/// Scratch comes from the context's arena.
template <class T>
void prepare_sample(Context& context, const Sample& sample, index_t size, T* image, T* mask);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void prepare_sample(Context& context, const Sample& sample, index_t size, T* image, T* mask) {
  Arena::Scope scratch(context.arena());
  const ImageView picture = sample.picture.view();
  auto* pixels = scratch.take<std::uint8_t>(size * size * picture.channels);
  resize_bicubic(context, picture, size, size, pixels);
  normalize<T>({pixels, size, size, picture.channels, size * picture.channels}, Normalization::clip(), image);
  if (sample.label == 0 || sample.mask.empty()) {
    std::fill_n(mask, size * size, T{0});
    return;
  }
  resize_nearest(context, sample.mask.view(), size, size, pixels);
  std::transform(pixels, pixels + size * size, mask, [](std::uint8_t value) { return value != 0 ? T{1} : T{0}; });
}

MOECLIP_INSTANTIATE(prepare_sample)

}}  // namespace moeclip::abi_v0_1

#endif
