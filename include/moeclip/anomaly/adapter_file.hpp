// SPDX-License-Identifier: MIT
#pragma once
// Reads adapters from the official checkpoints (moe_epoch_N.pth, moe_last.pth) and from safetensors files with the same
// names (METHOD section 9). Settings are recognised from names and shapes; what those cannot tell is recorded in the
// files of this library (train/checkpoint.hpp), or is an option.

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "../base/lists.hpp"
#include "../clip/checkpoint.hpp"
#include "../io/json.hpp"
#include "../io/weight_use.hpp"
#include "adapter.hpp"
#include "adapter_options.hpp"
#include "adapter_record.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// An adapter file by the canonical dotted names: a PyTorch checkpoint nests them ("image_adapter/seg_proj.0..."), and
/// what has wrapped the two parts for training has left its name before or behind them ("module.", "_orig_mod.").
struct AdapterFile {
  WeightFile file;           ///< the opened weights
  std::string text_prefix;   ///< what the file has in place of "text_adapter."
  std::string image_prefix;  ///< and of "image_adapter."

  /// What the file calls the tensor of this canonical name.
  [[nodiscard]] std::string stored(const std::string& name) const {
    const std::size_t dot = name.find('.') + 1;
    return (name.starts_with("text") ? text_prefix : image_prefix) + name.substr(dot);
  }
  /// Tensors that lie in neither part, but for an optimiser's state: nothing reads them.
  [[nodiscard]] std::vector<std::string> unused() const {
    std::vector<std::string> names;
    for (const WeightEntry& entry : file.entries())
      if (!entry.name.starts_with(text_prefix) && !entry.name.starts_with(image_prefix) &&
          !is_optimizer_state(entry.name))
        names.push_back(entry.name);
    return names;
  }
  /// Whether the file has the tensor of this canonical name.
  [[nodiscard]] bool has(const std::string& name) const { return file.find(stored(name)) != nullptr; }
  /// Shape of the tensor of this canonical name. Throws missing if the file does not have it.
  [[nodiscard]] const Shape& shape(const std::string& name) const { return file.entry(stored(name)).shape; }

  /// How many of prefix0suffix, prefix1suffix, ... there are.
  [[nodiscard]] index_t count(std::string_view prefix, std::string_view suffix) const {
    index_t number = 0;
    while (has(concat(prefix, number, suffix))) ++number;
    return number;
  }

  /// One more than the largest number that follows `prefix` in a name; so a tensor that lacks is asked for and missed.
  [[nodiscard]] index_t count_numbered(const std::string& prefix) const {
    const std::string start = stored(prefix);
    index_t count = 0;
    for (const WeightEntry& entry : file.entries()) {
      if (!entry.name.starts_with(start)) continue;
      index_t number = 0;
      const char* const first = entry.name.data() + start.size();
      const auto end = std::from_chars(first, entry.name.data() + entry.name.size(), number);
      if (end.ec != std::errc() || number < 0 || number >= kMostNumbered)
        fail(ErrorCode::format, concat(file.path(), ": tensor ", in_quotes(entry.name), " should have a number below ",
                                       index_t{kMostNumbered}, " after ", in_quotes(start)));
      count = (std::max)(count, number + 1);
    }
    return count;
  }

  static constexpr index_t kMostNumbered = 1024;  // mixtures or experts; more are a mistake, not a model
};

/// Finds the adapter in an open weight file. Throws mismatch if there is none, or several.
AdapterFile recognise_adapter_file(WeightFile file);

/// The configuration of an adapter file for an image tower of `layers` blocks.
AdapterConfig recognise_adapter(const AdapterFile& adapter, index_t layers, const AdapterOptions& wanted);

/// Reads the adapter in a weight file for `clip`, plain (not packed); for a CLIP without text tower (text.width 0), one
/// whose projection of sentences was left out too. Throws what WeightFile throws, and mismatch, with
/// the shapes on both sides, if it was trained for another CLIP; unsupported if it has more than an adapter has.
template <class T>
Adapter<T> read_adapter(const WeightFile& weights, const ClipConfig& clip, const AdapterOptions& options = {});

