// SPDX-License-Identifier: MIT
#pragma once
// Mutation of inputs that have a structure. A format says how its bytes fall into parts and how parts become bytes
// again, with lengths and checksums as they must be; parts are then changed, doubled, dropped, swapped and taken over,
// so that what lies behind the checks of a reader is reached. Bytes that are no such file are mutated as bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace fuzz {

using Part = std::vector<std::uint8_t>;
using Parts = std::vector<Part>;
using Input = std::span<const std::uint8_t>;
using Random = std::minstd_rand;

/// A number in [0, count).
inline std::size_t pick(Random& random, std::size_t count) { return random() % count; }

inline void append(Part& to, Input from) { to.insert(to.end(), from.begin(), from.end()); }

/// `value` in `bytes` bytes, the lowest first or last.
inline void append_le(Part& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i, value >>= 8) to.push_back(static_cast<std::uint8_t>(value));
}
inline void append_be(Part& to, std::uint64_t value, int bytes) {
  for (int i = bytes; i-- > 0;) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
inline std::uint64_t load_le(Input from, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | from[at + static_cast<std::size_t>(i)];
  return value;
}
inline std::uint64_t load_be(Input from, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | from[at + static_cast<std::size_t>(i)];
  return value;
}

/// Lets libFuzzer change the bytes of one part, from `keep` on.
inline void mutate_bytes(Part& part, std::size_t keep = 0) {
  constexpr std::size_t kGrowth = 64;
  keep = std::min(keep, part.size());
  Part bytes(part.begin() + static_cast<std::ptrdiff_t>(keep), part.end());
  const std::size_t size = bytes.size();
  bytes.resize(size + kGrowth);
  bytes.resize(LLVMFuzzerMutate(bytes.data(), size, bytes.size()));
  part.resize(keep);
  append(part, bytes);
}

/// Changes one thing: a part's bytes (twice as often as all else), the number of parts, or their order.
inline void mutate_parts(Parts& parts, Random& random) {
  constexpr std::size_t kMost = 4096;
  const std::size_t at = pick(random, parts.size()), other = pick(random, parts.size());
  const auto place = [&](std::size_t i) { return parts.begin() + static_cast<std::ptrdiff_t>(i); };
  switch (pick(random, 8)) {
    case 0:
      if (parts.size() < kMost) parts.insert(place(other), Part(parts[at]));
      return;
    case 1:
      if (parts.size() > 1) parts.erase(place(at));
      return;
    case 2: return std::swap(parts[at], parts[other]);
    case 3: parts[at] = Part(parts[other]); return;
    default: return mutate_bytes(parts[at]);
  }
}

/// The custom mutator of a format: `parse` gives parts, none if the bytes are no such file; `join` makes bytes of them.
template <class Parse, class Join, class Mutate>
std::size_t mutate_structure(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed,
                             const Parse& parse, const Join& join, const Mutate& mutate) {
  Random random(seed);
  constexpr std::size_t kPlain = 10;  // one in so many inputs is mutated as bytes, so that checks are tried too
  Parts parts = pick(random, kPlain) == 0 ? Parts{} : parse(Input(data, size));
  if (parts.empty()) return LLVMFuzzerMutate(data, size, max_size);
  for (std::size_t i = 0; i <= pick(random, 3); ++i) mutate(parts, random);
  const Part bytes = join(parts);
  if (bytes.empty() || bytes.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace fuzz
