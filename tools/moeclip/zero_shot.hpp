// SPDX-License-Identifier: MIT
#pragma once
// What a CLIP makes of synthetic pictures that it has not seen, from captions alone.

#include <cstdint>
#include <moeclip/base/context.hpp>
#include <moeclip/clip/clip.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cli {

/// The answers to one kind of question.
struct ZeroShotRow {
  std::string key, question;
  std::size_t answers = 0;
  double chance = 0;            ///< accuracy of guessing
  double accuracy = 0;          ///< share of right answers
  std::optional<double> auroc;  ///< of "defective", where that was the question
};

/// Asks about `pairs` objects per category, each whole and with a defect, of pictures drawn from `seed`.
std::vector<ZeroShotRow> examine_zero_shot(const moeclip::Clip<float>& clip, moeclip::Context& context,
                                           std::uint64_t seed, moeclip::index_t pairs);

}  // namespace cli
