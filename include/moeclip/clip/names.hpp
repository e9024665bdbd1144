// SPDX-License-Identifier: MIT
#pragma once
// Three families of files store the same CLIP tensors under different names. The library speaks OpenAI's names; this
// header finds them in open_clip's files (prefixes "module.", "state_dict/", and "text." of CustomTextCLIP) and in
// Hugging Face's CLIPModel (queries, keys and values apart, projections transposed).

#include <string>
#include <string_view>
#include <vector>

#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Whose names a file uses. Those of open_clip are OpenAI's behind a prefix.
enum class ClipFamily { openai, hugging_face };

/// How a canonical tensor is made from those of a file.
struct ClipTensorSource {
  std::vector<std::string> names;  ///< one, or three to be stacked along the first axis (queries, keys, values)
  bool is_transposed = false;      ///< stored (columns, rows)
};

/// The naming of one file.
struct ClipNaming {
  ClipFamily family = ClipFamily::openai;  ///< whose names follow the prefixes
  std::string prefix;                      ///< of every tensor: "", "module.", "state_dict/module." ...
  std::string text_prefix;                 ///< of the text tower's tensors, after `prefix`: "" or "text."
};

/// Where OpenAI's tensor `name` ("visual.proj", "transformer.resblocks.0.ln_1.weight") is in a file named so.
ClipTensorSource clip_tensor_source(const ClipNaming& naming, std::string_view name);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <array>
#include "../base/text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Replaces `from` at the start of `text` by `to`; true if it was there.
inline bool replace_start(std::string& text, std::string_view from, std::string_view to) {
  if (!text.starts_with(from)) return false;
  text.replace(0, from.size(), to);
  return true;
}

/// Hugging Face's name for what follows "transformer.resblocks.N." in OpenAI's.
inline std::string hugging_face_block_name(std::string name) {
  constexpr std::array<std::array<std::string_view, 2>, 5> kParts{{{"ln_1.", "layer_norm1."},
                                                                   {"ln_2.", "layer_norm2."},
                                                                   {"attn.out_proj.", "self_attn.out_proj."},
                                                                   {"mlp.c_fc.", "mlp.fc1."},
                                                                   {"mlp.c_proj.", "mlp.fc2."}}};
  for (const auto& [openai, hugging_face] : kParts)
    if (replace_start(name, openai, hugging_face)) break;
  return name;
}

/// Hugging Face's source of a tensor in a block; `name` starts with "transformer.resblocks.".
inline ClipTensorSource hugging_face_block_source(const std::string& name, std::string_view model) {
  constexpr std::string_view kBlocks = "transformer.resblocks.", kIn = "attn.in_proj_";
  const std::size_t dot = name.find('.', kBlocks.size());
  const std::string number = name.substr(kBlocks.size(), dot - kBlocks.size()), rest = name.substr(dot + 1);
  const std::string base = concat(model, "encoder.layers.", number, ".");
  if (!rest.starts_with(kIn)) return {{base + hugging_face_block_name(rest)}, false};
  ClipTensorSource source;
  for (const char part : {'q', 'k', 'v'})
    source.names.push_back(concat(base, "self_attn.", part, "_proj.", rest.substr(kIn.size())));
  return source;
}

/// Hugging Face's source of a tensor of one tower; `name` is OpenAI's without "visual.".
inline ClipTensorSource hugging_face_source(std::string name, std::string_view model) {
  if (name == "proj") return {{"visual_projection.weight"}, true};
  if (name == "text_projection") return {{"text_projection.weight"}, true};
  if (name.starts_with("transformer.resblocks.")) return hugging_face_block_source(name, model);
  constexpr std::array<std::array<std::string_view, 2>, 7> kWhole{
      {{"class_embedding", "embeddings.class_embedding"},
       {"conv1.", "embeddings.patch_embedding."},
       {"positional_embedding", "embeddings.position_embedding.weight"},
       {"token_embedding.", "embeddings.token_embedding."},
       {"ln_pre.", "pre_layrnorm."},  // their spelling
       {"ln_post.", "post_layernorm."},
       {"ln_final.", "final_layer_norm."}}};
  for (const auto& [openai, hugging_face] : kWhole)
    if (replace_start(name, openai, hugging_face)) break;
  return {{concat(model, name)}, false};
}

}  // namespace detail

MOECLIP_FUNC ClipTensorSource clip_tensor_source(const ClipNaming& naming, std::string_view name) {
  constexpr std::string_view kVisual = "visual.";
  const bool is_visual = name.starts_with(kVisual), is_shared = name == "logit_scale";
  ClipTensorSource source;
  if (naming.family == ClipFamily::openai || is_shared) {
    source.names = {concat(is_visual || is_shared ? "" : naming.text_prefix, name)};
  } else if (is_visual) {
    source = detail::hugging_face_source(std::string(name.substr(kVisual.size())), "vision_model.");
  } else {
    source = detail::hugging_face_source(std::string(name), "text_model.");
  }
  for (std::string& stored : source.names) stored.insert(0, naming.prefix);
  return source;
}

}}  // namespace moeclip::abi_v0_1

#endif
