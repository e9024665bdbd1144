// SPDX-License-Identifier: MIT
#pragma once
// The kinds of pictures that are scored in different ways, and the score of each (SCO-1 in this folder's README).

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The two kinds of pictures that the released code treats differently.
enum class Domain { industrial, medical };

/// Image score from the largest pixel and the class score: industrial pictures use both halves, medical the pixel.
template <class T>
T image_score(Domain domain, T largest_pixel, T class_value);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
T image_score(Domain domain, T largest_pixel, T class_value) {
  return domain == Domain::industrial ? T(0.5) * largest_pixel + T(0.5) * class_value : largest_pixel;
}

MOECLIP_INSTANTIATE(image_score)

}}  // namespace moeclip::abi_v0_1

#endif
