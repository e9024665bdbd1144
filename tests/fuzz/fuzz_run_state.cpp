// SPDX-License-Identifier: MIT
// The state of an evaluation: what is read can be measured and written again.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "moeclip/eval/run_results.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    auto run = moeclip::read_run(moeclip::WeightFile::from_bytes({bytes.begin(), bytes.end()}, "fuzz.safetensors"));
    const moeclip::RunResults results = moeclip::results_of(run);
    static_cast<void>(moeclip::dump_json(to_json(results, run)));
    static_cast<void>(moeclip::picture_lines(run));
  } catch (const moeclip::Error&) {
  }
  return 0;
}
