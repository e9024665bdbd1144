// SPDX-License-Identifier: MIT
#pragma once
// Says what a CLIP saved by this library (save.hpp) tells about itself in the __metadata__ of its safetensors file: all
// that its tensors cannot tell, so that no other file is needed.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../io/weight_index.hpp"
#include "sidecar.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr std::string_view kActivationKey = "moeclip.activation";     // "gelu" or "quick_gelu"
inline constexpr std::string_view kVisionHeadsKey = "moeclip.vision_heads";  // a number in decimal digits
inline constexpr std::string_view kTextHeadsKey = "moeclip.text_heads";      // a number in decimal digits
inline constexpr std::string_view kMergesKey = "moeclip.merges";             // the tokenizer's, as in OpenAI's list

/// What is written for `config`.
std::vector<std::pair<std::string, std::string>> clip_metadata(const ClipConfig& config);

/// Reads it back, if it is there; `path` is for messages. Throws format for values that make no sense.
std::optional<ClipSidecar> read_clip_metadata(Metadata metadata, const std::string& path);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <charconv>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::vector<std::pair<std::string, std::string>> clip_metadata(const ClipConfig& config) {
  return {{std::string(kActivationKey), kernels::to_string(config.activation)},
          {std::string(kVisionHeadsKey), concat(config.vision.heads)},
          {std::string(kTextHeadsKey), concat(config.text.heads)}};
}

MOECLIP_FUNC std::optional<ClipSidecar> read_clip_metadata(Metadata metadata, const std::string& path) {
  const std::string* activation = find_metadata(metadata, kActivationKey);
  if (activation == nullptr) return std::nullopt;
  const auto count = [&](std::string_view key) -> std::optional<index_t> {
    const std::string* text = find_metadata(metadata, key);
    if (text == nullptr) return std::nullopt;
    index_t value = 0;
    const auto end = std::from_chars(text->data(), text->data() + text->size(), value);
    if (end.ec != std::errc() || end.ptr != text->data() + text->size() || value < 1 || value > 1'000'000)
      fail(ErrorCode::format, concat(path, ": __metadata__ \"", key, "\" should be a positive whole number"));
    return value;
  };
  ClipSidecar sidecar;
  sidecar.path = path;
  for (const auto known : {kernels::Activation::gelu, kernels::Activation::quick_gelu})
    if (*activation == kernels::to_string(known)) sidecar.activation = known;
  if (!sidecar.activation)
    fail(ErrorCode::format,
         concat(path, ": __metadata__ \"", kActivationKey, "\" is neither \"gelu\" nor \"quick_gelu\""));
  sidecar.vision_heads = count(kVisionHeadsKey);
  sidecar.text_heads = count(kTextHeadsKey);
  return sidecar;
}

}}  // namespace moeclip::abi_v0_1

#endif
