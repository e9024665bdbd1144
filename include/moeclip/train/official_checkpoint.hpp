// SPDX-License-Identifier: MIT
#pragma once
// The official .pth layout (METHOD section 9): adapter files that the official code can load, and the state of its
// optimiser, in which a parameter is known by its number in the order of train/parameters.hpp.

#include <string>

#include "../io/record.hpp"
#include "../io/sidecar.hpp"
#include "../io/torch.hpp"
#include "checkpoint.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes adapter and optimiser state to `path` as the official code saves them after the epochs and steps of
/// `position`. That layout has no place for the adapter's switches and its run: `record` (record_of) goes into a file
/// beside it, where this library's readers find it (io/sidecar.hpp), and which is there before the checkpoint is; null:
/// it is lost. Throws io.
template <class T>
void write_official(const std::string& path, const Adapter<T>& adapter, const typename Adam<T>::States& moments,
                    const Recipe& recipe, const RunPosition& position, const Json& record = {});

/// Epochs of training behind an adapter file of either kind; 0 if it does not say.
index_t trained_epochs(const WeightFile& file);

/// What an adapter file records, for another file with the same adapter. If it does not record its switches, those of
/// `config`, by which it was read, are taken; blocks stay open then, since only the CLIP knows how many it has.
Json record_of(const WeightFile& file, AdapterConfig config);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <array>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// A name without "text_adapter." or "image_adapter.": the official files nest the two.
inline std::string_view below_adapter(std::string_view name) { return name.substr(name.find('.') + 1); }

template <class T>
class OfficialWriter {
 public:
  OfficialWriter(const std::string& path, const Adapter<T>& adapter, const typename Adam<T>::States& moments)
      : writer_(path), out_(writer_.structure()), adapter_(adapter), moments_(moments) {}

  void write(const Recipe& recipe, index_t epoch, index_t step, function_ref<void(const std::string&)> on_written) {
    out_.begin_dict();
    out_.text("epoch");
    out_.integer(epoch);
    out_.text("optimizer_state_dict");
    write_optimizer(recipe, schedule_of(recipe).at(step));
    write_adapter("text_adapter");
    write_adapter("image_adapter");
    out_.end();
    writer_.commit(on_written);
  }

 private:
  void write_optimizer(const Recipe& recipe, double lr) {
    const std::vector<std::string> names = trained_names(recipe);
    out_.begin_dict();
    out_.text("state");
    out_.begin_dict();
    steps_.reserve(names.size());  // the writer remembers where they are
    for (std::size_t id = 0; id < names.size(); ++id)
      if (const auto known = moments_.find(names[id]); known != moments_.end()) write_state(id, *known);
    out_.end();
    out_.text("param_groups");
    out_.begin_list();
    write_group(recipe, lr, 0, 1);
    write_group(recipe, lr, 1, names.size());
    out_.end();
    out_.end();
  }

  [[nodiscard]] std::vector<std::string> trained_names(const Recipe& recipe) const {
    std::vector<std::string> names;
    visit_parameters(adapter_, "", [&](const std::string& name, const Tensor<T>&) {
      if (!recipe.use_fofs || !name.ends_with(kLoraA)) names.push_back(name);
    });
    return names;
  }

  void write_state(std::size_t id, const typename Adam<T>::States::value_type& item) {
    const auto& [name, state] = item;
    const Shape shape = official_shape(name, state.m.shape());
    out_.integer(static_cast<std::int64_t>(id));
    out_.begin_dict();
    out_.text("step");
    steps_.push_back(static_cast<float>(state.step));
    writer_.template tensor<float>({}, std::span<const float>(&steps_.back(), 1));
    out_.text("exp_avg");
    writer_.template tensor<T>(shape, state.m.values());
    out_.text("exp_avg_sq");
    writer_.template tensor<T>(shape, state.v.values());
    out_.end();
  }

  /// The parameters numbered [begin, end), with every setting that torch.optim.Adam may ask for.
  void write_group(const Recipe& recipe, double lr, std::size_t begin, std::size_t end) {
    out_.begin_dict();
    const auto real = [&](const char* key, double value) {
      out_.text(key);
      out_.real(value);
    };
    const auto off = [&](std::initializer_list<const char*> keys) {
      for (const char* key : keys) {
        out_.text(key);
        out_.boolean(false);
      }
    };
    real("lr", lr);
    out_.text("betas");
    out_.begin_tuple();
    out_.real(recipe.beta1);
    out_.real(recipe.beta2);
    out_.end();
    real("eps", recipe.eps);
    out_.text("weight_decay");
    out_.integer(0);
    off({"amsgrad", "maximize"});
    out_.text("foreach");
    out_.null();
    off({"capturable", "differentiable"});
    out_.text("fused");
    out_.null();
    real("initial_lr", recipe.lr);
    out_.text("params");
    out_.begin_list();
    for (std::size_t id = begin; id < end; ++id) out_.integer(static_cast<std::int64_t>(id));
    out_.end();
    out_.end();
  }

  void write_adapter(std::string_view part) {
    out_.text(part);
    out_.begin_ordered_dict();
    visit_parameters(adapter_, "", [&](const std::string& name, const Tensor<T>& tensor) {
      if (!name.starts_with(part)) return;
      out_.text(below_adapter(name));
      writer_.template tensor<T>(official_shape(name, tensor.shape()), tensor.values());
    });
    out_.end();
  }

  /// The pointwise convolution is (C, D, 1) there, a plain matrix here.
  static Shape official_shape(const std::string& name, const Shape& shape) {
    return name.ends_with("det_proj.adapter.2.weight") ? Shape{shape[0], shape[1], 1} : shape;
  }

  static constexpr std::string_view kLoraA = ".lora_A.weight";

  TorchWriter writer_;
  PickleWriter& out_;
  const Adapter<T>& adapter_;
  const typename Adam<T>::States& moments_;
  std::vector<float> steps_;
};

}  // namespace detail

template <class T>
void write_official(const std::string& path, const Adapter<T>& adapter, const typename Adam<T>::States& moments,
                    const Recipe& recipe, const RunPosition& position, const Json& record) {
  detail::OfficialWriter<T>(path, adapter, moments)
      .write(recipe, position.epoch, position.step - position.schedule_start, [&](const std::string& hash) {
        if (!record.is_null()) write_sidecar(path, hash, record);
      });
}

MOECLIP_FUNC index_t trained_epochs(const WeightFile& file) {
  const Json record = detail::recorded(file), *epoch = record.is_object() ? record.find("epoch") : nullptr;
  return epoch != nullptr ? detail::checked_count(file, "epoch", epoch->as_number())
                          : detail::checked_count(file, "epoch", detail::value_or(file, "epoch", 0));
}

MOECLIP_FUNC Json record_of(const WeightFile& file, AdapterConfig config) {
  Json record = detail::recorded(file);
  if (!record.is_object())
    record = Json::object().set("version", MOECLIP_VERSION_STRING).set("epoch", trained_epochs(file));
  if (records_switches(file)) return record;
  config.mixture_blocks.clear();
  config.level_blocks.clear();
  return record.set("adapter", adapter_record(config, trained_activation(file)));
}

MOECLIP_INSTANTIATE(write_official)

}}  // namespace moeclip::abi_v0_1

#endif
