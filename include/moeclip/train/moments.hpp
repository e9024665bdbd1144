// SPDX-License-Identifier: MIT
#pragma once
// Reads the state of the optimiser from adapter files: those of this library (checkpoint.hpp) and the official ones
// (official_checkpoint.hpp).

#include <string_view>

#include "../anomaly/adapter.hpp"
#include "../io/record.hpp"
#include "../io/weight_use.hpp"
#include "adam.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
inline constexpr std::string_view kFirstMoment = "adam.m.", kSecondMoment = "adam.v.";  // before a parameter's name
}  // namespace detail

/// Adam's moments and steps in an adapter file of either kind; none if it has no optimiser. Throws mismatch if their
/// shapes are not those of the `adapter` that it holds.
template <class T>
typename Adam<T>::States read_moments(const WeightFile& file, const Adapter<T>& adapter);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../base/read_number.hpp"
#include "../tensor/visit.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Throws format unless `count`, which `file` calls `name`, is one.
inline std::int64_t checked_count(const WeightFile& file, std::string_view name, double count) {
  if (!(count >= 0 && count <= 0x1p53))
    fail(ErrorCode::format, concat(file.path(), ": the count of ", in_quotes(name), " is ", count));
  return static_cast<std::int64_t>(count);
}

/// A number among the values of a checkpoint, or `otherwise`.
inline double value_or(const WeightFile& file, std::string_view name, double otherwise) {
  for (const WeightValue& value : file.values()) {
    if (value.name != name) continue;
    double number = 0;
    const auto [end, error] = read_number(value.text.data(), value.text.data() + value.text.size(), number);
    if (error == std::errc()) return number;
  }
  return otherwise;
}

/// Adam's moments in a file that write_run wrote, for the `adapter` that it holds; none in others. Memory of their own.
/// Throws mismatch if they are not of the adapter's shapes or names.
template <class T>
typename Adam<T>::States read_moments(const WeightFile& file, const Adapter<T>& adapter) {
  typename Adam<T>::States moments;
  const Json record = recorded(file), *steps = record.is_object() ? record.find("adam_steps") : nullptr;
  if (steps == nullptr) return moments;
  visit_parameters(adapter, "", [&](const std::string& name, const Tensor<T>& value) {
    const Json* const step = steps->find(name);
    if (step == nullptr) return;
    const auto moment = [&](std::string_view prefix) {
      const Tensor<T> stored = file.read<T>(concat(prefix, name));
      if (!(stored.shape() == value.shape()))
        fail(ErrorCode::mismatch,
             concat(file.path(), ": tensor ", in_quotes(concat(prefix, name)), " is ", to_string(stored.shape()),
                    ", but its parameter is ", to_string(value.shape())));
      expect_numbers<T>(file, concat(prefix, name), stored.values());
      return Tensor<T>(stored);
    };
    moments.insert_or_assign(
        name, AdamState<T>{moment(kFirstMoment), moment(kSecondMoment), checked_count(file, name, step->as_number())});
  });
  if (moments.size() != steps->size())
    fail(ErrorCode::mismatch, concat(file.path(), ": has the optimiser's states of ", counted(steps->size(), "tensor"),
                                     ", of which its adapter has ", moments.size()));
  return moments;
}

/// Adam's moments and steps in an official checkpoint, for the adapter that it holds.
template <class T>
typename Adam<T>::States read_official_moments(const WeightFile& file, const Adapter<T>& adapter) {
  std::vector<std::pair<std::string, Shape>> trained, all;
  visit_parameters(adapter, "", [&](const std::string& name, const Tensor<T>& tensor) {
    all.emplace_back(name, tensor.shape());
    if (!name.ends_with(".lora_A.weight")) trained.push_back(all.back());
  });
  const std::string last_of_all = concat("optimizer_state_dict/param_groups/1/params/", all.size() - 2);
  const bool has_trained_a = value_or(file, last_of_all, -1) >= 0;
  typename Adam<T>::States states;
  std::size_t id = 0;
  for (const auto& [name, shape] : has_trained_a ? all : trained) {
    const std::string prefix = concat("optimizer_state_dict/state/", id++, "/");
    if (file.find(prefix + "exp_avg") == nullptr) continue;
    const bool is_tensor = file.find(prefix + "step") != nullptr;  // a plain number before torch 1.12
    double step = 0;
    if (is_tensor)
      file.read_into<double>(prefix + "step", std::span<double>(&step, 1));  // exactly one element
    else
      step = value_or(file, prefix + "step", 0);
    AdamState<T> state{Tensor<T>::uninitialised(shape), Tensor<T>::uninitialised(shape),
                       checked_count(file, prefix + "step", step)};
    for (const auto& [key, tensor] : {std::pair{"exp_avg", &state.m}, std::pair{"exp_avg_sq", &state.v}}) {
      const WeightEntry& entry = file.entry(prefix + key);
      if (entry.shape.size() != shape.size())
        fail(ErrorCode::mismatch,
             concat(file.path(), ": tensor ", in_quotes(entry.name), " is ", to_string(entry.shape),
                    ", but its parameter ", name, " is ", to_string(shape)));
      file.read_into<T>(entry.name, std::span<T>(tensor->data(), static_cast<std::size_t>(tensor->size())));
      expect_numbers<T>(file, entry.name, std::as_const(*tensor).values());
    }
    states.insert_or_assign(name, std::move(state));
  }
  return states;
}

}  // namespace detail

template <class T>
typename Adam<T>::States read_moments(const WeightFile& file, const Adapter<T>& adapter) {
  return file.kind() == WeightKind::safetensors ? detail::read_moments<T>(file, adapter)
                                                : detail::read_official_moments<T>(file, adapter);
}

MOECLIP_INSTANTIATE(read_moments)

}}  // namespace moeclip::abi_v0_1

#endif
