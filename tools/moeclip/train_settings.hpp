// SPDX-License-Identifier: MIT
#pragma once
// The command line of `moeclip train`, and what follows from it and from the run that is resumed.

#include <moeclip/methods/fit.hpp>

#include "picture_options.hpp"
#include "train.hpp"

namespace cli {

struct TrainSettings {
  std::string clip, recipe, vocabulary, out = "moeclip-run", start, words, budget, dtype = "auto", method;
  TrainData data;
  std::optional<std::int64_t> batch, seed, image_size, epochs, steps, patience, valid_every;
  std::int64_t threads = 0, memory = 0, checkpoint_every = 0, checkpoint_seconds = 300, ahead = 2;
  bool is_resumed = false, is_forced = false, is_json = false;
  PictureOptions pictures;
  RecipeOptions options;
  AdapterFlags adapter_flags;

  [[nodiscard]] std::string last_checkpoint() const { return moeclip::join_path(out, moeclip::kLastCheckpoint); }
  [[nodiscard]] std::string method_checkpoint() const { return moeclip::join_path(out, moeclip::kMethodCheckpoint); }
};

/// Throws io if DIR holds a run that is neither gone on with nor replaced, or one of another method. Says so if there
/// is nothing to go on with.
void expect_own_folder(const TrainSettings& s);

/// Removes the checkpoint of another method, which --force replaces: a folder holds one run. Throws io.
void remove_other_run(const TrainSettings& s);

/// Reads the words after `train`. Returns false if only the help was wanted. Throws UsageError.
bool parse_train(Words words, TrainSettings& s);

/// What an option says, else what the run to be resumed says, else the default.
struct TrainPlan {
  moeclip::Recipe recipe;
  moeclip::TrainerOptions trainer;
  moeclip::index_t first_step = 0;
  moeclip::index_t epochs = 20;
  moeclip::index_t steps = 0;  // to end behind; 0: not
};

/// Throws UsageError for options of the recipe that do not go together, and what reading the checkpoint throws.
TrainPlan make_train_plan(const TrainSettings& s);

}  // namespace cli
