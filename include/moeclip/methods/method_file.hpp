// SPDX-License-Identifier: MIT
#pragma once
// A trained method on disk: one safetensors file with its tensors under their official names, its settings, what it was
// trained on and with, and, while it is trained, Adam's moments as "adam.m.NAME" and "adam.v.NAME".

#include <string>

#include "../data/training_pictures.hpp"
#include "../image/image_record.hpp"
#include "../train/run_position.hpp"
#include "method.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What decides the bits of the training of a method, and how far it has come.
struct MethodRun {
  std::uint64_t seed = 111;  ///< of first values, order, augmentations and samples
  index_t batch = 0;         ///< pictures per step; 0: each stage's own
  double lr = 0;             ///< learning rate; 0: each stage's own
  std::string data;          ///< fingerprint of the pictures and the words
  ImageOptions images;       ///< how pictures are read
  index_t steps = 0;         ///< made in all stages
  index_t stage = 0;         ///< stages finished
  RunPosition position;      ///< in the present stage
};

/// What a file says besides its tensors.
struct MethodRecord {
  std::string method;           ///< its name
  Json settings;                ///< TrainedMethod::settings
  index_t image_size = 0;       ///< pixels a side
  std::string clip;             ///< fingerprint of the CLIP it was trained on
  MethodRun run;                ///< how its training goes
  TrainingPictures trained_on;  ///< files that it has seen
};

/// True if this library wrote `file` for a method.
bool is_method_file(const WeightFile& file);

/// Throws missing if the file holds no method.
MethodRecord read_method_record(const WeightFile& file);

/// The record of a method that is trained.
template <class T>
MethodRecord record_of(const TrainedMethod<T>& method, const MethodRun& run, const TrainingPictures& trained_on);

/// Writes a method, and the moments of its present stage, to `path`, replacing what was there only when the new file is
/// whole. Throws io.
template <class T>
void write_method(const std::string& path, const MethodRecord& record, TrainedMethod<T>& method,
                  const typename Adam<T>::States& moments = {});

/// The moments in a file of write_method, of the parameters of its present stage. Throws mismatch.
template <class T>
typename Adam<T>::States read_method_moments(const WeightFile& file, TrainedMethod<T>& method, index_t stage);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <map>
#include <type_traits>
#include <utility>

#include "../anomaly/fingerprint.hpp"
#include "../io/record.hpp"
#include "../io/safetensors_writer.hpp"
#include "../train/moments.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
inline constexpr const char* kMethodKey = "method";  // in the record

/// A count in a record of `file`. Throws format for what is none.
inline index_t recorded_count(const WeightFile& file, const Json& json, const std::string& name) {
  const std::int64_t count = json.at(name).as_int64();
  if (count < 0) fail(ErrorCode::format, concat(file.path(), ": the count of ", in_quotes(name), " is ", count));
  return count;
}
}  // namespace detail

MOECLIP_FUNC bool is_method_file(const WeightFile& file) {
  const Json record = detail::recorded(file);
  return record.is_object() && record.find(detail::kMethodKey) != nullptr;
}

MOECLIP_FUNC MethodRecord read_method_record(const WeightFile& file) {
  if (!is_method_file(file))
    fail(ErrorCode::missing, concat(file.path(), ": does not say which method it is of; name it with --method"));
  const Json json = detail::recorded(file);
  const auto count = [&](const char* name) { return detail::recorded_count(file, json, name); };
  MethodRecord record;
  record.method = json.at(detail::kMethodKey).as_string();
  record.settings = json.at("settings");
  record.image_size = count("image_size");
  record.clip = json.at("clip").as_string();
  record.run.seed = json.at("seed").as_uint64();
  record.run.batch = count("batch");
  if (const Json* lr = json.find("lr")) record.run.lr = lr->as_number();
  record.run.data = json.at("data").as_string();
  record.run.images = recorded_images(json, file.path());
  if (json.find("steps") != nullptr) record.run.steps = count("steps");
  record.run.stage = count("stage");
  RunPosition& at = record.run.position;
  at.step = count("step");
  at.epoch = count("epoch");
  at.batch = count("epoch_batch");
  record.trained_on = trained_on(file).value_or(TrainingPictures());
  return record;
}

