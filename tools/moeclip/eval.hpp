// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip eval`, `merge` and `calibrate`: which pictures, which model, the walk over the pictures, and
// what is said and written about it.

#include <map>
#include <moeclip/anomaly/detector.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/data/dataset.hpp>
#include <moeclip/eval/run_results.hpp>
#include <moeclip/memory/model.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapter_flags.hpp"
#include "good.hpp"
#include "layout_options.hpp"
#include "method.hpp"
#include "options.hpp"
#include "picture_options.hpp"

namespace cli {

inline constexpr std::int64_t kDefaultCheckpoint = 300;  ///< seconds between two writes of the state

/// Options that all commands have that judge data sets with a model.
struct EvalSettings {
  std::string clip, adapter, words, vocabulary, split = "test", domain = "auto", dtype = "auto";
  AdapterFlags adapter_flags;
  std::vector<std::string> data, more_data;
  std::int64_t image_size = 0, threads = 0, checkpoint_seconds = kDefaultCheckpoint;
  bool is_exact = false, allows_training_pictures = false;
  PictureOptions pictures;
  LayoutChoice layout;
  TileFlags tiles;
  std::optional<std::string> good_class;  ///< of the pictures of folders in no layout, all good; nothing: of none
  // of eval alone, or as said
  std::string protocol = "both", shard, out, shots;
  std::string method;             ///< another one than MoECLIP; of calibrate too
  std::string model;              ///< a file of `moeclip export`, which judges alone; of calibrate too
  std::vector<std::string> good;  ///< pictures, folders, or one file of `moeclip learn`
  GoodOptions learning;
  std::int64_t draws = 1;  ///< of each number of shots
  std::optional<double> threshold;
  bool is_resumed = false, is_json = false, is_forced = false;
  // of export alone
  std::optional<moeclip::kernels::Activation> activation;

  /// Declares those of the first group.
  void declare(Options& options);
  /// Throws UsageError for what makes no sense.
  void finish();
  /// Settles what --model, a file that leaves little to say, and --method decide. Throws UsageError for options beside
  /// them that have no meaning.
  void finish_model(const Options& options);

  [[nodiscard]] std::string file(const std::string& name) const { return moeclip::join_path(out, name); }
  [[nodiscard]] bool has_memory() const { return !good.empty() || !shots.empty(); }
};

/// A picture to judge.
struct EvalPicture {
  moeclip::PictureRecord record;  ///< who it is
  moeclip::DatasetEntry entry;    ///< where it is
};

struct EvalData {
  std::vector<EvalPicture> pictures;      ///< of all shards, in the order of an EvaluationRun
  std::optional<moeclip::Domain> domain;  ///< of the known sets among the data
  std::size_t unread = 0;                 ///< links to nothing and folders that cannot be read; each was told
};

/// The pictures of all data sets. Throws as open_dataset does, and mismatch if industrial and medical sets are mixed
/// while `domain` is auto.
EvalData collect_pictures(const EvalSettings& s);

/// What people should know about the labels and masks of the data, a sentence for each kind of finding.
std::vector<std::string> doubts_about(const EvalSettings& s, const EvalData& data);

/// A detector, and all that the bytes of an evaluation depend on.
struct EvalModel {
  std::optional<moeclip::Detector> detector;  ///< none: a model file or another method judges
  moeclip::ClassWords words;
  moeclip::RunSettings settings;
  std::optional<moeclip::TrainingPictures> trained_on;               ///< nothing: adapter or memory do not say
  moeclip::TrainingPictures judged_by = {};                          ///< chose the adapter's weights
  std::map<std::string, moeclip::PatchMemory<float>> memories = {};  ///< by class; empty: words judge
  std::map<std::string, std::vector<DetectInput>> good = {};         ///< by class: what they were learned from, if here
  std::optional<moeclip::PartModel> file = {};                       ///< of --model
  std::shared_ptr<const moeclip::Method<float>> method = nullptr;    ///< of --method
  /// By class: the method that was shown good pictures of it; empty: words alone judge.
  std::map<std::string, std::shared_ptr<const moeclip::Method<float>>> shown = {};

  [[nodiscard]] bool has_memory() const { return !memories.empty() || (file && file->memory); }

  /// Pictures that were learned besides those that are known already.
  void add_trained_on(const std::optional<moeclip::TrainingPictures>& more) {
    if (more && !trained_on) trained_on.emplace();
    if (more) trained_on->add(*more);
  }

