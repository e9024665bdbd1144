// SPDX-License-Identifier: MIT
#pragma once
// A figure is a picture with words: explanations draw it, and reports show it.

#include <string>

#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A picture with a title and a description.
struct Figure {
  std::string title;        ///< a heading of a few words
  std::string description;  ///< a sentence for those who cannot see the picture
  Image picture;            ///< gray or RGB
};

}}  // namespace moeclip::abi_v0_1
