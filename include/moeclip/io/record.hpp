// SPDX-License-Identifier: MIT
#pragma once
// Reads what this library has recorded in a weight file besides the tensors: settings, training, pictures. A
// safetensors file holds it in its __metadata__, a PyTorch checkpoint has it beside it (io/sidecar.hpp).

#include <string_view>

#include "json_value.hpp"
#include "weight_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Entry of a safetensors file's __metadata__ that holds, as JSON, what this library records beside the tensors.
inline constexpr std::string_view kRecordKey = "moeclip";

namespace detail {
/// That record; null if there is none.
Json recorded(const WeightFile& file);
}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include "json.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

MOECLIP_FUNC Json recorded(const WeightFile& file) {
  const std::string* const text = find_metadata(file.metadata(), kRecordKey);
  return text != nullptr
             ? parse_json(*text, concat(file.path(), ": __metadata__ ", in_quotes(kRecordKey)), JsonNames::unique)
             : Json();
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#endif
