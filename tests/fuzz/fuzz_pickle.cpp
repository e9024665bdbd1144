// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <span>

#include <moeclip/io/pickle/machine.hpp>

#include "heap_limit.hpp"
#include "mutate_pickle.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  for (const bool is_script : {false, true}) {
    try {
      const auto pickle = moeclip::read_pickle(std::as_bytes(std::span(data, size)), "fuzz", is_script);
      if (pickle.size > size || pickle.root >= pickle.graph.size()) __builtin_trap();
    } catch (const moeclip::Error&) {
    }
  }
  return 0;
}
