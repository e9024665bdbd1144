// SPDX-License-Identifier: MIT
#pragma once
// Zip archives entry by entry; directory, offsets, and the checksums of stored entries are made anew.

#include <moeclip/io/checksum.hpp>

#include "mutate.hpp"

namespace fuzz {

inline constexpr std::size_t kZipFixed = 18;  // method 2, flags 2, checksum 4, size 4, three lengths of 2

/// Each part is an entry: the fixed fields in the order above, name, extra field, data.
inline Parts zip_parts(Input file) {
  Parts parts;
  std::size_t end = file.size();
  while (end >= 4 && load_le(file, end - 4, 4) != 0x06054b50) --end;
  if (end < 4 || end - 4 + 22 > file.size()) return {};
  const std::size_t record = end - 4;
  for (std::size_t at = load_le(file, record + 16, 4); at + 46 <= record && load_le(file, at, 4) == 0x02014b50;) {
    const std::size_t name = load_le(file, at + 28, 2), extra = load_le(file, at + 30, 2);
    const std::size_t local = load_le(file, at + 42, 4), packed = load_le(file, at + 20, 4);
    if (at + 46 + name + extra > record || local + 30 > file.size()) break;
    const std::size_t data = local + 30 + load_le(file, local + 26, 2) + load_le(file, local + 28, 2);
    if (data > file.size() || packed > file.size() - data) break;
    Part& part = parts.emplace_back();
    append(part, file.subspan(at + 10, 2));
    append(part, file.subspan(at + 8, 2));
    append(part, file.subspan(at + 16, 4));
    append(part, file.subspan(at + 24, 4));
    append(part, file.subspan(at + 28, 6));
    append(part, file.subspan(at + 46, name + extra));
    append(part, file.subspan(data, packed));
    at += 46 + name + extra + load_le(file, at + 32, 2);
  }
  return parts;
}

inline Part zip_file(const Parts& parts) {
  Part file, directory;
  for (Part part : parts) {
    part.resize(std::max(kZipFixed, part.size()));
    const Input bytes(part);
    const std::size_t room = part.size() - kZipFixed;
    const std::size_t name = std::min<std::size_t>(load_le(bytes, 12, 2), room);
    const std::size_t extra = std::min<std::size_t>(load_le(bytes, 14, 2), room - name);
    const Input data = bytes.subspan(kZipFixed + name + extra), names = bytes.subspan(kZipFixed, name + extra);
    const bool is_stored = load_le(bytes, 0, 2) == 0;
    Part header;
    append(header, bytes.subspan(2, 2));
    append(header, bytes.first(2));
    append_le(header, 0, 4);
    append_le(header, is_stored ? moeclip::crc32(std::as_bytes(data)) : load_le(bytes, 4, 4), 4);
    append_le(header, data.size(), 4);
    append_le(header, is_stored ? data.size() : load_le(bytes, 8, 4), 4);
    append_le(header, name, 2);
    append_le(header, extra, 2);
    const std::size_t local = file.size();
    append_le(file, 0x04034b50, 4);
    append_le(file, 20, 2);
    append(file, header);
    append(file, names);
    append(file, data);
    append_le(directory, 0x02014b50, 4);
    append_le(directory, 20, 2);
    append_le(directory, 20, 2);
    append(directory, header);
    append_le(directory, 0, 10);
    append_le(directory, local, 4);
    append(directory, names);
  }
  const std::size_t start = file.size();
  append(file, directory);
  append_le(file, 0x06054b50, 4);
  append_le(file, 0, 4);
  append_le(file, parts.size(), 2);
  append_le(file, parts.size(), 2);
  append_le(file, directory.size(), 4);
  append_le(file, start, 4);
  append_le(file, 0, 2);
  return file;
}

}  // namespace fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  const auto mutate = [](fuzz::Parts& parts, fuzz::Random& random) {
    if (fuzz::pick(random, 3) == 0) return fuzz::mutate_parts(parts, random);
    fuzz::Part& part = parts[fuzz::pick(random, parts.size())];
    if (fuzz::pick(random, 3) == 0) return fuzz::mutate_bytes(part);
    const std::size_t name = part.size() < fuzz::kZipFixed ? 0 : fuzz::load_le(part, 12, 2);
    fuzz::mutate_bytes(part, fuzz::kZipFixed + name);  // its data, mostly
  };
  return fuzz::mutate_structure(data, size, max_size, seed, fuzz::zip_parts, fuzz::zip_file, mutate);
}
