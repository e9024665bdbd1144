// SPDX-License-Identifier: MIT
#pragma once
// Collects what a trace sees until it is written.

#include <algorithm>
#include <cstdint>
#include <map>
#include <moeclip/io/safetensors_writer.hpp>
#include <moeclip/tensor/tensor.hpp>
#include <string>
#include <utility>
#include <vector>

namespace cli {

/// Keeps copies of values until they are written, sorted by name.
template <class T>
class Recorder {
 public:
  explicit Recorder(std::string path) : writer_(std::move(path)) {}

  void keep(const std::string& name, const moeclip::Shape& shape, const T* values) {
    auto copy = moeclip::Tensor<T>::uninitialised(shape);
    std::copy_n(values, shape.size(), copy.data());
    values_.insert_or_assign(name, std::move(copy));
  }
  void keep(const std::string& name, moeclip::Tensor<T> tensor) { values_.insert_or_assign(name, std::move(tensor)); }
  void keep_indices(const std::string& name, const moeclip::Shape& shape, const std::int32_t* values) {
    auto copy = moeclip::Tensor<std::int32_t>::uninitialised(shape);
    std::copy_n(values, shape.size(), copy.data());
    indices_.insert_or_assign(name, std::move(copy));
  }

  void keep_numbers(const std::string& name, const std::vector<double>& numbers) {
    moeclip::Tensor<double> copy({std::ssize(numbers)});
    std::ranges::copy(numbers, copy.begin());
    numbers_.insert_or_assign(name, std::move(copy));
  }
  void keep_number(const std::string& name, double number) {
    keep_numbers(name, {number});
    numbers_.at(name).reshape({});
  }

  void write() {
    constexpr auto kType = sizeof(T) == 8 ? moeclip::DType::f64 : moeclip::DType::f32;
    for (const auto& [name, tensor] : values_) writer_.announce(name, kType, tensor.shape());
    for (const auto& [name, tensor] : numbers_) writer_.announce(name, moeclip::DType::f64, tensor.shape());
    for (const auto& [name, tensor] : indices_) writer_.announce(name, moeclip::DType::i32, tensor.shape());
    writer_.begin();
    for (const std::string& name : writer_.order())
      if (!write_from(values_, name) && !write_from(numbers_, name)) write_from(indices_, name);
    writer_.commit();
  }

 private:
  /// True if the tensor was in `tensors`.
  template <class Map>
  bool write_from(const Map& tensors, const std::string& name) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) return false;
    writer_.write(found->second.values());
    return true;
  }

  moeclip::SafetensorsWriter writer_;
  std::map<std::string, moeclip::Tensor<T>> values_;
  std::map<std::string, moeclip::Tensor<double>> numbers_;
  std::map<std::string, moeclip::Tensor<std::int32_t>> indices_;
};

}  // namespace cli