/// The same, packed for inference.
template <class T>
Adapter<T> load_adapter(Context& context, const WeightFile& file, const ClipConfig& clip,
                        const AdapterOptions& options = {});

/// The same from the file at `path`.
template <class T>
Adapter<T> load_adapter(Context& context, const std::string& path, const ClipConfig& clip,
                        const AdapterOptions& options = {}) {
  return load_adapter<T>(context, WeightFile::open(path), clip, options);
}

/// No adapter: CLIP's own projections, patch tokens of the last block, the class token for the whole image. `vision`
/// and `text` are the towers whose projections it copies.
template <class T>
Adapter<T> plain_adapter(Context& context, const VisionTower<T>& vision, const TextTower<T>& text);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <cmath>
#include <utility>

#include "../io/weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

[[noreturn]] MOECLIP_COLD inline void fail_without_adapter(const WeightFile& file) {
  const bool is_clip = lists::any_of(file.entries(), [](const WeightEntry& entry) {
    return entry.name.ends_with("visual.conv1.weight") || entry.name.ends_with("patch_embedding.weight");
  });
  fail(ErrorCode::mismatch, concat(file.path(),
                                   is_clip ? ": this is a CLIP, not a MoECLIP adapter; give it as the CLIP (--clip)"
                                           : ": no MoECLIP adapter is in this file; the tensors of one are named "
                                             "text_adapter.0.fc.0.weight, image_adapter.seg_proj.0.fc.weight and so on",
                                   " (", counted(file.entries().size(), "tensor"), " found)"));
}

/// Throws mismatch if `file` is what methods/ writes, some of which have an adapter's names too.
inline void expect_no_method_file(const WeightFile& file) {
  const Json record = recorded(file);
  const Json* const method = record.is_object() ? record.find("method") : nullptr;
  if (method != nullptr && method->is_string())
    fail(ErrorCode::mismatch,
         concat(file.path(), ": is of the method ", method->as_string(),
                ", not a MoECLIP adapter; `detect`, `eval`, `calibrate` and `serve` judge with it"));
}

/// Where the image part is: named as the text part is, as `adapter` says already; else under `name`, if one of the two
/// alone was wrapped; never in a copy whose name goes on otherwise (image_adapter_ema).
inline void find_image_part(AdapterFile& adapter, std::string_view name) {
  std::vector<std::string> found;
  for (const char* tail : {"seg_proj.0.fc.weight", "seg_proj.0.fc.0.weight"})
    for (std::string& prefix : prefixes_of(adapter.file, tail))
      if (prefix.starts_with(name)) found.push_back(std::move(prefix));
  if (found.empty() || lists::find(found, adapter.image_prefix) != found.end()) return;
  const auto is_copy = [](const std::string& prefix) {
    const char after = prefix[prefix.rfind("_adapter") + std::string_view("_adapter").size()];
    return after != '.' && after != '/';
  };
  if (lists::any_of(found, is_copy) || is_copy(adapter.text_prefix)) found.push_back(adapter.text_prefix);
  expect_one_model(adapter.file, found);
  adapter.image_prefix = found.front();
}

}  // namespace detail

MOECLIP_FUNC AdapterFile recognise_adapter_file(WeightFile file) {
  detail::expect_no_model_file(file);
  detail::expect_no_method_file(file);
  const std::string_view text_part = "text_adapter", image_part = "image_adapter";
  std::vector<std::string> found = detail::prefixes_of(file, "0.fc.0.weight");
  std::erase_if(found, [&](const std::string& prefix) { return prefix.find(text_part) == prefix.npos; });
  detail::expect_one_model(file, found);
  if (found.empty()) detail::fail_without_adapter(file);
  const std::string& text = found.front();
  const std::size_t at = text.rfind(text_part);
  AdapterFile adapter{std::move(file), text, text.substr(0, at)};
  adapter.image_prefix += concat(image_part, text.substr(at + text_part.size()));
  detail::find_image_part(adapter, concat(text.substr(0, at), image_part));
  return adapter;
}

