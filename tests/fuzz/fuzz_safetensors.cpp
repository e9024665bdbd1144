// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <moeclip/io/weights.hpp>

#include "heap_limit.hpp"
#include "mutate_safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const auto file = moeclip::WeightFile::from_bytes({bytes.begin(), bytes.end()}, "fuzz.safetensors");
    for (const moeclip::WeightEntry& entry : file.entries()) static_cast<void>(file.read<float>(entry.name));
  } catch (const moeclip::Error&) {
  }
  return 0;
}
