// SPDX-License-Identifier: MIT
#pragma once
// What pictures are compared with: the two directions of the joint space that anchors.hpp makes of sentences.

#include <string>

#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The text anchors of one class, and the factor of the cosines with them.
template <class T>
struct TextAnchors {
  std::string name;             ///< of the class
  Tensor<T> vectors;            ///< (2, C) unit length: row 0 normal, row 1 abnormal
  T similarity_scale = T(100);  ///< AdapterConfig::similarity_scale

  /// The anchor (C) of the normal state.
  [[nodiscard]] const T* normal() const { return vectors.data(); }
  /// The anchor (C) of the abnormal state.
  [[nodiscard]] const T* abnormal() const { return vectors.data() + vectors.extent(1); }
};

}}  // namespace moeclip::abi_v0_1
