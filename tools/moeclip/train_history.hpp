// SPDX-License-Identifier: MIT
#pragma once
// The curves of a training, in a room that does not grow with its length.

#include <array>
#include <cstddef>
#include <moeclip/io/json_value.hpp>
#include <moeclip/report/contents.hpp>
#include <string>
#include <vector>

namespace cli {

/// The losses of all steps of a run in a bounded room. Points are means over windows of `stride` steps, which begin at
/// step 1; when there are kMostPoints of them, neighbours become one and the stride doubles. So the curve depends on
/// the steps alone: a run that was resumed, fed with its log, has the one that it would have had.
class TrainHistory {
 public:
  static constexpr std::size_t kMostPoints = 512;
  /// Total, its parts (sums over maps or mixtures, not weighted), length of the gradient, rate.
  enum Part : std::size_t { kTotal, kClass, kFocal, kDice, kEtf, kBalance, kGradient, kRate, kParts };
  using Values = std::array<double, kParts>;

  /// Adds a step, whose values stand in a line of log.jsonl (step_json). Throws as Json does.
  void add(const moeclip::Json& step);

  [[nodiscard]] moeclip::index_t steps() const { return steps_; }
  [[nodiscard]] moeclip::index_t stride() const { return stride_; }
  /// A part as a line; x is the last step of a window.
  [[nodiscard]] moeclip::ReportLine line(std::string name, Part part) const;

 private:
  struct Window {
    moeclip::index_t last = 0, count = 0;
    Values sums{};
  };

  void halve();

  moeclip::index_t steps_ = 0, stride_ = 1;
  std::vector<Window> windows_;
};

}  // namespace cli
