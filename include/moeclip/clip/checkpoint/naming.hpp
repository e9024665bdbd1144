// SPDX-License-Identifier: MIT
#pragma once
// Which tensors of a file are a CLIP's: how they are named, and which of them nothing reads.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../base/lists.hpp"
#include "../../io/weight_use.hpp"
#include "../names.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

[[noreturn]] MOECLIP_COLD inline void fail_without_clip(const WeightFile& file) {
  const bool is_adapter = lists::any_of(
      file.entries(), [](const WeightEntry& entry) { return entry.name.find("image_adapter") != std::string::npos; });
  fail(ErrorCode::mismatch,
       concat(file.path(),
              is_adapter ? ": this is a MoECLIP adapter, not a CLIP; give it as the adapter (--adapter), beside a CLIP"
                         : ": no CLIP is in this file; a tensor visual.conv1.weight or "
                           "vision_model.embeddings.patch_embedding.weight is wanted",
              " (", counted(file.entries().size(), "tensor"), " found)"));
}

/// Whether a tensor, named without the prefix of the file, lies in one of the two towers.
inline bool is_in_tower(const ClipNaming& naming, std::string_view name) {
  const auto begins = [&](std::string_view start) { return name.starts_with(start); };
  if (naming.family == ClipFamily::hugging_face)
    return begins("vision_model.") || begins("text_model.") || begins("visual_projection") || begins("text_projection");
  return begins("visual.") || begins("text.") || begins("transformer.") || begins("token_embedding") ||
         begins("positional_embedding") || begins("ln_final") || begins("text_projection");
}

/// Throws missing, before any of its tensors is asked for, if a CLIP's file has nothing of the text tower.
inline void expect_text_tower(const WeightFile& file, const ClipNaming& naming) {
  const bool has_text = lists::any_of(file.entries(), [&](const WeightEntry& entry) {
    const std::string_view name = entry.name;
    if (!name.starts_with(naming.prefix)) return false;
    const std::string_view own = name.substr(naming.prefix.size());
    return is_in_tower(naming, own) && !own.starts_with("vis");
  });
  if (!has_text)
    fail(ErrorCode::missing,
         concat(file.path(), ": holds the image tower of a CLIP alone (", counted(file.entries().size(), "tensor"),
                "); the text tower is wanted too: save the whole CLIP"));
}

/// Recognises the naming of `file` by the one tensor that only a ViT's image tower has, or tells what was found.
inline ClipNaming recognise_naming(const WeightFile& file) {
  std::vector<std::string> prefixes = prefixes_of(file, "visual.conv1.weight");
  ClipNaming naming;
  if (prefixes.empty()) {
    naming.family = ClipFamily::hugging_face;
    prefixes = prefixes_of(file, "vision_model.embeddings.patch_embedding.weight");
  }
  if (prefixes.empty()) fail_without_clip(file);
  expect_one_model(file, prefixes);
  naming.prefix = std::move(prefixes.front());
  if (file.find(naming.prefix + "text.token_embedding.weight") != nullptr) naming.text_prefix = "text.";
  if (file.find(naming.prefix + "visual.layer1.0.conv1.weight") != nullptr)
    fail(ErrorCode::unsupported, concat(file.path(), ": this CLIP has a ResNet image tower; one with a ViT is wanted"));
  return naming;
}

/// Whether a tensor holds the scales of an i8 weight, which whoever reads the weight reads too
/// (clip/quantized_file.hpp).
inline bool is_scale_of_weight(const WeightFile& file, std::string_view name) {
  constexpr std::string_view kEnd = "_scale";
  if (!name.ends_with(kEnd)) return false;
  const WeightEntry* const weight = file.find(name.substr(0, name.size() - kEnd.size()));
  return weight != nullptr && weight->dtype == DType::i8;
}

/// The tensors of a CLIP's file beside those named `used`, which are sorted; but for an optimiser's state. Throws
/// unsupported if one lies in a tower and holds floating-point numbers: it would change what the tower computes. Masks
/// and numbers of positions are known to the code.
inline std::vector<std::string> unused_clip_tensors(const WeightFile& file, const ClipNaming& naming,
                                                    const std::vector<std::string>& used) {
  std::vector<std::string> unused, changing;
  for (const WeightEntry& entry : file.entries()) {
    const std::string_view name = entry.name;
    if (is_optimizer_state(name) || lists::binary_search(used, name) || is_scale_of_weight(file, name)) continue;
    const bool is_buffer = name.ends_with("attn_mask") || name.ends_with("position_ids") || !is_floating(entry.dtype);
    const bool is_inside = name.starts_with(naming.prefix) && is_in_tower(naming, name.substr(naming.prefix.size()));
    (is_inside && !is_buffer ? changing : unused).push_back(entry.name);
  }
  if (!changing.empty())
    fail(ErrorCode::unsupported,
         concat(file.path(), ": its towers have ", count_and_names(changing),
                " for which a plain CLIP has no place; without them the result would be another, so the file is not "
                "read: merge them into the weights, or use a CLIP of OpenAI's kind"));
  return unused;
}

}}}  // namespace moeclip::abi_v0_1::detail
