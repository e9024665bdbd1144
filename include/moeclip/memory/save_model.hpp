// SPDX-License-Identifier: MIT
#pragma once
// Writes a model as one file (model_file.hpp). The same model gives the same bytes: nothing in them is a date.

#include <string>

#include "../io/json_value.hpp"
#include "model.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes `model` to `path`; `provenance` says where it came from, for people, and `trained_on` which pictures it has
/// learned, as for save_memory. Throws io; contract for a model that cannot judge, one without words and memory, or
/// whose pictures have more than kMostModelPatches.
void save_model(const std::string& path, const PartModel& model, const Json& provenance, const Json& trained_on = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <map>
#include <utility>

#include "../clip/save_quantized.hpp"
#include "memory_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// What a model says of itself beside weights, memory and adapter.
inline Json model_record(const PartModel& model, const Json& provenance) {
  Json json = Json::object()
                  .set("format", int{kModelVersion})
                  .set("threshold_source", model.threshold_source)
                  .set("provenance", provenance);
  if (!model.detector) return json;
  const DetectorOptions& options = model.detector->options();
  Json classes = Json::array();
  for (const TextAnchors<float>& words : model.anchors) classes.push_back(words.name);
  if (options.pixel_threshold) json.set("pixel_threshold", *options.pixel_threshold);
  if (model.tiles.is_on()) json.set(kTilesKey, to_json(model.tiles));
  return json.set("image_size", options.image_size)
      .set("threshold", options.threshold)
      .set("domain", options.domain == Domain::medical ? "medical" : "industrial")
      .set("map", options.map == MapKind::reference ? "reference" : "probability")
      .set(kImagesKey, to_json(model.images))
      .set("classes", std::move(classes))
      .set("similarity_scale", model.anchors.empty() ? 0.0f : model.anchors[0].similarity_scale);
}

}  // namespace detail

MOECLIP_FUNC void save_model(const std::string& path, const PartModel& model, const Json& provenance,
                             const Json& trained_on) {
  MOECLIP_EXPECT(model.memory || (model.detector && !model.anchors.empty()),
                 "a model has a memory, or a detector and words to compare with");
  ParameterWriter writer;
  std::map<std::string, std::string> metadata;
  Json record = Json::object().set("version", MOECLIP_VERSION_STRING);
  Tensor<float> anchors;
  if (model.detector) {
    const Clip<float>& clip = model.detector->clip();
    const Adapter<float>& adapter = model.detector->adapter();
    MOECLIP_EXPECT(model.detector->positions().extent(0) <= kMostModelPatches, "pictures of ",
                   model.detector->options().image_size, " pixels have too many patches for a model file");
    add_vision(writer, clip.vision());
    metadata = stored_clip_metadata(clip.config(), precision_of_blocks(clip.vision()));
    if (adapter.detection) {  // else it is CLIP's own projection, which the tower has
      writer.add_all("", adapter);
      writer.leave_out("text_adapter.0.fc.0.weight");
      record.set("adapter", adapter_record(adapter.config, clip.config().activation));
    }
    const index_t count = std::ssize(model.anchors), size = 2 * clip.config().embed;
    anchors = Tensor<float>({count, 2, clip.config().embed});
    for (index_t i = 0; i < count; ++i)
      std::copy_n(model.anchors[static_cast<std::size_t>(i)].vectors.data(), size, anchors.data() + i * size);
    writer.add(detail::kAnchorsName, anchors);
  }
  if (model.memory) {
    writer.add(detail::kPatchesName, model.memory->patches.rows());
    detail::set_memory(record, model.memory->record);
  }
  detail::set_trained_on(record, trained_on);
  metadata[std::string(kRecordKey)] = dump_json(record.set(detail::kModelKey, detail::model_record(model, provenance)));
  writer.save(path, metadata);
}

}}  // namespace moeclip::abi_v0_1

#endif
