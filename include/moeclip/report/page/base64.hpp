// SPDX-License-Identifier: MIT
#pragma once
// Base64 (RFC 4648, section 4): bytes as text, for pictures inside of a page.

#include <string>

#include "../../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Appends `bytes` as base64, four letters for each three bytes; what is missing in the last group is filled with '='.
inline void append_base64(std::string& out, Bytes bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](std::size_t i) { return i < bytes.size() ? std::to_integer<unsigned>(bytes[i]) : 0u; };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const unsigned group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out += kLetters[group >> 18];
    out += kLetters[group >> 12 & 63];
    out += i + 1 < bytes.size() ? kLetters[group >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? kLetters[group & 63] : '=';
  }
}

inline std::string base64(Bytes bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  append_base64(out, bytes);
  return out;
}

}}  // namespace moeclip::abi_v0_1
