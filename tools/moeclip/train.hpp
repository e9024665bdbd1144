// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip train`: the options of a recipe on the command line, the data, and what is said about steps.

#include <cstdint>
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
#include "layout_options.hpp"
#include "options.hpp"
#include "tile_flags.hpp"
#include "train_page.hpp"

namespace cli {

/// One command line option for each option of a recipe, with the three recipes' values in its help.
class RecipeOptions {
 public:
  /// Declares them; this object must live until the words are parsed and applied.
  void declare(Options& options);

  /// Sets those that were given. Throws UsageError for a text that is no value.
  void apply(moeclip::Recipe& recipe) const;

  /// Throws UsageError, naming what was given, if the options of `recipe` do not go together.
  void expect_sound(const moeclip::Recipe& recipe) const;

  /// True if the option of this name (in the recipe) was given.
  [[nodiscard]] bool has(std::string_view name) const;

 private:
  std::deque<std::pair<std::string, std::string>> texts_;  // name in the recipe, what was given
  std::vector<std::string> kinds_;                         // of values, for people
};

/// The options that say what is learned from.
struct TrainData {
  std::vector<std::string> data, more_data, good;
  std::string split, class_name, valid;
  std::optional<std::int64_t> draws;
  std::optional<double> defective_share;
  LayoutChoice layout;
  TileFlags tiles;

  void declare(Options& options);

  /// Joins the two lists of data sets. Throws UsageError for what makes no sense.
  void check();
};

/// What is trained on, and what the adapter is judged by meanwhile; the latter may be empty.
struct TrainSources {
  moeclip::SampleSource train, valid;
};

/// The pictures that TrainData names.
class TrainPictures {
 public:
  /// Lists them. Of data sets that is all of the part `split`, one after the other; it says once what is missing: masks
  /// that nobody gave, mask files that are not there (such pictures are used without). Throws io, with the first of
  /// them, if pictures are not there, missing if there is nothing to train on or judge by, and as open_dataset does.
  explicit TrainPictures(const TrainData& options);

  /// Looks at the pictures before anything is learned from them, as `images` say, and tells what it finds. Good ones
  /// (--good) that cannot be read and copies, byte by byte, are left out. If a share is held out, shots of one thing
  /// (TWI-1) will be on one side, and so will copies in data sets. Returns how many good pictures cannot be read.
  /// Throws missing if that is all of them, mismatch if --valid DATA names pictures that are trained on, and io.
  std::size_t look(moeclip::Context& context, const moeclip::ImageOptions& images);

  /// The samples for a training with these options. Throws missing if nothing can be held out.
  [[nodiscard]] TrainSources sources(const moeclip::TrainerOptions& trainer) const;

  /// How many pictures there are, for people.
  [[nodiscard]] std::string describe(const TrainSources& sources) const;

 private:
  static constexpr double kHeldShare = 0.2;  // of good pictures

  std::size_t look_at_good(moeclip::Context& context, const moeclip::ImageOptions& images);
  void find_copies(moeclip::Context& context);
  void expect_others_judge(moeclip::Context& context) const;
  [[nodiscard]] TrainSources good_sources(const moeclip::TrainerOptions& trainer) const;
  [[nodiscard]] moeclip::index_t held_pictures(const TrainSources& sources) const;

  TrainData options_;
  std::optional<double> share_;              // that is held out; unset: a data set is given
  std::vector<moeclip::DatasetEntry> good_;  // --good
  moeclip::SampleSource marked_, valid_;     // --data; --valid DATA
  std::size_t unread_ = 0;                   // of --good: links to nothing and folders that cannot be read
  std::vector<moeclip::index_t> firsts_;     // of each picture, the first one of its thing; empty: all differ
};

/// Says on stderr what the adapter at `path`, whose training `recipe` is to go on with, does not say about itself, and
/// what it says otherwise. `flags` are the options about it. Throws mismatch if they contradict it.
void say_start(const std::string& path, const AdapterFlags& flags, const moeclip::Recipe& recipe);

/// The adapter that training begins with, "" for none: what --start says, where "none" is none; without it, where
/// `is_built_in` (good pictures of the built-in model), the built-in adapter if `recipe` makes one like it for a tower
/// of `layers` blocks. Says which.
std::string start_of(const std::string& start, bool is_built_in, const moeclip::Recipe& recipe,
                     moeclip::index_t layers);

/// log.jsonl of a run: a line per step; and, in bounded room, the curves of all steps.
class TrainLog {
 public:
  /// Opens `path`; lines of steps beyond `step`, which a resumed run makes again, and broken ones go. Throws io.
  TrainLog(const std::string& path, moeclip::index_t step);

  void write(const moeclip::StepReport& report);

  /// The same of a step that is a line already: "step", counted from 1, "loss", "gradient_norm", "lr" and more.
  void write(const moeclip::Json& line);

  [[nodiscard]] const TrainHistory& history() const { return history_; }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
  TrainHistory history_;
};

/// The losses of a step and what belongs to them, as log.jsonl and --log-json have it.
moeclip::Json step_json(const moeclip::StepReport& report);

/// One line about a step, for people: losses one by one, share of each expert per layer, gradient, speed.
std::string describe_step(const moeclip::StepReport& report);

}  // namespace cli
