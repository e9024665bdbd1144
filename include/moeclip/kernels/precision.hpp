// SPDX-License-Identifier: MIT
#pragma once
// How the numbers of a frozen matrix are held and multiplied.

#include <optional>
#include <string_view>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// Precision of a packed matrix, and of the products with it; sums are always of 32 bits.
enum class Precision {
  f32,   ///< float
  bf16,  ///< bfloat16: half the memory; products of bfloat16 where the machine has them, otherwise of float
  int8,  ///< 8-bit integers, a scale per column of the matrix and per row of what it is multiplied with
};

/// "f32", "bf16" or "int8".
constexpr const char* to_string(Precision precision) {
  switch (precision) {
    case Precision::f32: return "f32";
    case Precision::bf16: return "bf16";
    case Precision::int8: return "int8";
  }
  return "unknown";
}

/// The precision of that name, if there is one.
constexpr std::optional<Precision> find_precision(std::string_view name) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8})
    if (name == to_string(precision)) return precision;
  return std::nullopt;
}

}}}  // namespace moeclip::abi_v0_1::kernels
