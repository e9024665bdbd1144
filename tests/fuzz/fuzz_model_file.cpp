// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <span>

#include <moeclip/io/weights.hpp>
#include <moeclip/memory/model_file.hpp>

#include "heap_limit.hpp"
#include "mutate_safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static moeclip::Context context({.threads = 1});
  const HeapLimit limit(size);
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const auto file = moeclip::WeightFile::from_bytes({bytes.begin(), bytes.end()}, "fuzz.moeclip");
    static_cast<void>(moeclip::PartModel::load(context, file));
  } catch (const moeclip::Error&) {
  }
  return 0;
}
