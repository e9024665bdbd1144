// SPDX-License-Identifier: MIT
#pragma once
// The options that every command has that reads pictures: how a file becomes pixels where there is a choice.

#include <moeclip/image/image_options.hpp>

#include "options.hpp"

namespace cli {

struct PictureOptions {
  bool use_exif = false, clips_gray = false;

  void declare(Options& options) {
    options.flag("exif", use_exif, "turn pictures upright as their EXIF orientation says, and their masks with them");
    options.flag("pillow-gray", clips_gray,
                 "clip 16-bit gray at 255, as Pillow does and so the official code, instead of scaling it to 8 bits");
  }

  [[nodiscard]] bool is_given() const { return use_exif || clips_gray; }

  /// What was given on top of `images`.
  [[nodiscard]] moeclip::ImageOptions image_options(moeclip::ImageOptions images = {}) const {
    if (use_exif) images.apply_exif_orientation = true;
    if (clips_gray) images.deep_gray = moeclip::DeepGray::clipped;
    return images;
  }
};

}  // namespace cli
