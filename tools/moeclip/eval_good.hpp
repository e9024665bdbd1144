// SPDX-License-Identifier: MIT
#pragma once
// Few-shot evaluation: each class is judged by a memory of good pictures, which are given, or drawn from the training
// part of the data set itself.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval.hpp"

namespace cli {

/// One draw of the usual protocol: so many good training pictures of each class.
struct Shots {
  moeclip::index_t count = 0;
  std::uint64_t draw = 0;  ///< the number of the draw, from 0
};

/// "1,2,4,8", each drawn `draws` times. Throws UsageError.
std::vector<Shots> parse_shots(const std::string& text, std::int64_t draws);

/// Gives `model` memories for all classes of `data`: of the good pictures given with --good or, with `shots`, of
/// pictures that are drawn from the training part. Sets what the evaluation's identity says of them.
void remember(const EvalSettings& s, const std::optional<Shots>& shots, const EvalData& data, EvalModel& model);

/// An evaluation of one draw.
struct ShotResult {
  Shots shots;
  moeclip::ClassResult mean;
  Verdicts verdicts;
  double seconds = 0;
};

/// Prints the metrics of all draws: mean and standard deviation over the draws of each number of shots.
void print_shots(const std::vector<ShotResult>& results, bool is_json);

}  // namespace cli
