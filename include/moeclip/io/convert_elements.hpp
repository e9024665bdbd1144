// SPDX-License-Identifier: MIT
#pragma once
// Converts the elements of weight files to the scalars that the library computes in. Stored elements are little endian
// and may lie at any address.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../base/half.hpp"
#include "../base/types.hpp"
#include "bytes.hpp"
#include "dtype.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

template <class T, class Load>
void convert_each(const std::byte* from, index_t size, index_t count, T* to, Load load) {
  for (index_t i = 0; i < count; ++i) to[i] = static_cast<T>(load(from + i * size));
}

}  // namespace detail

/// to[i] = the i-th stored element of `type` at `from`, for `count` elements. T is float or double; f64 and integers
/// round to nearest as a C++ conversion does, booleans become 0 or 1.
template <class T>
void convert_elements(const std::byte* from, DType type, index_t count, T* to) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
  const auto each = [&](index_t size, auto load) { detail::convert_each(from, size, count, to, load); };
  switch (type) {
    case DType::f64: return each(8, [](const std::byte* p) { return std::bit_cast<double>(load_u64le(p)); });
    case DType::f32: return each(4, [](const std::byte* p) { return std::bit_cast<float>(load_u32le(p)); });
    case DType::f16: return each(2, [](const std::byte* p) { return half_to_float(load_u16le(p)); });
    case DType::bf16: return each(2, [](const std::byte* p) { return bfloat16_to_float(load_u16le(p)); });
    case DType::i64: return each(8, [](const std::byte* p) { return static_cast<std::int64_t>(load_u64le(p)); });
    case DType::i32: return each(4, [](const std::byte* p) { return static_cast<std::int32_t>(load_u32le(p)); });
    case DType::i16: return each(2, [](const std::byte* p) { return static_cast<std::int16_t>(load_u16le(p)); });
    case DType::i8: return each(1, [](const std::byte* p) { return std::to_integer<std::int8_t>(*p); });
    case DType::u8: return each(1, [](const std::byte* p) { return std::to_integer<std::uint8_t>(*p); });
    case DType::boolean: return each(1, [](const std::byte* p) { return *p != std::byte{0} ? 1 : 0; });
  }
}

/// True if elements of `type` are laid out in memory as this machine's T, so that they can be used where they lie.
template <class T>
constexpr bool is_stored_as(DType type) {
  if (std::endian::native != std::endian::little) return false;
  return (std::is_same_v<T, float> && type == DType::f32) || (std::is_same_v<T, double> && type == DType::f64);
}

}}  // namespace moeclip::abi_v0_1