namespace detail {

inline void expect_blocks(const std::string& path, const std::vector<index_t>& blocks, index_t count, index_t layers,
                          std::string_view what) {
  if (std::ssize(blocks) != count)
    fail(ErrorCode::mismatch,
         concat(path, ": has ", count, " ", what, ", but ", counted(blocks.size(), "block"), " are named"));
  for (const index_t block : blocks)
    if (block < 1 || block > layers)
      fail(ErrorCode::mismatch,
           concat("block ", block, " does not exist in an image tower of ", counted(layers, "block")));
}

/// Levels and aggregation from the number of projections: one per level, or one per map with `separate` projections.
inline void recognise_levels(const AdapterFile& adapter, const AdapterOptions& options, AdapterConfig& config) {
  const std::string prefix = "image_adapter.seg_proj.";
  config.use_relu = adapter.has(prefix + "0.fc.0.weight");
  const index_t projections = adapter.count(prefix, config.use_relu ? ".fc.0.weight" : ".fc.weight");
  const index_t mixtures = adapter.count_numbered("image_adapter.moe_adapters.");
  const index_t levels = !options.level_blocks.empty() ? std::ssize(options.level_blocks)
                         : mixtures > 0                ? mixtures
                                                       : projections;
  const auto windows = std::ssize(config.windows);
  config.use_separate_projections = projections == levels * windows && projections != levels;
  if (!config.use_separate_projections && projections != levels)
    fail(ErrorCode::mismatch,
         concat(adapter.file.path(), ": has ", counted(projections, "projection"), " seg_proj for ",
                counted(levels, "level"), "; ", levels, " or ", levels * windows, " were wanted"));
  if (config.use_separate_projections && options.use_aggregation == false)
    fail(ErrorCode::mismatch, concat(adapter.file.path(), ": its ", counted(projections, "projection"),
                                     " were trained with aggregation; it cannot be switched off"));
  if (options.use_aggregation == false) config.windows = {1};
  config.level_blocks.resize(static_cast<std::size_t>(levels));
  config.mixture_blocks.resize(static_cast<std::size_t>(mixtures));
}

/// Throws mismatch if `options` say something else than the record about what both say.
inline void expect_agreement(const std::string& path, const Json& record, const AdapterOptions& options, index_t rank) {
  const auto expect = [&](std::string_view what, double recorded, std::optional<double> wanted) {
    if (!wanted || std::abs(*wanted - recorded) <= 1e-9 * std::abs(recorded)) return;
    fail(ErrorCode::mismatch, concat(path, ": records ", what, " ", recorded, ", but ", *wanted, " was asked for"));
  };
  const double scale = record.at("scale").as_number();
  expect("top-k (experts per token)", record.at("chosen").as_number(), options.chosen);
  expect("alpha", scale * static_cast<double>(rank), options.alpha);
  expect("scale", scale, options.scale);
  expect("mix weight", record.at("mix_weight").as_number(), options.mix_weight);
  expect("similarity scale", record.at("similarity_scale").as_number(), options.similarity_scale);
  const bool is_aggregated = record.at("use_aggregation").as_bool();
  if (options.use_aggregation && *options.use_aggregation != is_aggregated)
    fail(ErrorCode::mismatch, concat(path, ": records that it was trained ", is_aggregated ? "with" : "without",
                                     " patch aggregation (PAA), but the opposite was asked for"));
}

/// Throws unsupported if a part of the adapter has floating-point tensors beside `used`: they would have changed the
/// result.
inline void expect_all_used(const AdapterFile& adapter, std::vector<std::string> used) {
  lists::sort(used);
  std::vector<std::string> changing;
  for (const WeightEntry& entry : adapter.file.entries())
    if ((entry.name.starts_with(adapter.text_prefix) || entry.name.starts_with(adapter.image_prefix)) &&
        is_floating(entry.dtype) && !lists::binary_search(used, entry.name))
      changing.push_back(entry.name);
  if (!changing.empty())
    fail(ErrorCode::unsupported, concat(adapter.file.path(), ": has ", count_and_names(changing),
                                        " for which an adapter has no place; without them the result would be another, "
                                        "so the file is not read"));
}

/// `options` with what is unset taken from the record.
inline AdapterOptions with_recorded(const WeightFile& file, AdapterOptions options, index_t rank) {
  MOECLIP_EXPECT(!options.scale || !options.alpha, "an adapter's scale is alpha / r: give one of the two");
  const Json record = recorded_switches(file);
  if (record.is_null()) return options;
  if (!options.overrides_record) {
    expect_agreement(file.path(), record, options, rank);
    options.alpha.reset();  // the recorded scale has all digits
    options.scale.reset();
  }
  const auto blocks = [&](const char* name, std::vector<index_t>& list) {
    if (!list.empty()) return;
    for (const Json& block : record.at(name).items()) list.push_back(block.as_int64());
  };
  blocks("mixture_blocks", options.mixture_blocks);
  blocks("level_blocks", options.level_blocks);
  if (!options.chosen) options.chosen = record.at("chosen").as_int64();
  if (!options.scale && !options.alpha) options.scale = record.at("scale").as_number();
  if (!options.mix_weight) options.mix_weight = record.at("mix_weight").as_number();
  if (!options.similarity_scale) options.similarity_scale = record.at("similarity_scale").as_number();
  if (!options.use_aggregation) options.use_aggregation = record.at("use_aggregation").as_bool();
  return options;
}

}  // namespace detail

