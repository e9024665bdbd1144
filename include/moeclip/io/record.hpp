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

/// The format of such records. It stands in a record, as "format", from the second one on, so that a program that knows
/// fewer says so instead of guessing.
inline constexpr int kRecordFormat = 2;

namespace detail {
/// That record; null if there is none. Throws unsupported if it is of a format that this library does not know.
Json recorded(const WeightFile& file);

/// Throws mismatch if `file` is what memory/ writes, a model or a memory, where a CLIP or an adapter is wanted.
void expect_no_model_file(const WeightFile& file);
}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include "format_version.hpp"
#include "json.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

MOECLIP_FUNC Json recorded(const WeightFile& file) {
  const std::string* const text = find_metadata(file.metadata(), kRecordKey);
  if (text == nullptr) return {};
  Json record = parse_json(*text, concat(file.path(), ": __metadata__ ", in_quotes(kRecordKey)), JsonNames::unique);
  const Json* const format = record.is_object() ? record.find("format") : nullptr;
  if (format != nullptr)
    expect_version(*format, {.last = kRecordFormat}, file.path(), "a file whose record is",
                   "make the file again with this one");
  return record;
}

MOECLIP_FUNC void expect_no_model_file(const WeightFile& file) {
  const Json record = recorded(file);
  const auto refuse_if = [&](std::string_view key, std::string_view what) {
    if (record.is_object() && record.find(key) != nullptr)
      fail(ErrorCode::mismatch, concat(file.path(), ": is ", what));
  };
  refuse_if("model", "a whole model of `moeclip export`, without the text tower: give it as --model, alone");
  refuse_if("memory", "a memory of good pictures of `moeclip learn`: give it as --good, beside a CLIP");
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#endif
