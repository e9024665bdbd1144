// SPDX-License-Identifier: MIT
#pragma once
// A model as one file, which leaves the workshop: safetensors with everything that judging takes and nothing else. It
// holds the image tower, with OpenAI's names and in whatever precision it was rounded to (QUA-1 in clip/README.md); the
// adapter, with its official names, but for the projection of sentences, which is inside the anchors; "anchors"
// (N, 2, C), the words of N classes; "patches" (M, F), what is remembered. The text tower is left out. All settings are
// in the record (io/record.hpp), with the version of the format and where everything came from. The checksum that all
// files of this library have covers every byte.

#include <string_view>

#include "../io/weight_file.hpp"
#include "model.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// True if the file says that it holds a model.
bool holds_model(const WeightFile& file);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <utility>
#include <vector>

#include "../anomaly/adapter_file.hpp"
#include "../clip/checkpoint.hpp"
#include "../io/format_version.hpp"
#include "../io/safetensors.hpp"
#include "memory_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

[[noreturn]] MOECLIP_COLD inline void fail_without_model(const WeightFile& file) {
  const auto has = [&](std::string_view part) {
    return lists::any_of(file.entries(),
                         [&](const WeightEntry& entry) { return entry.name.find(part) != std::string::npos; });
  };
  const char* const what = has("image_adapter")                                          ? "an adapter"
                           : has("visual.conv1.weight") || has("patch_embedding.weight") ? "a CLIP"
                                                                                         : "something else";
  fail(ErrorCode::missing,
       concat(file.path(), ": is no model file but ", what, " (", counted(file.entries().size(), "tensor"),
              " found); `moeclip export` makes a model of CLIP, adapter and good pictures"));
}

/// Throws missing for a file that is no safetensors, with a guess.
inline void expect_safetensors(const WeightBytes& file) {
  constexpr std::pair<std::string_view, const char*> kOthers[] = {
      {"PK\3\4", "a checkpoint of PyTorch or another zip archive"},
      {"\x89PNG", "a picture"},
      {"\xFF\xD8\xFF", "a picture"},
      {"{", "JSON"}};
  const std::string_view text = as_text(file.bytes());
  if (text.size() > 8 && text[8] == '{') return;
  const char* what = text.empty() ? "empty" : "something else";
  for (const auto& [magic, name] : kOthers)
    if (text.starts_with(magic)) what = name;
  fail(ErrorCode::missing, concat(file.name, ": is no model file but ", what,
                                  "; `moeclip export` makes a model of CLIP, adapter and good pictures"));
}

/// The settings of a model's detector, as save_model.hpp writes them.
inline DetectorOptions recorded_options(const Json& json, const std::string& source) {
  const auto choice = [&](const char* name, std::string_view first, std::string_view second) {
    const auto found = member<std::string>(json, name, source);
    if (found != first && found != second)
      fail(ErrorCode::format,
           concat(source, ": \"", name, "\" is ", in_quotes(found), "; ", first, " or ", second, " was wanted"));
    return found == second;
  };
  constexpr double kMost = 8192;  // pixels; beyond it the tokens alone fill a machine
  DetectorOptions options;
  options.image_size = static_cast<index_t>(number_in(json, "image_size", {1, kMost}, source));
  options.threshold = static_cast<float>(number_in(json, "threshold", {-1e9, 1e9}, source));
  if (json.find("pixel_threshold") != nullptr)
    options.pixel_threshold = static_cast<float>(number_in(json, "pixel_threshold", {-1e9, 1e9}, source));
  if (choice("domain", "industrial", "medical")) options.domain = Domain::medical;
  if (choice("map", "probability", "reference")) options.map = MapKind::reference;
  return options;
}

/// The detector of a model, whose words are encoded already.
inline Detector recorded_detector(Context& context, const WeightFile& file, const Json& json) {
  const DetectorOptions options = recorded_options(json, file.path());
  const ClipFile clip = recognise_vision(file);
  const VisionConfig& vision = clip.config.vision;
  const index_t grid = options.image_size / vision.patch_size;
  if (grid * vision.patch_size != options.image_size || grid * grid > kMostModelPatches)
    fail(ErrorCode::format,
         concat(file.path(), ": pictures of ", counted(options.image_size, "pixel"), " cannot be cut into patches of ",
                vision.patch_size, ", ", index_t{kMostModelPatches}, " at most"));
  VisionTower<float> tower = load_vision<float>(context, clip, clip.config.activation, clip.precision);
  Adapter<float> adapter = records_switches(file) ? load_adapter<float>(context, file, clip.config)
                                                  : plain_adapter<float>(context, tower, {});
  return Detector(Clip<float>(clip.config, std::move(tower)), std::move(adapter), options);
}

