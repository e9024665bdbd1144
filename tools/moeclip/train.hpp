// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip train`: the options of a recipe on the command line, the data, and what is said about steps.

#include <cstdio>
#include <deque>
#include <memory>
#include <moeclip/data/scan_dataset.hpp>
#include <moeclip/train/trainer.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter_flags.hpp"
#include "options.hpp"

namespace cli {

/// One command line option for each option of a recipe, with the three recipes' values in its help.
class RecipeOptions {
 public:
  /// Declares them; this object must live until the words are parsed and applied.
  void declare(Options& options);

  /// Sets those that were given. Throws UsageError for a value that is none.
  void apply(moeclip::Recipe& recipe) const;

  /// True if the option of this name (in the recipe) was given.
  [[nodiscard]] bool has(std::string_view name) const;

 private:
  std::deque<std::pair<std::string, std::string>> texts_;  // name in the recipe, what was given
};

/// The pictures of all lists and folders, one after the other; of folders those of `split`, or all. Says once what is
/// missing: masks that nobody gave, mask files that are not there (such pictures are used without). Throws io, with the
/// first of them, if pictures are not there, and as open_dataset does.
moeclip::SampleSource collect_training_data(const std::vector<std::string>& data, std::optional<moeclip::Split> split);

/// Says on stderr what the adapter at `path`, whose training `recipe` is to go on with, does not say about itself, and
/// what it says otherwise. `flags` are the options about it. Throws mismatch if they contradict it.
void say_start(const std::string& path, const AdapterFlags& flags, const moeclip::Recipe& recipe);

/// log.jsonl of a run: a line per step.
class TrainLog {
 public:
  /// Opens `path`; lines of steps beyond `step`, which a resumed run makes again, and broken ones go. Throws io.
  TrainLog(const std::string& path, moeclip::index_t step);

  void write(const moeclip::StepReport& report);

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
};

/// One line about a step, for people: losses one by one, share of each expert per layer, gradient, speed.
std::string describe_step(const moeclip::StepReport& report);

}  // namespace cli
