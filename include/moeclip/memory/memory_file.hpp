// SPDX-License-Identifier: MIT
#pragma once
// A memory as a file: a safetensors file with the tensor "patches" (M, F) and, in its record, what it is valid for. By
// habit it is called NAME.moeclip.

#include <string>

#include "../io/record.hpp"
#include "patch_memory.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes a memory, replacing the file that was there only when the new one is whole. `trained_on` says which pictures
/// it was learned from, as to_json(TrainingPictures) does (data/training_pictures.hpp); null: it is not known. Throws
/// io; contract for one of no pictures, which holds nothing.
template <class T>
void save_memory(const std::string& path, const PatchMemory<T>& memory, const Json& trained_on = {});

/// True if the file says that it holds a memory.
bool holds_memory(const WeightFile& file);

/// What a memory's file says besides its patches. Throws format or missing, naming the file.
MemoryRecord read_memory_record(const WeightFile& file);

/// Reads a memory that was made with the weights of `detector`. Throws mismatch if it was made with others, and as
/// read_memory_record and WeightFile do.
template <class T>
PatchMemory<T> load_memory(Context& context, const WeightFile& file, const BasicDetector<T>& detector);

/// Reads a memory of textures. Throws mismatch if it was made with a detector.
template <class T>
PatchMemory<T> load_texture_memory(Context& context, const WeightFile& file);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <cmath>
#include <type_traits>
#include <utility>

#include "../anomaly/fingerprint.hpp"
#include "../io/json_writer.hpp"
#include "../io/safetensors_writer.hpp"
#include "../io/weight_use.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr const char* kMemoryKey = "memory";  // in the record
inline constexpr const char* kOwnWeightKey = "own_weight";
inline constexpr const char* kPatchesName = "patches";  // of the tensor

inline Json to_json(const MemoryRecord& record) {
  Json held_out = Json::array();
  for (const float score : record.held_out) held_out.push_back(score);
  Json json = Json::object();
  if (record.tiles.is_on()) json.set(kTilesKey, moeclip::to_json(record.tiles));
  if (record.own_weight > 0) json.set(kOwnWeightKey, record.own_weight);
  return json.set("features", to_string(record.features))
      .set("clip", record.clip)
      .set("adapter", record.adapter)
      .set("class", record.class_name)
      .set("image_size", record.image_size)
      .set("pictures", record.pictures)
      .set("turned", record.is_turned)
      .set("text_weight", record.text_weight)
      .set(kImagesKey, moeclip::to_json(record.images))
      .set("unit", record.unit)
      .set("spread", record.spread)
      .set("target_false_positive_rate", record.false_positives)
      .set("threshold", record.threshold)
      .set("pixel_threshold", record.pixel_threshold)
      .set("held_out", std::move(held_out));
}

/// Makes `memory` a part of a file's record. What a picture's own patches say came with the second format: a program
/// that would pass it over is to refuse the file.
inline void set_memory(Json& record, const MemoryRecord& memory) {
  MOECLIP_EXPECT(memory.pictures > 0, "a memory of no good pictures cannot be written: it holds nothing");
  if (memory.own_weight > 0) record.set("format", kRecordFormat);
  record.set(kMemoryKey, to_json(memory));
}

/// Makes the list of pictures that were learned a part of a file's record, where adapters have theirs.
inline void set_trained_on(Json& record, const Json& trained_on) {
  if (!trained_on.is_null()) record.set("trained_on", trained_on);
}

/// The member `name` of a memory's record, a number in [low, high].
inline double number_in(const Json& json, const char* name, std::pair<double, double> range,
                        const std::string& source) {
  const auto value = member<double>(json, name, source);
  if (!(value >= range.first && value <= range.second))
    fail(ErrorCode::format, concat(source, ": the memory's \"", name, "\" is ", value, "; from ", range.first, " to ",
                                   range.second, " was wanted; learn it anew"));
  return value;
}

/// The tensor of patches, (M, width). Throws mismatch for another shape, format for rows that are longer than
/// descriptors are, or no numbers.
template <class T>
Tensor<T> read_patches(const WeightFile& file, index_t width) {
  const WeightEntry& entry = file.entry(kPatchesName);
  if (entry.shape.rank() != 2 || entry.shape[0] < 1 || entry.shape[1] != width)
    fail(ErrorCode::mismatch, concat(file.path(), ": tensor ", in_quotes(kPatchesName), " has the shape ",
                                     to_string(entry.shape), "; (M, ", width, ") was wanted"));
  Tensor<T> patches = file.read<T>(kPatchesName);
  expect_numbers<T>(file, kPatchesName, patches.values());
  constexpr double kLongest = 1.5;  // above sqrt(2), of textures; those of an encoder have unit length
  for (index_t i = 0; i < patches.extent(0); ++i) {
    const auto found = static_cast<double>(length(patches.data() + i * width, width));
    if (!(found <= kLongest))
      fail(ErrorCode::format, concat(file.path(), ": tensor ", in_quotes(kPatchesName), ": row ", i, " has the length ",
                                     found, ", at most 1.5 was wanted; the file is damaged, learn it anew"));
  }
  return patches;
}

}  // namespace detail