MOECLIP_FUNC AdapterConfig recognise_adapter(const AdapterFile& adapter, index_t layers, const AdapterOptions& wanted) {
  AdapterConfig config;
  const std::string first = "image_adapter.moe_adapters.0.";
  const index_t mixtures = adapter.count_numbered("image_adapter.moe_adapters.");
  if (mixtures > 0) {
    config.experts = adapter.count_numbered(first + "experts.");
    const Shape& shape = adapter.shape(first + "experts.0.lora_A.weight");
    if (shape.rank() == 0 || shape[0] < 1)
      fail(ErrorCode::mismatch, concat(adapter.file.path(), ": the experts' lora_A are no matrices"));
    config.rank = shape[0];
  }
  const AdapterOptions options = detail::with_recorded(adapter.file, wanted, config.rank);
  detail::recognise_levels(adapter, options, config);
  const std::string& path = adapter.file.path();
  config.chosen = options.chosen.value_or(std::min<index_t>(2, config.experts));
  if (config.chosen < 1 || config.chosen > config.experts)
    fail(ErrorCode::mismatch,
         concat(path, ": ", counted(config.chosen, "expert"), " per token were asked for; it has ", config.experts));
  config.scale =
      options.alpha ? *options.alpha / static_cast<double>(config.rank) : options.scale.value_or(config.scale);
  config.mix_weight = options.mix_weight.value_or(config.mix_weight);
  config.similarity_scale = options.similarity_scale.value_or(config.similarity_scale);
  const auto or_spread = [&](const std::vector<index_t>& given, index_t count) {
    if (given.empty() && count > layers)
      fail(ErrorCode::mismatch, concat(path, ": was trained for an image tower of at least ", counted(count, "block"),
                                       ", this CLIP's has ", layers, "; use the CLIP that it was trained on"));
    return given.empty() ? detail::evenly_spread(layers, count) : given;
  };
  config.mixture_blocks = or_spread(options.mixture_blocks, mixtures);
  config.level_blocks = or_spread(options.level_blocks, config.levels());
  detail::expect_blocks(path, config.mixture_blocks, mixtures, layers, "mixtures of experts");
  detail::expect_blocks(path, config.level_blocks, config.levels(), layers, "levels");
  return config;
}

