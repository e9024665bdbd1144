// SPDX-License-Identifier: MIT
#pragma once
// report.html of a training: curves of losses, rate and validation over the steps, and the settings. It is written
// anew at every checkpoint while the training runs.

#include <moeclip/train/trainer.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "train_history.hpp"
#include "train_valid.hpp"

namespace cli {

/// What the page says besides its curves. Nothing of it depends on the clock but `seconds_left`.
struct TrainPage {
  std::string state;         ///< "step 40 of 100, epoch 2 of 5"
  double seconds_left = -1;  ///< negative: the training is over
  std::vector<std::pair<std::string, std::string>> settings, provenance;
};

/// Writes the page to `path`, whole or not at all. Throws io.
void write_train_page(const std::string& path, const TrainPage& page, const TrainHistory& history,
                      std::span<const Judgement> judgements);

}  // namespace cli
