// SPDX-License-Identifier: MIT
#pragma once
// Numbers as all files of this library store them, the byte of least weight first: the way back is load_u32le and its
// like (bytes.hpp), and convert_elements.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Whether numbers of type T lie in memory as files store them.
template <class T>
inline constexpr bool kIsStoredAsInMemory = sizeof(T) == 1 || std::endian::native == std::endian::little;

/// The bytes of `values` as files store them.
template <class T>
std::vector<std::byte> little_endian_bytes(std::span<const T> values) {
  static_assert(std::is_arithmetic_v<T>);
  const Bytes bytes = std::as_bytes(values);
  std::vector<std::byte> stored(bytes.begin(), bytes.end());
  if constexpr (!kIsStoredAsInMemory<T>)
    for (auto number = stored.begin(); number != stored.end(); number += sizeof(T))
      std::reverse(number, number + sizeof(T));
  return stored;
}

}}  // namespace moeclip::abi_v0_1