/// The words of all classes.
inline std::vector<TextAnchors<float>> recorded_anchors(const WeightFile& file, const Json& json, index_t embed) {
  const Json& classes = member(json, "classes", file.path());
  const auto scale = static_cast<float>(number_in(json, "similarity_scale", {-1e9, 1e9}, file.path()));
  const auto count = static_cast<index_t>(classes.items().size());
  if (count == 0) return {};
  const Shape wanted{count, 2, embed};
  const WeightEntry& entry = file.entry(kAnchorsName);
  if (!(entry.shape == wanted))
    fail(ErrorCode::mismatch, concat(file.path(), ": tensor ", in_quotes(kAnchorsName), " has the shape ",
                                     to_string(entry.shape), "; ", to_string(wanted), " was wanted"));
  const auto all = file.read<float>(kAnchorsName);
  std::vector<TextAnchors<float>> anchors;
  for (index_t i = 0; i < count; ++i) {
    const Json& name = classes.at(static_cast<std::size_t>(i));
    anchors.push_back({value_of<std::string>(name, "classes", file.path()), Tensor<float>({2, embed}), scale});
    std::copy_n(all.data() + i * 2 * embed, 2 * embed, anchors.back().vectors.data());
  }
  return anchors;
}

}  // namespace detail

MOECLIP_FUNC bool holds_model(const WeightFile& file) {
  const Json record = detail::recorded(file);
  return record.is_object() && record.find(detail::kModelKey) != nullptr;
}

MOECLIP_FUNC PartModel PartModel::load(const std::string& path, int threads) {
  Context context({.threads = threads});
  WeightBytes bytes = WeightBytes::map(path);
  detail::expect_safetensors(bytes);
  return load(context, WeightFile(read_safetensors(std::move(bytes), &context)));
}

MOECLIP_FUNC PartModel PartModel::load(Context& context, const WeightFile& file) {
  const std::string& source = file.path();
  const bool has_memory = holds_memory(file);
  if (!holds_model(file) && !has_memory) detail::fail_without_model(file);
  PartModel model;
  if (has_memory) {
    MemoryRecord record = read_memory_record(file);
    model.images = record.images;
    model.tiles = record.tiles;
    model.threshold_source = "good pictures";
    if (record.features == PatchFeatures::texture)
      model.memory = detail::memory_of<float>(context, file, std::move(record), kTextureWidth);
    else if (!holds_model(file))
      fail(ErrorCode::missing, concat(source,
                                      ": remembers what a CLIP saw, and does not hold that CLIP; `moeclip "
                                      "export --clip FILE --good ",
                                      source, "` makes a model of both"));
  }
  if (!holds_model(file)) return model;
  const Json record = detail::recorded(file);
  const Json& json = record.at(detail::kModelKey);
  detail::expect_version(member(json, "format", source), {kModelVersion, kModelVersion}, source, "a model file",
                         "export the model again");
  model.threshold_source = member<std::string>(json, "threshold_source", source);
  if (model.memory) return model;
  model.images = recorded_images(json, source);
  model.tiles = recorded_tiles(json, source);
  model.detector = detail::recorded_detector(context, file, json);
  const Detector& detector = *model.detector;
  model.anchors = detail::recorded_anchors(file, json, detector.clip().config().embed);
  if (has_memory)
    model.memory =
        detail::memory_of<float>(context, file, read_memory_record(file), descriptor_width(detector.model()));
  const bool wants_words = !model.memory || model.memory->record.text_weight > 0;
  if (wants_words && model.anchors.empty())
    fail(ErrorCode::missing, concat(source, ": words have a say in this model, but it holds none"));
  return model;
}

}}  // namespace moeclip::abi_v0_1

#endif
