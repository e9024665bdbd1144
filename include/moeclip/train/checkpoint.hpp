// SPDX-License-Identifier: MIT
#pragma once
// A training run on disk: one safetensors file holds the adapter under its official names, Adam's moments as
// "adam.m.NAME" and "adam.v.NAME", and everything else as JSON in __metadata__. The file is either complete or not
// there (io/file.hpp), and detection reads the same file (anomaly/adapter_file.hpp).

#include <string>

#include "../anomaly/adapter_record.hpp"
#include "../clip/config.hpp"
#include "../data/training_pictures.hpp"
#include "../image/image_record.hpp"
#include "../io/record.hpp"
#include "../io/safetensors_writer.hpp"
#include "../kernels/isa.hpp"
#include "moments.hpp"
#include "recipe.hpp"
#include "run_position.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What decides the bits of a run. A resumed run must have the same.
struct RunIdentity {
  Recipe recipe;           ///< all options
  std::uint64_t seed = 0;  ///< of first values, order, augmentations and dropout
  index_t batch = 2;       ///< pictures per step
  index_t image_size = 0;  ///< pixels a side of the square that the model sees
  std::string clip, data;  ///< fingerprints
  ImageOptions images;     ///< how pictures are read
};

/// What a checkpoint says about its run: all but the tensors.
struct CheckpointRecord {
  RunIdentity identity;                                        ///< what a run that resumes must share
  RunPosition position;                                        ///< how far the run had come
  AdapterConfig adapter;                                       ///< sizes and switches of the adapter
  kernels::Activation activation = kernels::Activation::gelu;  ///< of the CLIP's blocks
  std::string isa, version;                                    ///< of the program that wrote it
  TrainingPictures trained_on = {};  ///< files that this adapter has seen; drawn ones are none
  TrainingPictures judged_by = {};   ///< files by which the weights to keep were chosen
};

/// A checkpoint in memory.
template <class T>
struct Checkpoint {
  CheckpointRecord record;           ///< about the run
  Adapter<T> adapter;                ///< plain, memory of its own
  typename Adam<T>::States moments;  ///< of every parameter that Adam has updated
};

/// Writes a checkpoint to `path`, replacing the one that was there only when the new one is whole. Throws io.
template <class T>
void write_checkpoint(const std::string& path, const CheckpointRecord& record, const Adapter<T>& adapter,
                      const typename Adam<T>::States& moments);

/// The same for an adapter that comes from elsewhere, with the `record` of the file that it comes from (record_of).
template <class T>
void write_adapter(const std::string& path, Json record, const Adapter<T>& adapter,
                   const typename Adam<T>::States& moments);

/// The same if nothing is known of its run but the number of epochs. Its switches are recorded.
template <class T>
void write_adapter(const std::string& path, index_t epoch, const Adapter<T>& adapter,
                   const typename Adam<T>::States& moments);

/// True if the file holds a run that can be resumed.
bool holds_run(const WeightFile& file);

/// What a checkpoint says about its run, without the tensors. Throws missing if it is none.
CheckpointRecord read_record(const WeightFile& file);

/// Reads a checkpoint that was written for a CLIP of the sizes `clip`. Throws missing if it is none, mismatch if it is
/// for another CLIP, and what WeightFile throws.
template <class T>
Checkpoint<T> read_checkpoint(const WeightFile& file, const ClipConfig& clip);

/// Throws mismatch, saying in what, if a run of identity `wanted` cannot go on from the checkpoint at `path`.
void expect_same_run(const std::string& path, const RunIdentity& found, const RunIdentity& wanted);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <map>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../anomaly/adapter_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline Json to_json(const CheckpointRecord& record) {
  const RunIdentity& id = record.identity;
  const RunPosition& at = record.position;
  Json json = Json::object();
  json.set("version", record.version)
      .set("isa", record.isa)
      .set("adapter", adapter_record(record.adapter, record.activation))
      .set("recipe", moeclip::to_json(id.recipe))
      .set("seed", id.seed)
      .set("batch", id.batch)
      .set("image_size", id.image_size)
      .set("clip", id.clip)
      .set("data", id.data)
      .set(kImagesKey, moeclip::to_json(id.images))
      .set("step", at.step)
      .set("epoch", at.epoch)
      .set("epoch_batch", at.batch)
      .set("schedule_start", at.schedule_start);
  if (!record.trained_on.empty()) json.set(std::string(kTrainedOnKey), moeclip::to_json(record.trained_on));
  if (!record.judged_by.empty()) json.set(std::string(kJudgedByKey), moeclip::to_json(record.judged_by));
  return json;
}

inline CheckpointRecord record_from_json(const Json& json, const WeightFile& file) {
  CheckpointRecord record;
  RunIdentity& id = record.identity;
  RunPosition& at = record.position;
  record.version = json.at("version").as_string();
  record.isa = json.at("isa").as_string();
  record.activation = trained_activation(file);
  id.recipe = recipe_from_json(json.at("recipe"), file.path());
  id.seed = json.at("seed").as_uint64();
  id.batch = json.at("batch").as_int64();
  id.image_size = trained_image_size(file);
  id.clip = json.at("clip").as_string();
  id.data = json.at("data").as_string();
  id.images = recorded_images(json, file.path());
  const auto count = [&](const char* name) { return checked_count(file, name, json.at(name).as_number()); };
  at.step = count("step");
  at.epoch = count("epoch");
  at.batch = count("epoch_batch");
  at.schedule_start = count("schedule_start");
  record.trained_on = trained_on(file).value_or(TrainingPictures());
  record.judged_by = judged_by(file);
  return record;
}

