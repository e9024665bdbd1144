// SPDX-License-Identifier: MIT
#pragma once
// JPEG files segment by segment; lengths are made anew, coded data stay between markers.

#include "mutate.hpp"

namespace fuzz {

inline bool is_marker_alone(std::uint8_t marker) { return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd9); }

/// Each part is a marker's second byte and what follows the length; 0 and coded data, restart markers included.
inline Parts jpeg_parts(Input file) {
  Parts parts;
  if (file.size() < 4 || file[0] != 0xff || file[1] != 0xd8) return {};
  std::size_t at = 0;
  while (at + 2 <= file.size()) {
    if (file[at] != 0xff || file[at + 1] == 0 || (file[at + 1] & 0xf8) == 0xd0) {  // coded data
      std::size_t end = at;
      while (end < file.size() && (file[end] != 0xff || end + 1 == file.size() || file[end + 1] == 0 ||
                                   file[end + 1] == 0xff || (file[end + 1] & 0xf8) == 0xd0))
        ++end;
      if (end == at) ++end;
      Part& data = parts.emplace_back(1, std::uint8_t{0});
      append(data, file.subspan(at, end - at));
      at = end;
      continue;
    }
    Part& segment = parts.emplace_back(1, file[at + 1]);
    at += 2;
    if (is_marker_alone(segment[0]) || at + 2 > file.size()) continue;
    const std::size_t length = std::clamp<std::size_t>(load_be(file, at, 2), 2, file.size() - at);
    append(segment, file.subspan(at + 2, length - 2));
    at += length;
  }
  return parts;
}

inline Part jpeg_file(const Parts& parts) {
  Part file;
  for (const Part& part : parts) {
    if (part.empty()) continue;
    const Input data = Input(part).subspan(1);
    if (part[0] != 0) {
      file.push_back(0xff);
      file.push_back(part[0]);
      if (is_marker_alone(part[0])) continue;
      append_be(file, data.size() + 2, 2);
    }
    append(file, data);
  }
  return file;
}

}  // namespace fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  const auto mutate = [](fuzz::Parts& parts, fuzz::Random& random) {
    constexpr std::uint8_t kMarkers[] = {0xc0, 0xc1, 0xc2, 0xc4, 0xda, 0xdb, 0xdd, 0xe0, 0xe1, 0xee, 0xd9};
    fuzz::Part& part = parts[fuzz::pick(random, parts.size())];
    switch (fuzz::pick(random, 4)) {
      case 0: return fuzz::mutate_parts(parts, random);
      case 1:
        part.resize(std::max<std::size_t>(1, part.size()));
        part[0] = kMarkers[fuzz::pick(random, 11)];
        return;
      default: return fuzz::mutate_bytes(part, 1);
    }
  };
  return fuzz::mutate_structure(data, size, max_size, seed, fuzz::jpeg_parts, fuzz::jpeg_file, mutate);
}
