// SPDX-License-Identifier: MIT
// Whole files through the format sniffer: zip, TorchScript, old format. The first byte chooses: a file as it is, or
// only a pickle, around which a sound archive is made so that the fuzzer need not find out about checksums.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../io/weight_samples.hpp"
#include "heap_limit.hpp"
#include "mutate_zip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  const std::string_view text = moeclip::as_text(bytes);
  std::string file(text);
  if (data[0] % 4 == 1) file = samples::make_torch(text);
  if (data[0] % 4 == 2) file = samples::make_torch(text, {{"m/constants.pkl", "x"}});
  if (data[0] % 4 == 3) file = samples::make_legacy(text);
  try {
    const auto weights = moeclip::WeightFile::from_bytes(samples::to_bytes(file), "fuzz");
    std::size_t total = 0;
    for (const moeclip::WeightEntry& entry : weights.entries()) {
      if (entry.byte_size() > (1u << 20)) continue;  // affordable, but not a million times
      try {
        total += weights.read<float>(entry.name).values().size() + weights.read<double>(entry.name).values().size();
        weights.stored_bytes(entry.name, [&](moeclip::Bytes piece) { total += piece.size(); });
      } catch (const moeclip::Error&) {
      }
    }
    static_cast<void>(total);
  } catch (const moeclip::Error&) {
  }
  return 0;
}
