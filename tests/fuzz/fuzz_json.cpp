// SPDX-License-Identifier: MIT
// Reading arbitrary bytes as JSON: what is accepted must read the same after it was written, plain and indented.
#include <cstdlib>

#include <moeclip/io/json_writer.hpp>

#include "heap_limit.hpp"

using namespace moeclip;

namespace {

/// Every member is found under its key.
void look_up(const Json& value) {
  if (value.is_array())
    for (const Json& item : value.items()) look_up(item);
  if (!value.is_object()) return;
  for (const auto& [key, member] : value.members()) {
    if (value.find(key) != &member) std::abort();
    look_up(member);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  Json value;
  try {
    value = parse_json(as_text(std::as_bytes(std::span(data, size))), "fuzz");
  } catch (const Error&) {
    return 0;
  }
  for (const int indent : {0, 2}) {
    const std::string text = dump_json(value, indent);
    const Json again = parse_json(text, "dumped");
    if (!(again == value) || dump_json(again, indent) != text) std::abort();
  }
  look_up(value);
  return 0;
}