  /// Where thresholds come from, as PartModel says it.
  [[nodiscard]] std::string threshold_source(const EvalSettings& s) const {
    return file ? file->threshold_source : has_memory() ? "good pictures" : s.threshold ? "--threshold" : "default";
  }

  /// The threshold of scores of a class: that of its good pictures, else the one of all.
  [[nodiscard]] float threshold_of(const std::string& class_name, float of_all) const {
    if (method != nullptr) return of_all;
    if (file) return file->memory ? file->memory->record.threshold : file->detector->options().threshold;
    const auto memory = memories.find(class_name);
    return memory == memories.end() ? of_all : memory->second.record.threshold;
  }
};

/// The threshold that all pictures are compared with; nothing where each class has its own, or there is none.
std::optional<float> common_threshold(const EvalModel& model, float of_all);

/// The built-in model, or that of --clip and --adapter, or of --model, for `data`.
EvalModel load_model(const EvalSettings& s, const EvalData& data);

/// Hashes of what gives scores.
struct ModelHashes {
  std::string clip, adapter;
};
ModelHashes model_hashes(const moeclip::Detector& detector);
/// Of another method and the file of its weights ("": it needs none).
ModelHashes model_hashes(const moeclip::Method<float>& method, const std::string& name, const std::string& weights);
/// Of a file that holds a whole model.
ModelHashes model_hashes(const std::string& model);

/// Throws mismatch if the model was trained on one of the pictures of this shard, unless that is allowed. Returns
/// sentences about what is not forbidden but should be known.
std::vector<std::string> guard_against_leakage(const EvalSettings& s, const EvalModel& model, const EvalData& data,
                                               const moeclip::Shard& shard);

/// Judges the pictures of `run`'s shard that are not in it yet; those that cannot be read are told and recorded. With
/// `state` not empty, writes the run there now and then, and at the end unless write_evaluation will. False if the user
/// stopped it.
bool judge_pictures(const EvalSettings& s, const EvalModel& model, const EvalData& data, const std::string& state,
                    moeclip::EvaluationRun& run);

/// Says that the user stopped an evaluation, and how it goes on if its state was written ("": it was not).
void say_stopped(const std::string& state);

/// Names of the files of an evaluation in its folder.
std::string state_name(const moeclip::Shard& shard);
inline constexpr const char* kPicturesFile = "pictures.jsonl";
inline constexpr const char* kResultsFile = "results.json";

/// A finished evaluation with all that is known about it.
struct FinishedEval {
  const EvalSettings* settings = nullptr;  ///< null: merged
  const EvalModel* model = nullptr;        ///< null: merged
  const EvalData* data = nullptr;          ///< null: merged; else the pictures and where they are
  moeclip::EvaluationRun& run;             ///< records, and tables of scores by row key
  const moeclip::RunResults& results;
  float threshold = 0.5f;  ///< of picture scores, as `detect` compares them; of a class with good pictures, theirs
  double seconds = 0;
  std::vector<std::string> notes = {};
};

/// Writes state, pictures and results into a folder. Throws io.
void write_evaluation(const std::string& folder, FinishedEval& finished);

/// The score of each judged picture by its key: the default protocol's, or, if only the released one was run, the
/// released one's.
using PictureScoreMap = std::map<std::pair<std::string, std::string>, float>;
PictureScoreMap picture_scores(const moeclip::EvaluationRun& run);

/// How many verdicts on pictures are right at a threshold of these scores.
struct Verdicts {
  moeclip::index_t good = 0, defective = 0, false_positives = 0, found = 0;
};
Verdicts verdicts_of(const FinishedEval& finished);

/// "5 of 6 defective pictures are found, 1 of 9 good ones are called defective", with `joint` between the two.
std::string verdict_words(const Verdicts& verdicts, std::string_view joint);

/// A column of a table of metrics: its key in JSON, its title, how to get it, and what makes percent of it.
struct MetricColumn {
  const char *key, *title;
  const moeclip::Metric& (*get)(const moeclip::ClassResult& result);
  double factor = 100;
};

/// Those of the default protocol.
std::span<const MetricColumn> default_columns();

/// Columns of equal width, the first to the left, the others to the right.
using TableRows = std::vector<std::vector<std::string>>;
std::string in_columns(const TableRows& rows);

/// "At the threshold 0.5", to begin a sentence with.
std::string threshold_words(const FinishedEval& finished);

/// Tables for people.
std::string results_text(const FinishedEval& finished);

/// Prints the result as text, or as JSON.
void print_evaluation(const FinishedEval& finished, const std::string& folder, bool is_json);

}  // namespace cli
