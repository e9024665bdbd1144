// SPDX-License-Identifier: MIT
#pragma once
// The element types that weight files store, their sizes and names.

#include <cstdint>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Element type of a stored tensor: f floating point, bf bfloat16, i signed and u unsigned integers, by their bits;
/// `boolean` is a byte, 0 for false.
enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

/// Bytes of one stored element.
constexpr std::uint64_t size_of(DType type) {
  switch (type) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16: return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean: return 1;
  }
  return 1;
}

/// Whether the elements have a fraction.
constexpr bool is_floating(DType type) { return type <= DType::bf16; }

/// "f32", "bf16", "bool" ...
constexpr const char* to_string(DType type) {
  switch (type) {
    case DType::f64: return "f64";
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::i64: return "i64";
    case DType::i32: return "i32";
    case DType::i16: return "i16";
    case DType::i8: return "i8";
    case DType::u8: return "u8";
    case DType::boolean: return "bool";
  }
  return "unknown";
}

}}  // namespace moeclip::abi_v0_1
