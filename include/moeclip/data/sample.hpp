// SPDX-License-Identifier: MIT
#pragma once
// A sample is one picture to learn from or to be judged on, wherever it came from.

#include <string>

#include "../image/image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A picture and what is known about it.
struct Sample {
  Image picture;           ///< RGB, 8 bits
  Image mask;              ///< gray, 0 or 255 where there is a defect; 0x0 if none is known
  int label = 0;           ///< 0 good, 1 defective
  std::string class_name;  ///< readable noun: "circuit board"
  std::string caption;     ///< a sentence about the picture; empty for files
  std::string defect;      ///< kind of defect; empty if good or unknown
  std::string path;        ///< where it came from, for messages
  std::string remark;      ///< why the picture is not whole, although it could be read; mostly empty

  /// Whether pixels can be compared: a good picture needs no mask, a defective one without is judged as a whole only.
  [[nodiscard]] bool has_mask() const { return label == 0 || !mask.empty(); }
};

}}  // namespace moeclip::abi_v0_1
