// SPDX-License-Identifier: MIT
#pragma once
// A sidecar is the JSON file beside the weights, which says what tensors cannot: the activation and the number of
// heads. Hugging Face calls it config.json, open_clip calls it open_clip_config.json.

#include <optional>
#include <string>
#include <vector>

#include "../io/file.hpp"
#include "../io/json.hpp"
#include "../io/text_file.hpp"
#include "config.hpp"
#include "names.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A size that a configuration says, and where a configuration made from tensors has it.
struct SaidSize {
  std::string key;                   ///< "vision_config.patch_size"
  index_t (*of)(const ClipConfig&);  ///< the same of the weights
  index_t said = 0;                  ///< by the file
};

/// Each value is there only if the file says it (or its format has a fixed default for it).
struct ClipSidecar {
  std::string path;                                 ///< of the file that says it, for messages
  std::optional<kernels::Activation> activation;    ///< of the MLPs of both towers
  std::optional<index_t> vision_heads, text_heads;  ///< attention heads of a block
  std::optional<index_t> vision_width, text_width;  ///< to notice a file that belongs to another model
  std::vector<SaidSize> sizes = {};                 ///< likewise, whatever else it says
};

/// Reads the configuration beside the weights at `weights`, if the naming of their family has one there. Throws format
/// or unsupported for one that is there and cannot be used.
std::optional<ClipSidecar> read_clip_sidecar(const std::string& weights, ClipFamily family);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <initializer_list>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;

/// Positive integer `key` of `object`, or `fallback` where it is missing.
inline std::optional<index_t> config_count(const Json& object, std::string_view key, std::string_view path,
                                           std::optional<index_t> fallback = {}) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return fallback;
  if (!value->is_integer() || value->as_number() < 1 || value->as_number() > 1e6)
    fail(ErrorCode::format, concat(path, ": \"", key, "\" should be a positive whole number"));
  return static_cast<index_t>(value->as_int64());
}

inline const Json& config_object(const Json& object, std::string_view key, std::string_view path) {
  const Json* value = object.is_object() ? object.find(key) : nullptr;
  if (value == nullptr || !value->is_object())
    fail(ErrorCode::format,
         concat(path, ": an object \"", key, "\" is missing; is this the configuration of a CLIP model?"));
  return *value;
}

/// Adds each size that `object`, a part of the configuration called `part`, says.
inline void add_said_sizes(ClipSidecar& sidecar, const Json& object, std::string_view part,
                           std::initializer_list<std::pair<const char*, index_t (*)(const ClipConfig&)>> sizes) {
  for (const auto& [key, of] : sizes) {
    const Json* const value = object.find(key);
    if (value == nullptr || !value->is_integer()) continue;  // a size of two sides, or none
    sidecar.sizes.push_back({concat(part, part.empty() ? "" : ".", key), of, *config_count(object, key, sidecar.path)});
  }
}

