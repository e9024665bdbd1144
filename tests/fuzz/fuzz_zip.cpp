// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <moeclip/io/zip.hpp>

#include "heap_limit.hpp"
#include "mutate_zip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  try {
    const auto zip = moeclip::ZipArchive::open(std::as_bytes(std::span(data, size)), "fuzz");
    std::vector<std::byte> buffer;
    std::size_t total = 0;
    for (const moeclip::ZipEntry& entry : zip.entries()) {
      if (zip.find(entry.name) != &entry) __builtin_trap();
      try {
        total += zip.contents(entry, 1 << 16, buffer).size();
      } catch (const moeclip::Error&) {
      }
    }
    static_cast<void>(total);
  } catch (const moeclip::Error&) {
  }
  return 0;
}
