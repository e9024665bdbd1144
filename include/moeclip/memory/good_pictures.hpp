// SPDX-License-Identifier: MIT
#pragma once
// Pictures that are known to be good, for whoever learns what good ones look like.

#include "../base/function_ref.hpp"
#include "../image/image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Pictures that are known to be good. Each may be loaded more than once.
struct GoodPictures {
  index_t count = 0;                  ///< at least 1
  function_ref<Image(index_t)> load;  ///< picture i, gray or RGB, any size
};

}}  // namespace moeclip::abi_v0_1