template <class T>
MethodRecord record_of(const TrainedMethod<T>& method, const MethodRun& run, const TrainingPictures& trained_on) {
  return {std::string(method.name()),
          method.settings(),
          method.image_size(),
          clip_fingerprint<T>(method.clip().vision(), method.clip().text()),
          run,
          trained_on};
}

template <class T>
void write_method(const std::string& path, const MethodRecord& record, TrainedMethod<T>& method,
                  const typename Adam<T>::States& moments) {
  constexpr DType kType = std::is_same_v<T, float> ? DType::f32 : DType::f64;
  std::map<std::string, const Tensor<T>*> tensors;
  method.visit([&](const std::string& name, Tensor<T>& tensor) { tensors[name] = &tensor; });
  Json steps = Json::object();
  for (const auto& [name, state] : moments) {
    tensors[concat(detail::kFirstMoment, name)] = &state.m;
    tensors[concat(detail::kSecondMoment, name)] = &state.v;
    steps.set(name, state.step);
  }
  Json json = Json::object()
                  .set("version", MOECLIP_VERSION_STRING)
                  .set(detail::kMethodKey, record.method)
                  .set("settings", record.settings)
                  .set("image_size", record.image_size)
                  .set("clip", record.clip)
                  .set("seed", record.run.seed)
                  .set("batch", record.run.batch)
                  .set("lr", record.run.lr)
                  .set("data", record.run.data)
                  .set(std::string(kImagesKey), to_json(record.run.images))
                  .set("steps", record.run.steps)
                  .set("stage", record.run.stage)
                  .set("step", record.run.position.step)
                  .set("epoch", record.run.position.epoch)
                  .set("epoch_batch", record.run.position.batch)
                  .set("adam_steps", std::move(steps));
  if (!record.trained_on.empty()) json.set(std::string(kTrainedOnKey), to_json(record.trained_on));
  SafetensorsWriter writer(path);
  for (const auto& [name, tensor] : tensors) writer.announce(name, kType, tensor->shape());
  writer.set_metadata("format", "pt");
  writer.set_metadata(std::string(kRecordKey), dump_json(json));
  writer.begin();
  for (const std::string& name : writer.order()) writer.write(tensors.at(name)->values());
  writer.commit();
}

template <class T>
typename Adam<T>::States read_method_moments(const WeightFile& file, TrainedMethod<T>& method, index_t stage) {
  typename Adam<T>::States moments;
  const Json record = detail::recorded(file), &steps = record.at("adam_steps");
  for (const TrainedParameter<T>& parameter : method.parameters(stage)) {
    if (steps.find(parameter.name) == nullptr) continue;
    AdamState<T> state{Tensor<T>(parameter.value->shape()), Tensor<T>(parameter.value->shape()),
                       detail::recorded_count(file, steps, parameter.name)};
    take_tensor<T>(file, concat(detail::kFirstMoment, parameter.name), state.m);
    take_tensor<T>(file, concat(detail::kSecondMoment, parameter.name), state.v);
    moments.insert_or_assign(parameter.name, std::move(state));
  }
  if (moments.size() != steps.size())
    fail(ErrorCode::mismatch, concat(file.path(), ": has the optimiser's states of ", counted(steps.size(), "tensor"),
                                     ", of which this stage trains ", moments.size()));
  return moments;
}

MOECLIP_INSTANTIATE(record_of)
#if defined(MOECLIP_COMPILED)
template void write_method(const std::string&, const MethodRecord&, TrainedMethod<float>&, const Adam<float>::States&);
template void write_method(const std::string&, const MethodRecord&, TrainedMethod<double>&,
                           const Adam<double>::States&);
#endif
MOECLIP_INSTANTIATE(read_method_moments)

}}  // namespace moeclip::abi_v0_1

#endif
