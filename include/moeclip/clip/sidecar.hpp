// SPDX-License-Identifier: MIT
#pragma once
// A sidecar is the JSON file beside the weights, which says what tensors cannot: the activation and the number of
// heads. Hugging Face calls it config.json, open_clip calls it open_clip_config.json. What it says besides and would
// change the result is refused, unless it says what this library does anyway.

#include <optional>
#include <string>
#include <vector>

#include "../base/lists.hpp"
#include "../io/file.hpp"
#include "../io/json.hpp"
#include "../io/json_writer.hpp"
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
/// for one that is there and cannot be used, unsupported for one whose model would give other results than this library
/// computes; likewise for Hugging Face's preprocessor_config.json.
std::optional<ClipSidecar> read_clip_sidecar(const std::string& weights, ClipFamily family);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <cmath>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;

/// The beginning of what a file says, for a message.
inline std::string shown(const Json& value) {
  constexpr std::size_t kMost = 120;
  const std::string text = dump_json(value);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

/// `value`, found as `key`, as a count.
inline index_t count_of(const Json& value, std::string_view key, std::string_view path) {
  if (!value.is_integer() || value.as_number() < 1 || value.as_number() > 1e6)
    fail(ErrorCode::format,
         concat(path, ": \"", key, "\" is ", shown(value), "; a positive whole number of at most 1000000 was wanted"));
  return static_cast<index_t>(value.as_int64());
}

/// Positive integer `key` of `object`, or `fallback` where it is missing.
inline std::optional<index_t> config_count(const Json& object, std::string_view key, std::string_view path,
                                           std::optional<index_t> fallback = {}) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return fallback;
  return count_of(*value, key, path);
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
  for (const auto& said_size : sizes) {
    const char* const key = said_size.first;
    const Json* const value = object.find(key);
    if (value == nullptr || value->is_null()) continue;
    const std::string name = concat(part, part.empty() ? "" : ".", key);
    const auto add = [&](const Json& said) {
      sidecar.sizes.push_back({name, said_size.second, count_of(said, name, sidecar.path)});
    };
    if (!value->is_array()) {
      add(*value);
    } else {
      for (const Json& side : value->items()) add(side);  // [224, 224]
    }
  }
}

/// A value of a configuration that is computed with whatever it says: `only`, as JSON, which is also the default. Of an
/// object, the members that may be there.
struct FixedValue {
  const char *key, *only;
};

/// Whether `found` says the same as `only`; numbers may be rounded to three digits.
inline bool says_the_same(const Json& found, const Json& only) {
  constexpr double kRounding = 2e-3;
  if (found.is_null()) return true;
  if (found.is_number() && only.is_number() && !found.is_beyond())
    return std::abs(found.as_number() - only.as_number()) <= kRounding * std::abs(only.as_number());
  if (found.is_array() && only.is_array() && found.size() == only.size()) {
    for (std::size_t i = 0; i < found.size(); ++i)
      if (!says_the_same(found.at(i), only.at(i))) return false;
    return true;
  }
  if (!found.is_object() || !only.is_object()) return found == only;
  return lists::none_of(found.members(), [&](const Json::Member& member) {
    const Json* const known = only.find(member.key);
    return known == nullptr || !says_the_same(member.value, *known);
  });
}

/// Throws unsupported if member `part` of `root`, or `root` itself for "", says something else than `values`.
inline void expect_fixed(const Json& root, std::string_view part, std::initializer_list<FixedValue> values,
                         std::string_view path) {
  const Json* const object = part.empty() ? &root : root.find(part);
  if (object == nullptr || !object->is_object()) return;
  for (const auto& [key, only] : values) {
    const Json* const found = object->find(key);
    if (found == nullptr || says_the_same(*found, parse_json(only, key))) continue;
    fail(ErrorCode::unsupported,
         concat(path, ": \"", part, part.empty() ? "" : ".", key, "\" is ", shown(*found), "; only ", only,
                " is computed here, and the result would be another, so the model is not read: use a CLIP of "
                "OpenAI's kind"));
  }
}

inline constexpr const char kClipMean[] = "[0.48145466, 0.4578275, 0.40821073]";
inline constexpr const char kClipStd[] = "[0.26862954, 0.26130258, 0.27577711]";

/// How Hugging Face's pictures become numbers; how they are cut and scaled to the size of the model is decided here.
inline void expect_clip_pictures(const std::string& path) {
  if (!file_exists(path)) return;
  const Json root = parse_json(read_text_file(path, kMaxConfigBytes), path, JsonNames::unique);
  expect_fixed(root, "",
               {{"image_mean", kClipMean},
                {"image_std", kClipStd},
                {"do_normalize", "true"},
                {"do_rescale", "true"},
                {"rescale_factor", "0.00392156862745098"}},
               path);
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
  expect_fixed(root, "vision_config", {{"layer_norm_eps", "1e-05"}}, path);
  const std::string only_act = concat('"', name, '"');  // one for both towers
  expect_fixed(root, "text_config", {{"layer_norm_eps", "1e-05"}, {"hidden_act", only_act.c_str()}}, path);
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
  expect_fixed(root, "preprocess_cfg", {{"mean", kClipMean}, {"std", kClipStd}, {"mode", "\"RGB\""}}, path);
  expect_fixed(model, "vision_cfg",
               {{"act_kwargs", R"({"approximate": "none"})"},
                {"norm_kwargs", R"({"eps": 1e-05})"},
                {"pool_type", R"("tok")"},
                {"no_ln_pre", "false"}},
               path);
  expect_fixed(model, "text_cfg",
               {{"act_kwargs", R"({"approximate": "none"})"},
                {"norm_kwargs", R"({"eps": 1e-05})"},
                {"pool_type", R"("argmax")"},
                {"no_causal_mask", "false"},
                {"embed_cls", "false"},
                {"tokenizer_kwargs", "{}"}},
               path);
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
  if (is_hugging_face) detail::expect_clip_pictures(join_path(folder, "preprocessor_config.json"));
  const std::string path = join_path(folder, is_hugging_face ? "config.json" : "open_clip_config.json");
  if (!file_exists(path)) return std::nullopt;
  const Json root = parse_json(read_text_file(path, detail::kMaxConfigBytes), path, JsonNames::unique);
  if (!root.is_object()) fail(ErrorCode::format, concat(path, ": an object is wanted"));
  return is_hugging_face ? detail::read_hugging_face_config(root, path) : detail::read_open_clip_config(root, path);
}

}}  // namespace moeclip::abi_v0_1

#endif