template <class T>
Adapter<T> read_adapter(const WeightFile& weights, const ClipConfig& clip, const AdapterOptions& options) {
  const bool has_text = clip.text.width > 0;
  const AdapterFile file =
      has_text ? recognise_adapter_file(weights) : AdapterFile{weights, "text_adapter.", "image_adapter."};
  const std::string& path = weights.path();
  const AdapterConfig config = recognise_adapter(file, clip.vision.layers, options);
  const auto expect_shape = [&](const WeightEntry& entry, const Shape& wanted) {
    if (entry.shape.size() != wanted.size() || entry.shape.rank() == 0 || entry.shape[0] != wanted[0])
      fail(ErrorCode::mismatch,
           concat(path, ": tensor ", in_quotes(entry.name), " is ", to_string(entry.shape), ", but this CLIP (",
                  preset_name(clip), ", image width ", clip.vision.width, ", text width ", clip.text.width, ", joint ",
                  clip.embed, ") wants ", to_string(wanted), "; use the CLIP that the adapter was trained on"));
  };
  const auto entry_of = [&](const std::string& name) -> const WeightEntry& {
    const WeightEntry& entry = file.file.entry(file.stored(name));
    expect_weights(file.file, entry);
    return entry;
  };
  // what tells another CLIP best, and before room for experts of any rank is taken
  if (has_text) expect_shape(entry_of("text_adapter.0.fc.0.weight"), {clip.embed, clip.text.width});
  expect_shape(entry_of(concat("image_adapter.seg_proj.0.fc", config.use_relu ? ".0.weight" : ".weight")),
               {clip.embed, clip.vision.width});
  for (index_t j = 0; j < std::ssize(config.mixture_blocks); ++j)
    expect_shape(entry_of(concat("image_adapter.moe_adapters.", j, ".experts.0.lora_A.weight")),
                 {config.rank, clip.vision.width});
  Adapter<T> adapter(config, clip.vision.width, clip.embed, clip.text.width);
  std::vector<std::string> used;
  visit_parameters(adapter, "", [&](const std::string& name, Tensor<T>& tensor) {
    if (tensor.empty()) return;
    const WeightEntry& entry = entry_of(name);
    used.push_back(entry.name);
    const Shape wanted = tensor.shape();
    expect_shape(entry, wanted);
    tensor = file.file.read<T>(entry.name);
    expect_numbers<T>(file.file, entry.name, tensor.values());
    tensor.reshape(wanted);
  });
  detail::expect_all_used(file, std::move(used));
  return adapter;
}

template <class T>
Adapter<T> load_adapter(Context& context, const WeightFile& file, const ClipConfig& clip,
                        const AdapterOptions& options) {
  const FloatScope floats;
  Adapter<T> adapter = read_adapter<T>(file, clip, options);
  pack(context, adapter);
  return adapter;
}

template <class T>
Adapter<T> plain_adapter(Context& context, const VisionTower<T>& vision, const TextTower<T>& text) {
  const FloatScope floats;
  Adapter<T> adapter;
  adapter.config.level_blocks = {vision.config.layers};
  adapter.text_activation = kernels::Activation::none;
  if (!text.projection.empty()) adapter.text.weight = detail::transpose(text.projection);
  adapter.projections.emplace_back().weight = detail::transpose(vision.projection);
  pack(context, adapter);
  return adapter;
}

MOECLIP_INSTANTIATE(read_adapter)
#if defined(MOECLIP_COMPILED)
template Adapter<float> load_adapter(Context&, const WeightFile&, const ClipConfig&, const AdapterOptions&);
template Adapter<double> load_adapter(Context&, const WeightFile&, const ClipConfig&, const AdapterOptions&);
#endif
MOECLIP_INSTANTIATE(plain_adapter)

}}  // namespace moeclip::abi_v0_1

#endif
