// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip export`.

#include "judge.hpp"
#include "quantize.hpp"

namespace cli {

struct ExportSettings {
  JudgeSettings model;
  std::string out, classes, memory;
  std::vector<std::string> check;
  LimitOptions limits;
  bool is_json = false, is_forced = false;
};

/// Compares the words, and the good pictures if there are some, of a rounded model with those in full precision on the
/// pictures of --check. Throws mismatch if they are not near enough, UsageError if that cannot be told.
moeclip::Json check_precision(const ExportSettings& s, const Judge& judge, moeclip::kernels::Precision precision);

}  // namespace cli
