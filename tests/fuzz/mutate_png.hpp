// SPDX-License-Identifier: MIT
#pragma once
// PNG files chunk by chunk; lengths and checksums are made anew.

#include <moeclip/io/checksum.hpp>

#include "mutate.hpp"

namespace fuzz {

inline constexpr std::uint8_t kPngStart[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/// Each part is a chunk's name and data.
inline Parts png_parts(Input file) {
  Parts parts;
  if (file.size() < 8 || !std::equal(std::begin(kPngStart), std::end(kPngStart), file.begin())) return {};
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::size_t length = std::min<std::size_t>(load_be(file, at, 4), file.size() - at - 12);
    const Input chunk = file.subspan(at + 4, 4 + length);
    parts.emplace_back(chunk.begin(), chunk.end());
    at += 12 + length;
  }
  return parts;
}

inline Part png_file(const Parts& parts) {
  Part file(std::begin(kPngStart), std::end(kPngStart));
  for (Part chunk : parts) {
    chunk.resize(std::max<std::size_t>(4, chunk.size()));
    append_be(file, chunk.size() - 4, 4);
    append(file, chunk);
    append_be(file, moeclip::crc32(std::as_bytes(std::span(chunk))), 4);
  }
  return file;
}

}  // namespace fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  const auto mutate = [](fuzz::Parts& parts, fuzz::Random& random) {
    if (fuzz::pick(random, 2) == 0) return fuzz::mutate_parts(parts, random);
    fuzz::mutate_bytes(parts[fuzz::pick(random, parts.size())], 4);  // the name stays
  };
  return fuzz::mutate_structure(data, size, max_size, seed, fuzz::png_parts, fuzz::png_file, mutate);
}