/// Hugging Face's: the defaults are those of its CLIPConfig.
inline ClipSidecar read_hugging_face_config(const Json& root, const std::string& path) {
  const Json& vision = config_object(root, "vision_config", path);
  const Json& text = config_object(root, "text_config", path);
  ClipSidecar sidecar;
  sidecar.path = path;
  const Json* act = vision.find("hidden_act");
  if (act != nullptr && !act->is_string()) fail(ErrorCode::format, concat(path, ": \"hidden_act\" should be a name"));
  const std::string name = act == nullptr ? "quick_gelu" : act->as_string();
  if (name == "quick_gelu") {
    sidecar.activation = kernels::Activation::quick_gelu;
  } else if (name == "gelu") {
    sidecar.activation = kernels::Activation::gelu;
  } else {
    fail(ErrorCode::unsupported, concat(path, ": hidden_act is \"", name, "\"; \"quick_gelu\" and \"gelu\" are known"));
  }
  sidecar.vision_heads = config_count(vision, "num_attention_heads", path, 12);
  sidecar.text_heads = config_count(text, "num_attention_heads", path, 8);
  sidecar.vision_width = config_count(vision, "hidden_size", path, 768);
  sidecar.text_width = config_count(text, "hidden_size", path, 512);
  using C = const ClipConfig&;
  add_said_sizes(sidecar, root, "", {{"projection_dim", [](C c) { return c.embed; }}});
  add_said_sizes(sidecar, vision, "vision_config",
                 {{"num_hidden_layers", [](C c) { return c.vision.layers; }},
                  {"intermediate_size", [](C c) { return c.vision.hidden; }},
                  {"patch_size", [](C c) { return c.vision.patch_size; }},
                  {"image_size", [](C c) { return c.vision.image_size; }}});
  add_said_sizes(sidecar, text, "text_config",
                 {{"num_hidden_layers", [](C c) { return c.text.layers; }},
                  {"intermediate_size", [](C c) { return c.text.hidden; }},
                  {"vocab_size", [](C c) { return c.text.vocabulary; }},
                  {"max_position_embeddings", [](C c) { return c.text.context_length; }}});
  return sidecar;
}

/// open_clip's: QuickGELU only where it is said, heads of 64 unless a head width is given.
inline ClipSidecar read_open_clip_config(const Json& root, const std::string& path) {
  const Json& model = root.find("model_cfg") != nullptr ? config_object(root, "model_cfg", path) : root;
  const Json& vision = config_object(model, "vision_cfg", path);
  const Json& text = config_object(model, "text_cfg", path);
  ClipSidecar sidecar;
  sidecar.path = path;
  const Json* quick = model.find("quick_gelu");
  const bool is_quick = quick != nullptr && quick->is_bool() && quick->as_bool();
  sidecar.activation = is_quick ? kernels::Activation::quick_gelu : kernels::Activation::gelu;
  sidecar.vision_width = config_count(vision, "width", path);
  sidecar.text_width = config_count(text, "width", path);
  const index_t head_width = *config_count(vision, "head_width", path, 64);
  if (sidecar.vision_width && head_width > *sidecar.vision_width)
    fail(ErrorCode::format,
         concat(path, ": \"head_width\" is ", head_width, ", more than the width ", *sidecar.vision_width));
  if (sidecar.vision_width) sidecar.vision_heads = *sidecar.vision_width / head_width;
  sidecar.text_heads = config_count(text, "heads", path);
  using C = const ClipConfig&;
  add_said_sizes(sidecar, model, "", {{"embed_dim", [](C c) { return c.embed; }}});
  add_said_sizes(sidecar, vision, "vision_cfg",
                 {{"layers", [](C c) { return c.vision.layers; }},
                  {"patch_size", [](C c) { return c.vision.patch_size; }},
                  {"image_size", [](C c) { return c.vision.image_size; }}});
  add_said_sizes(sidecar, text, "text_cfg",
                 {{"layers", [](C c) { return c.text.layers; }},
                  {"vocab_size", [](C c) { return c.text.vocabulary; }},
                  {"context_length", [](C c) { return c.text.context_length; }}});
  return sidecar;
}

}  // namespace detail

MOECLIP_FUNC std::optional<ClipSidecar> read_clip_sidecar(const std::string& weights, ClipFamily family) {
  const bool is_hugging_face = family == ClipFamily::hugging_face;
  const std::string folder = is_directory(weights) ? weights : parent_directory(weights);
  const std::string path = join_path(folder, is_hugging_face ? "config.json" : "open_clip_config.json");
  if (!file_exists(path)) return std::nullopt;
  const Json root = parse_json(read_text_file(path, detail::kMaxConfigBytes), path, JsonNames::unique);
  if (!root.is_object()) fail(ErrorCode::format, concat(path, ": an object is wanted"));
  return is_hugging_face ? detail::read_hugging_face_config(root, path) : detail::read_open_clip_config(root, path);
}

}}  // namespace moeclip::abi_v0_1

#endif
