// SPDX-License-Identifier: MIT
#pragma once
// UTF-8 (RFC 3629), one character at a time, without the overlong forms, surrogates and values above U+10FFFF that the
// standard forbids.

#include <cstdint>
#include <string>
#include <string_view>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Bytes of the UTF-8 character that `text` begins with, 1 to 4; 0 if it begins with none (or is empty).
std::size_t utf8_length(std::string_view text);

/// Whether half of a surrogate pair stands in `text`, in the three bytes that append_utf8 makes of it. The rest of
/// `text` is UTF-8.
bool has_surrogate(std::string_view text);

/// Appends the character `code` (below 0x110000) to `out`. A surrogate is none: has_surrogate finds it again.
void append_utf8(std::string& out, std::uint32_t code);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return text.empty() ? 0 : 1;
  if (lead < 0xC2) return 0;  // a continuation, or an overlong form of ASCII
  if (lead < 0xE0) return follows(1) ? 2 : 0;
  if (lead < 0xF0) return follows(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  if (lead > 0xF4) return 0;
  return follows(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
}

MOECLIP_FUNC bool has_surrogate(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('\xED', at)) != text.npos; ++at)
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xA0) return true;
  return false;
}

MOECLIP_FUNC void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

}}  // namespace moeclip::abi_v0_1

#endif
