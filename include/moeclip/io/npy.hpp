// SPDX-License-Identifier: MIT
#pragma once
// NumPy's .npy files, version 1.0, as `numpy.load` reads them: little endian, in C order.

#include <algorithm>
#include <concepts>
#include <cstring>
#include <type_traits>
#include <vector>

#include "../tensor/shape.hpp"
#include "bytes.hpp"
#include "little_endian.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// NumPy's name of a type: "<f4", "|u1", ...
template <class T>
std::string npy_descr() {
  const char kind = std::is_floating_point_v<T> ? 'f' : std::same_as<T, bool> ? 'b' : std::is_signed_v<T> ? 'i' : 'u';
  return concat(sizeof(T) == 1 ? '|' : '<', kind, sizeof(T));
}

}  // namespace detail

/// The file for the array `data` (row-major, of `shape`; float, double, bool or an integer type).
template <class T>
requires(std::is_arithmetic_v<T>) std::vector<std::byte> encode_npy(const T* data, const Shape& shape) {
  std::string extents;
  for (const index_t extent : shape.extents()) extents += concat(extent, ", ");
  if (shape.rank() > 0) extents.resize(extents.size() - (shape.rank() == 1 ? 1 : 2));  // a tuple of one ends in a comma
  std::string header =
      concat("{'descr': '", detail::npy_descr<T>(), "', 'fortran_order': False, 'shape': (", extents, "), }");
  constexpr std::size_t kPreamble = 10;  // magic, version, header length
  constexpr std::size_t kAlign = 64;     // where the data begin, so that they can be mapped
  const std::size_t start = (kPreamble + header.size() + 1 + kAlign - 1) / kAlign * kAlign;
  header.resize(start - kPreamble - 1, ' ');
  header += '\n';

  const auto size = static_cast<std::size_t>(shape.size());
  std::vector<std::byte> file(start + size * sizeof(T));
  const auto length = static_cast<std::uint16_t>(header.size());
  const unsigned char preamble[kPreamble] = {0x93,
                                             'N',
                                             'U',
                                             'M',
                                             'P',
                                             'Y',
                                             1,
                                             0,
                                             static_cast<unsigned char>(length & 0xFF),
                                             static_cast<unsigned char>(length >> 8)};
  std::memcpy(file.data(), preamble, kPreamble);
  std::memcpy(file.data() + kPreamble, header.data(), header.size());
  const std::vector<std::byte> elements = little_endian_bytes(std::span<const T>(data, size));
  std::copy(elements.begin(), elements.end(), file.begin() + static_cast<std::ptrdiff_t>(start));
  return file;
}

}}  // namespace moeclip::abi_v0_1
