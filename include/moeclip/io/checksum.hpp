// SPDX-License-Identifier: MIT
#pragma once
// The two checksums that go with deflate: CRC-32 (gzip, zip, PNG; polynomial 0x04C11DB7, bits reversed) and Adler-32
// (zlib streams, RFC 1950).

#include "bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// CRC-32 of `bytes`. `seed` is the CRC of what came before them, so that crc32(b, crc32(a)) is the CRC of a then b.
std::uint32_t crc32(Bytes bytes, std::uint32_t seed = 0);

/// CRC-32 of a then b, of which the checksums and the length of b in bytes are given: pieces may be looked at side by
/// side.
std::uint32_t crc32_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b);

/// What stands in a file of ours for its own checksum, while that is computed or where it is not known.
inline constexpr std::string_view kNoChecksum = "00000000";

/// Eight hexadecimal digits. A checksum of 0 is written as 1, since zeros say that there is none.
std::string checksum_text(std::uint32_t crc);

/// Adler-32 of `bytes`: the sum of the bytes plus one, and the sum of those sums, each modulo 65521.
std::uint32_t adler32(Bytes bytes);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <array>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

/// tables[k][b]: what byte b does to the remainder once k more bytes have followed it.
constexpr CrcTables make_crc_tables() {
  CrcTables tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t remainder = b;
    for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0xEDB88320u : 0u);
    tables[0][b] = remainder;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t b = 0; b < 256; ++b) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xFF];
  return tables;
}

inline constexpr CrcTables kCrcTables = make_crc_tables();

/// Product of two polynomials modulo the one of CRC-32, all with their bits reversed: the highest bit is x^0.
constexpr std::uint32_t multiply_modulo_crc(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    if ((a >> 31) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? 0xEDB88320u : 0u);
  }
  return product;
}

}  // namespace detail

MOECLIP_FUNC std::uint32_t crc32_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b) {
  std::uint32_t power = 0x00800000u;  // x^8, then its squares
  for (; length_b != 0; length_b >>= 1) {
    if ((length_b & 1) != 0) crc_a = detail::multiply_modulo_crc(crc_a, power);
    power = detail::multiply_modulo_crc(power, power);
  }
  return crc_a ^ crc_b;
}

MOECLIP_FUNC std::uint32_t crc32(Bytes bytes, std::uint32_t seed) {
  const auto& tables = detail::kCrcTables;
  std::uint32_t crc = ~seed;
  const std::byte* p = bytes.data();
  std::size_t left = bytes.size();
  // Eight bytes at a time: their contributions do not depend on each other, so the look-ups overlap.
  for (; left >= 8; p += 8, left -= 8) {
    const std::uint32_t low = load_u32le(p) ^ crc;
    const std::uint32_t high = load_u32le(p + 4);
    crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24] ^
          tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^ tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
  }
  for (; left > 0; ++p, --left) crc = (crc >> 8) ^ tables[0][(crc ^ std::to_integer<std::uint32_t>(*p)) & 0xFF];
  return ~crc;
}

MOECLIP_FUNC std::string checksum_text(std::uint32_t crc) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  if (crc == 0) crc = 1;
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[crc >> shift & 15u];
  return text;
}

MOECLIP_FUNC std::uint32_t adler32(Bytes bytes) {
  constexpr std::uint32_t kModulus = 65521;
  constexpr std::size_t kStretch = 5552;  // the longest for which the second sum cannot overflow 32 bits
  std::uint32_t sum = 1;
  std::uint32_t sum_of_sums = 0;
  while (!bytes.empty()) {
    const Bytes stretch = bytes.first(bytes.size() < kStretch ? bytes.size() : kStretch);
    for (const std::byte byte : stretch) {
      sum += std::to_integer<std::uint32_t>(byte);
      sum_of_sums += sum;
    }
    sum %= kModulus;
    sum_of_sums %= kModulus;
    bytes = bytes.subspan(stretch.size());
  }
  return sum_of_sums << 16 | sum;
}

}}  // namespace moeclip::abi_v0_1

#endif
