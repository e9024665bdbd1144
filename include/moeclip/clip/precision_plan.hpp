// SPDX-License-Identifier: MIT
#pragma once
// In which precision the matrices of a CLIP's blocks are held (kernels/precision.hpp). All else, norms, embeddings and
// projections, is float, or double, always.

#include <string>
#include <string_view>
#include <vector>

#include "../base/lists.hpp"
#include "../kernels/precision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The precision of each matrix, by its name, such as "visual.transformer.resblocks.3.mlp.c_proj".
struct PrecisionPlan {
  kernels::Precision precision = kernels::Precision::f32;  ///< of the image tower, and no finer in the text tower
  std::vector<std::string> exceptions;                     ///< names of matrices that are bf16 instead of int8

  /// The precision of the matrix called `name`. The text tower, which runs once per class and whose vectors every
  /// picture is compared with, goes no lower than bf16.
  [[nodiscard]] kernels::Precision of(std::string_view name) const {
    if (precision != kernels::Precision::int8) return precision;
    const bool is_spared = lists::any_of(exceptions, [&](const std::string& spared) { return name == spared; });
    return name.starts_with("visual.") && !is_spared ? kernels::Precision::int8 : kernels::Precision::bf16;
  }
};

}}  // namespace moeclip::abi_v0_1
