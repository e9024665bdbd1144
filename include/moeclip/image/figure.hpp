// SPDX-License-Identifier: MIT
#pragma once
// A picture with words: what explanations draw and reports show.

#include <string>

#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

struct Figure {
  std::string title;
  std::string description;  ///< a sentence for those who cannot see the picture
  Image picture;            ///< gray or RGB
};

}}  // namespace moeclip::abi_v0_1
