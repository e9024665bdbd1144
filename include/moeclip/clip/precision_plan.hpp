// SPDX-License-Identifier: MIT
#pragma once
// In which precision the matrices of a CLIP's blocks are held (kernels/precision.hpp). All else, norms, embeddings and
// projections, is float, or double, always.

#include <map>
#include <string>
#include <string_view>

#include "../kernels/precision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The precision of each matrix, by its name, such as "visual.transformer.resblocks.3.mlp.c_proj".
struct PrecisionPlan {
  kernels::Precision precision = kernels::Precision::f32;                  ///< of those that are no exceptions
  std::map<std::string, kernels::Precision, std::less<>> exceptions = {};  ///< by name

  /// The precision of the matrix called `name`. The text tower, which runs once per class and whose vectors every
  /// picture is compared with, goes no lower than bf16.
  [[nodiscard]] kernels::Precision of(std::string_view name) const {
    if (const auto exception = exceptions.find(name); exception != exceptions.end()) return exception->second;
    const bool is_spared = precision == kernels::Precision::int8 && !name.starts_with("visual.");
    return is_spared ? kernels::Precision::bf16 : precision;
  }
};

}}  // namespace moeclip::abi_v0_1