template <class T>
void save_memory(const std::string& path, const PatchMemory<T>& memory, const Json& trained_on) {
  const Tensor<T>& patches = memory.patches.rows();
  SafetensorsWriter writer(path);
  writer.announce(detail::kPatchesName, std::is_same_v<T, float> ? DType::f32 : DType::f64, patches.shape());
  Json record = Json::object().set("version", MOECLIP_VERSION_STRING);
  detail::set_memory(record, memory.record);
  detail::set_trained_on(record, trained_on);
  writer.set_metadata(std::string(kRecordKey), dump_json(record));
  writer.begin();
  writer.write(patches.values());
  writer.commit();
}

MOECLIP_FUNC bool holds_memory(const WeightFile& file) {
  const Json record = detail::recorded(file);
  return record.is_object() && record.find(detail::kMemoryKey) != nullptr;
}

MOECLIP_FUNC MemoryRecord read_memory_record(const WeightFile& file) {
  const std::string& source = file.path();
  if (!holds_memory(file))
    fail(ErrorCode::missing, concat(source, ": is no memory of good pictures; `moeclip learn` makes one"));
  const Json record = detail::recorded(file);
  const Json& json = record.at(detail::kMemoryKey);
  const auto number = [&](const char* name, double low, double high) {
    return detail::number_in(json, name, {low, high}, source);
  };
  constexpr double kMost = 1e9;  // pictures; what such numbers are checked against is read from elsewhere
  MemoryRecord memory;
  const auto features = member<std::string>(json, "features", source);
  if (features != "encoder" && features != "texture")
    fail(ErrorCode::unsupported,
         concat(source, ": knows patches by ", in_quotes(features), "; a newer version may read it"));
  if (features == "texture") memory.features = PatchFeatures::texture;
  memory.clip = member<std::string>(json, "clip", source);
  memory.adapter = member<std::string>(json, "adapter", source);
  memory.class_name = member<std::string>(json, "class", source);
  memory.image_size = static_cast<index_t>(number("image_size", 1, 8192));
  memory.pictures = static_cast<index_t>(number("pictures", 1, kMost));
  memory.is_turned = member<bool>(json, "turned", source);
  memory.text_weight = number("text_weight", 0, 1);
  if (json.find(detail::kOwnWeightKey) != nullptr) memory.own_weight = number(detail::kOwnWeightKey, 0, kOwnWeight);
  memory.images = recorded_images(json, source);
  memory.tiles = recorded_tiles(json, source);
  memory.unit = number("unit", 1e-6, 2);
  memory.spread = number("spread", 1e-6, 2);
  memory.false_positives = number("target_false_positive_rate", 0, 1);
  memory.threshold = static_cast<float>(number("threshold", 0, 2));
  memory.pixel_threshold = static_cast<float>(number("pixel_threshold", 0, 2));
  for (const Json& score : member(json, "held_out", source).items())
    memory.held_out.push_back(static_cast<float>(value_of<double>(score, "held_out", source)));
  return memory;
}

namespace detail {

/// The rows of a memory whose record is known to fit.
template <class T>
PatchMemory<T> memory_of(Context& context, const WeightFile& file, MemoryRecord record, index_t width) {
  return {std::move(record), NearestRows<T>(context, read_patches<T>(file, width))};
}

}  // namespace detail

template <class T>
PatchMemory<T> load_memory(Context& context, const WeightFile& file, const BasicDetector<T>& detector) {
  const FloatScope floats;
  MemoryRecord record = read_memory_record(file);
  const auto expect = [&](bool is_same, const auto&... what) {
    if (!is_same)
      fail(ErrorCode::mismatch,
           concat(file.path(), ": was learned with ", what..., "; learn it anew with these weights"));
  };
  expect(record.features == PatchFeatures::encoder, "textures, which take no CLIP");
  expect(record.clip == clip_fingerprint(detector.clip().vision(), detector.clip().text()), "another CLIP");
  expect(record.adapter == adapter_fingerprint(detector.adapter()), "another adapter");
  expect(record.image_size == detector.options().image_size, "pictures of ", counted(record.image_size, "pixel"),
         ", not ", detector.options().image_size);
  return detail::memory_of<T>(context, file, std::move(record), descriptor_width(detector.model()));
}

template <class T>
PatchMemory<T> load_texture_memory(Context& context, const WeightFile& file) {
  const FloatScope floats;
  MemoryRecord record = read_memory_record(file);
  if (record.features != PatchFeatures::texture)
    fail(ErrorCode::mismatch, concat(file.path(), ": was learned with a CLIP; give the same one"));
  return detail::memory_of<T>(context, file, std::move(record), kTextureWidth);
}

MOECLIP_INSTANTIATE(save_memory)
MOECLIP_INSTANTIATE(load_memory)
MOECLIP_INSTANTIATE(load_texture_memory)

}}  // namespace moeclip::abi_v0_1

#endif
