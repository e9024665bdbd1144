// SPDX-License-Identifier: MIT
// The state of an evaluation: what is read can be measured, drawn and written again.
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <moeclip/eval/curves.hpp>
#include <moeclip/eval/run_results.hpp>

#include "heap_limit.hpp"
#include "mutate_safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    auto run = moeclip::read_run(moeclip::WeightFile::from_bytes({bytes.begin(), bytes.end()}, "fuzz.safetensors"));
    const moeclip::RunResults results = moeclip::results_of(run);
    static_cast<void>(moeclip::dump_json(to_json(results, run)));
    static_cast<void>(moeclip::picture_lines(run));
    std::set<std::string> rows;
    for (const auto& [key, record] : run.pictures)
      if (record.is_judged()) rows.insert(record.row_key());
    for (const std::string& row : rows)
      for (auto* const evaluation : {&run.standard, &run.released}) {
        if (!*evaluation) continue;
        moeclip::ScoreTable images = (*evaluation)->image_table(row);
        static_cast<void>(moeclip::curves_of(images));
        static_cast<void>(moeclip::curves_of((*evaluation)->pixel_table(row)));
        static_cast<void>(moeclip::histogram_of(images));
        static_cast<void>(moeclip::histogram_of((*evaluation)->pixel_table(row)));
      }
  } catch (const moeclip::Error&) {
  }
  return 0;
}
