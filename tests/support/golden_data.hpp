// SPDX-License-Identifier: MIT
#pragma once
// Recorded tensors and how far from them a result may be: a factor times the measured distance between the float32 and
// the float64 run of the official code, which travels with each tensor (tools/dev/carry_goldens.py).

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <moeclip/base/rng.hpp>
#include <moeclip/io/weights.hpp>
#include <string>
#include <vector>

#include "golden.hpp"

class GoldenData {
 public:
  explicit GoldenData(const std::string& name) : file_(moeclip::WeightFile::open(golden_path(name))) {
    for (const auto& [key, text] : file_.metadata()) noise_[key] = std::strtod(text.c_str(), nullptr);
  }

  [[nodiscard]] const moeclip::WeightFile& file() const { return file_; }
  [[nodiscard]] bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  [[nodiscard]] moeclip::Tensor<double> read(const std::string& name) const { return file_.read<double>(name); }

  /// Measured noise of a tensor; 0 (exact) where none was measured.
  [[nodiscard]] double noise(const std::string& name) const {
    const auto found = noise_.find(name);
    return found == noise_.end() ? 0.0 : found->second;
  }

  /// Largest |mine - golden| in units of the noise, over the tensor `name` or, where only those were kept, its slice
  /// and statistics; negative if the golden has neither, infinite where sizes differ.
  template <class T>
  [[nodiscard]] double distance(const std::string& name, const T* mine, moeclip::index_t size) const {
    double worst = -1;
    if (has(name)) worst = compare(name, mine, size);
    if (has(name + "#slice")) {
      const moeclip::Rng places(0, "slice:" + name);
      std::vector<double> slice(512);
      for (std::size_t i = 0; i < slice.size(); ++i)
        slice[i] = static_cast<double>(mine[places.integer(static_cast<moeclip::index_t>(i), 0, size)]);
      worst = std::max(worst, compare(name + "#slice", slice.data(), std::ssize(slice)));
    }
    if (has(name + "#stats")) {
      const auto statistics = statistics_of(mine, size);
      worst = std::max(worst, compare(name + "#stats", statistics.data(), std::ssize(statistics)));
    }
    return worst;
  }

 private:
  template <class T>
  [[nodiscard]] double compare(const std::string& name, const T* mine, moeclip::index_t size) const {
    const moeclip::Tensor<double> golden = read(name);
    if (golden.size() != size) return std::numeric_limits<double>::infinity();
    double worst = 0;
    for (moeclip::index_t i = 0; i < size; ++i) {
      const double off = std::abs(static_cast<double>(mine[i]) - golden[i]);
      worst = std::max(worst, off <= std::numeric_limits<double>::infinity() ? off : 1e300);  // NaN counts as far
    }
    return worst == 0 ? 0 : worst / noise(name);
  }

  template <class T>
  static std::array<double, 5> statistics_of(const T* values, moeclip::index_t size) {
    std::array<double, 5> s{0, 0, 0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
    for (moeclip::index_t i = 0; i < size; ++i) {
      const auto value = static_cast<double>(values[i]);
      s[0] += value, s[1] += std::abs(value), s[2] += value * value;
      s[3] = std::min(s[3], value), s[4] = std::max(s[4], value);
    }
    s[2] = std::sqrt(s[2]);
    return s;
  }

  moeclip::WeightFile file_;
  std::map<std::string, double> noise_;
};
