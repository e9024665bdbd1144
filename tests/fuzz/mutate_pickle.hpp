// SPDX-License-Identifier: MIT
#pragma once
// Pickles operation by operation; the lengths of strings are made anew.

#include <optional>

#include "mutate.hpp"

namespace fuzz {

/// What follows an operation's byte: so many bytes; or a text, whose length stands in so many bytes before it; or
/// lines.
struct PickleArgument {
  std::size_t fixed = 0;
  int length_bytes = 0;
  int lines = 0;
};

inline PickleArgument pickle_argument(std::uint8_t operation) {
  switch (operation) {
    case 0x80:
    case 'K':
    case 'h':
    case 'q':
    case 0x82: return {1, 0, 0};
    case 'M':
    case 0x83: return {2, 0, 0};
    case 'J':
    case 'j':
    case 'r':
    case 0x84: return {4, 0, 0};
    case 'G':
    case 0x95: return {8, 0, 0};
    case 'U':
    case 'C':
    case 0x8c:
    case 0x8a: return {0, 1, 0};
    case 'T':
    case 'X':
    case 'B':
    case 0x8b: return {0, 4, 0};
    case 0x8d:
    case 0x8e:
    case 0x96: return {0, 8, 0};
    case 'c':
    case 'i': return {0, 0, 2};
    case 'F':
    case 'I':
    case 'L':
    case 'P':
    case 'S':
    case 'V':
    case 'g':
    case 'p': return {0, 0, 1};
    default: return {};
  }
}

/// The end of the operation at `at`, none if it is cut off.
inline std::optional<std::size_t> end_of_operation(Input file, std::size_t at) {
  const PickleArgument argument = pickle_argument(file[at++]);
  at += argument.fixed;
  if (argument.length_bytes > 0) {
    if (at + static_cast<std::size_t>(argument.length_bytes) > file.size()) return {};
    const std::uint64_t length = load_le(file, at, argument.length_bytes);
    at += static_cast<std::size_t>(argument.length_bytes);
    if (length > file.size() - at) return {};
    at += length;
  }
  for (int line = 0; line < argument.lines; ++line) {
    while (at < file.size() && file[at] != '\n') ++at;
    ++at;
  }
  return at <= file.size() ? std::optional(at) : std::nullopt;
}

/// Each part is an operation with what follows it, without the length; the last one may be what is no operation.
inline Parts pickle_parts(Input file) {
  Parts parts;
  for (std::size_t at = 0; at < file.size();) {
    const auto end = end_of_operation(file, at);
    Part& part = parts.emplace_back(1, file[at]);
    const auto skipped = end ? static_cast<std::size_t>(pickle_argument(file[at]).length_bytes) : 0;
    append(part, file.subspan(at + 1 + skipped, end.value_or(file.size()) - at - 1 - skipped));
    at = end.value_or(file.size());
  }
  return parts;
}

inline Part pickle_file(const Parts& parts) {
  Part file;
  for (const Part& part : parts) {
    if (part.empty()) continue;
    file.push_back(part[0]);
    append_le(file, part.size() - 1, pickle_argument(part[0]).length_bytes);
    append(file, Input(part).subspan(1));
  }
  return file;
}

}  // namespace fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  const auto mutate = [](fuzz::Parts& parts, fuzz::Random& random) {
    constexpr std::uint8_t kOperations[] = {'(',  ')',  ']',  '}',  't',  'l',  'd',  'a',  'e',  's',
                                            'u',  'R',  'Q',  'b',  '0',  '1',  '2',  'N',  0x81, 0x85,
                                            0x86, 0x87, 0x88, 0x89, 0x8f, 0x90, 0x93, 0x94, '.'};
    const std::size_t at = fuzz::pick(random, parts.size());
    switch (fuzz::pick(random, 4)) {
      case 0: return fuzz::mutate_parts(parts, random);
      case 1:
        parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(at),
                     fuzz::Part(1, kOperations[fuzz::pick(random, std::size(kOperations))]));
        return;
      default: return fuzz::mutate_bytes(parts[at], 1);
    }
  };
  return fuzz::mutate_structure(data, size, max_size, seed, fuzz::pickle_parts, fuzz::pickle_file, mutate);
}
