// SPDX-License-Identifier: MIT
#include "train_history.hpp"

#include <cmath>
#include <utility>

namespace cli {

using moeclip::index_t;
using moeclip::Json;

namespace {

/// A number of a log line; null, a number that was none, is NaN.
double number_of(const Json& value) { return value.is_null() ? std::nan("") : value.as_number(); }

double sum_of(const Json& list) {
  double sum = 0;
  for (const Json& value : list.items()) sum += number_of(value);
  return sum;
}

}  // namespace

void TrainHistory::add(const Json& step) {
  const index_t number = step.at("step").as_int64();
  const Values values{number_of(step.at("loss")),
                      number_of(step.at("cross_entropy")),
                      sum_of(step.at("focal")),
                      sum_of(step.at("dice_normal")) + sum_of(step.at("dice_abnormal")),
                      sum_of(step.at("etf")),
                      sum_of(step.at("balance")),
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
