// SPDX-License-Identifier: MIT
#include "train_history.hpp"

#include <cmath>
#include <string_view>
#include <utility>

namespace cli {

using moeclip::index_t;
using moeclip::Json;

namespace {

/// A number of a log line; null, a number that was none, is NaN.
double number_of(const Json& value) { return value.is_null() ? std::nan("") : value.as_number(); }

/// A part of the loss, a number or several; 0 if the method has no such part.
double part_of(const Json& step, std::string_view name) {
  const Json* const part = step.find(name);
  if (part == nullptr) return 0;
  if (!part->is_array()) return number_of(*part);
  double sum = 0;
  for (const Json& value : part->items()) sum += number_of(value);
  return sum;
}

}  // namespace

void TrainHistory::add(const Json& step) {
  const index_t number = step.at("step").as_int64();
  const Values values{number_of(step.at("loss")),
                      part_of(step, "cross_entropy"),
                      part_of(step, "focal"),
                      part_of(step, "dice_normal") + part_of(step, "dice_abnormal"),
                      part_of(step, "etf"),
                      part_of(step, "balance"),
                      number_of(step.at("gradient_norm")),
                      number_of(step.at("lr"))};
  steps_ = number;
  if (windows_.empty() || (windows_.back().last - 1) / stride_ != (number - 1) / stride_) {
    if (windows_.size() == kMostPoints) {
      halve();
      return add(step);
    }
    windows_.emplace_back();
  }
  Window& window = windows_.back();
  window.last = number;
  ++window.count;
  for (std::size_t i = 0; i < kParts; ++i) window.sums[i] += values[i];
}

void TrainHistory::halve() {
  stride_ *= 2;
  std::vector<Window> wide;
  for (const Window& window : windows_) {
    if (wide.empty() || (wide.back().last - 1) / stride_ != (window.last - 1) / stride_) {
      wide.push_back(window);
      continue;
    }
    wide.back().last = window.last;
    wide.back().count += window.count;
    for (std::size_t i = 0; i < kParts; ++i) wide.back().sums[i] += window.sums[i];
  }
  windows_ = std::move(wide);
}

moeclip::ReportLine TrainHistory::line(std::string name, Part part) const {
  moeclip::ReportLine line{std::move(name), {}};
  for (const Window& window : windows_)
    line.points.push_back({static_cast<double>(window.last), window.sums[part] / static_cast<double>(window.count)});
  return line;
}

}  // namespace cli
