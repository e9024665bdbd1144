// SPDX-License-Identifier: MIT
#pragma once
// safetensors files: the header's text and the data; the header's length is made anew.

#include <string_view>

#include "mutate.hpp"

namespace fuzz {

/// Two parts: header and data.
inline Parts safetensors_parts(Input file) {
  if (file.size() < 8) return {};
  const std::uint64_t length = load_le(file, 0, 8);
  if (length > file.size() - 8) return {};
  const Input header = file.subspan(8, length), data = file.subspan(8 + length);
  return {Part(header.begin(), header.end()), Part(data.begin(), data.end())};
}

inline Part safetensors_file(const Parts& parts) {
  Part file;
  append_le(file, parts[0].size(), 8);
  append(file, parts[0]);
  append(file, parts[1]);
  return file;
}

/// Another number instead of one of the header's.
inline void mutate_number(Part& header, Random& random) {
  constexpr std::string_view kNumbers[] = {"0",
                                           "1",
                                           "2",
                                           "3",
                                           "4",
                                           "8",
                                           "16",
                                           "-1",
                                           "4294967296",
                                           "2147483648",
                                           "64",
                                           "1e3",
                                           "0.5",
                                           "1024",
                                           "127",
                                           "128",
                                           "9223372036854775807",
                                           "18446744073709551616"};
  const auto is_digit = [](std::uint8_t c) { return c >= '0' && c <= '9'; };
  const auto from = header.begin() + static_cast<std::ptrdiff_t>(pick(random, header.size() + 1));
  const auto first = std::find_if(from, header.end(), is_digit);
  const auto last = std::find_if_not(first, header.end(), is_digit);
  if (first == header.end()) return mutate_bytes(header);
  const std::string_view number = kNumbers[pick(random, std::size(kNumbers))];
  const auto at = header.erase(first, last);
  header.insert(at, number.begin(), number.end());
}

/// Doubles, or drops, a stretch of the header between two commas.
inline void mutate_member(Part& header, Random& random) {
  const auto from = header.begin() + static_cast<std::ptrdiff_t>(pick(random, header.size() + 1));
  const auto first = std::find(from, header.end(), ',');
  const auto last = first == header.end() ? first : std::find(first + 1, header.end(), ',');
  const Part member(first, last);
  const auto at = header.erase(first, last);
  if (pick(random, 2) == 0) return;
  const auto again = header.insert(at, member.begin(), member.end());
  header.insert(again, member.begin(), member.end());
}

}  // namespace fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  const auto mutate = [](fuzz::Parts& parts, fuzz::Random& random) {
    switch (fuzz::pick(random, 4)) {
      case 0: return fuzz::mutate_number(parts[0], random);
      case 1: return fuzz::mutate_member(parts[0], random);
      case 2: return fuzz::mutate_bytes(parts[0]);
      default: return fuzz::mutate_bytes(parts[1]);
    }
  };
  return fuzz::mutate_structure(data, size, max_size, seed, fuzz::safetensors_parts, fuzz::safetensors_file, mutate);
}