/// Writes an adapter and Adam's moments, with `record` and the moments' step counts as metadata.
template <class T>
void write_run(const std::string& path, Json record, const Adapter<T>& adapter,
               const typename Adam<T>::States& moments) {
  constexpr DType kType = std::is_same_v<T, float> ? DType::f32 : DType::f64;
  std::map<std::string, const Tensor<T>*> tensors;
  visit_parameters(adapter, "", [&](const std::string& name, const Tensor<T>& tensor) { tensors[name] = &tensor; });
  Json steps = Json::object();
  for (const auto& [name, state] : moments) {
    tensors[concat(kFirstMoment, name)] = &state.m;
    tensors[concat(kSecondMoment, name)] = &state.v;
    steps.set(name, state.step);
  }
  SafetensorsWriter writer(path);
  for (const auto& [name, tensor] : tensors) writer.announce(name, kType, tensor->shape());
  writer.set_metadata("format", "pt");  // what other readers of safetensors expect to find
  writer.set_metadata(std::string(kRecordKey), dump_json(record.set("adam_steps", std::move(steps))));
  writer.begin();
  for (const std::string& name : writer.order()) writer.write(tensors.at(name)->values());
  writer.commit();
}

}  // namespace detail

template <class T>
void write_checkpoint(const std::string& path, const CheckpointRecord& record, const Adapter<T>& adapter,
                      const typename Adam<T>::States& moments) {
  detail::write_run<T>(path, detail::to_json(record), adapter, moments);
}

template <class T>
void write_adapter(const std::string& path, Json record, const Adapter<T>& adapter,
                   const typename Adam<T>::States& moments) {
  detail::write_run<T>(path, std::move(record), adapter, moments);
}

template <class T>
void write_adapter(const std::string& path, index_t epoch, const Adapter<T>& adapter,
                   const typename Adam<T>::States& moments) {
  write_adapter<T>(path,
                   Json::object()
                       .set("version", MOECLIP_VERSION_STRING)
                       .set("epoch", epoch)
                       .set("adapter", adapter_record(adapter.config, kernels::Activation::gelu)),
                   adapter, moments);
}

MOECLIP_FUNC bool holds_run(const WeightFile& file) {
  const Json record = detail::recorded(file);
  return record.is_object() && record.find("step") != nullptr;
}

MOECLIP_FUNC CheckpointRecord read_record(const WeightFile& file) {
  if (!holds_run(file))
    fail(ErrorCode::missing, concat(file.path(),
                                    ": holds no training run, so it cannot be resumed; start from its "
                                    "weights (--start) instead"));
  return detail::record_from_json(detail::recorded(file), file);
}

template <class T>
Checkpoint<T> read_checkpoint(const WeightFile& file, const ClipConfig& clip) {
  if (file.kind() != WeightKind::safetensors)
    fail(ErrorCode::missing, concat(file.path(), ": a run is resumed from .safetensors; convert it first"));
  Checkpoint<T> checkpoint{read_record(file), read_adapter<T>(file, clip), {}};
  checkpoint.moments = detail::read_moments<T>(file, checkpoint.adapter);
  checkpoint.record.adapter = checkpoint.adapter.config;
  visit_parameters(checkpoint.adapter, "", [](const std::string&, Tensor<T>& tensor) {
    tensor = Tensor<T>(std::as_const(tensor));  // a copy: the file will be replaced while the run goes on
  });
  return checkpoint;
}

MOECLIP_FUNC void expect_same_run(const std::string& path, const RunIdentity& found, const RunIdentity& wanted) {
  const auto expect = [&](bool is_same, const auto&... pieces) {
    if (!is_same) fail(ErrorCode::mismatch, concat(path, ": cannot be resumed: ", pieces...));
  };
  expect(found.clip == wanted.clip,
         "it was trained on another CLIP, or in another precision; give what it was started with");
  expect(found.data == wanted.data, "it was trained on other data; give the same files in the same order");
  const std::string differences = recipe_differences(found.recipe, wanted.recipe);
  expect(differences.empty(), "its recipe differs (there, here): ", differences);
  expect(found.seed == wanted.seed, "its seed is ", found.seed, ", not ", wanted.seed);
  expect(found.batch == wanted.batch, "its batch size is ", found.batch, ", not ", wanted.batch);
  expect(found.image_size == wanted.image_size, "its image size is ", found.image_size, ", not ", wanted.image_size);
  expect(found.images == wanted.images, "its pictures were read ", describe_reading(found.images), ", not ",
         describe_reading(wanted.images));
}

MOECLIP_INSTANTIATE(write_checkpoint)
MOECLIP_INSTANTIATE(read_checkpoint)
#if defined(MOECLIP_COMPILED)
template void write_adapter(const std::string&, Json, const Adapter<float>&, const Adam<float>::States&);
template void write_adapter(const std::string&, Json, const Adapter<double>&, const Adam<double>::States&);
template void write_adapter(const std::string&, index_t, const Adapter<float>&, const Adam<float>::States&);
template void write_adapter(const std::string&, index_t, const Adapter<double>&, const Adam<double>::States&);
#endif

}}  // namespace moeclip::abi_v0_1

#endif
