// SPDX-License-Identifier: MIT
#pragma once
// Judging an adapter while it is trained, and keeping the best.

#include <map>
#include <memory>
#include <moeclip/base/function_ref.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/train/trainer.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cli {

/// The checkpoint that was judged best, in a run's folder.
inline constexpr const char* kBestCheckpoint = "moe_best.safetensors";

/// What one judgement says.
struct Judgement {
  moeclip::index_t step = 0;
  std::optional<double> image_auroc, pixel_ap;  ///< means over classes; unset where undefined
  bool is_regular = true;  ///< false: made because training ended there; patience does not count it

  /// Whether there is something to compare.
  [[nodiscard]] bool is_defined() const { return image_auroc || pixel_ap; }
  /// What is compared: image AUROC + pixel AP, what is undefined being 0.
  [[nodiscard]] double measure() const { return image_auroc.value_or(0) + pixel_ap.value_or(0); }
  /// "image AUROC 93.1, pixel AP 40.2", in percent; or why there is neither.
  [[nodiscard]] std::string text() const;
};

/// A figure that may be undefined: null then.
moeclip::Json metric_json(const std::optional<double>& metric);

struct ValidOptions {
  std::string folder;                 ///< of the run
  std::int64_t every = 0;             ///< steps between judgements; 0: at the end of each epoch
  std::int64_t patience = 5;          ///< judgements without a better one after which training ends; 0: never
  int threads = 0;                    ///< 0: one per core
  moeclip::index_t image_size = 0;    ///< as in training
  moeclip::ClassWords words = {};     ///< what classes are called
  moeclip::ImageOptions images = {};  ///< how pictures are read
};

/// All judgements of a run; they stand in valid.jsonl, so that a resumed run goes on with them.
class Validator {
 public:
  /// Reads the judgements of a run that goes on behind `step`; later ones will be made again. Nothing is judged if
  /// `source` is empty. Throws mismatch if earlier ones are of other pictures.
  Validator(std::shared_ptr<const moeclip::Clip<float>> clip, const moeclip::SampleSource& source, ValidOptions options,
            moeclip::index_t step);

  [[nodiscard]] bool is_on() const { return source_.size() > 0; }
  [[nodiscard]] moeclip::index_t pictures() const { return source_.size(); }

  /// Whether a judgement is due behind this step.
  [[nodiscard]] bool is_due(const moeclip::StepReport& report) const;

  /// Judges the adapter as it is now, and keeps a checkpoint if it is the best so far; `data` is the fingerprint of the
  /// training data. Returns what it found; null if `has_time`, asked behind each picture, said no before the last one:
  /// then nothing was judged.
  const Judgement* judge(moeclip::Trainer<float>& trainer, const std::string& data, bool is_regular,
                         moeclip::function_ref<bool()> has_time);

  /// Judges a few pictures and forgets it: how many seconds one takes undisturbed, without the class's sentences.
  [[nodiscard]] double seconds_per_picture(moeclip::Trainer<float>& trainer);

  [[nodiscard]] std::span<const Judgement> judgements() const { return judgements_; }
  [[nodiscard]] const Judgement* best() const;    ///< of those that are defined; null: none yet
  [[nodiscard]] const Judgement* latest() const;  ///< null: none yet
  /// Whether the last `patience` regular judgements were no better than one before.
  [[nodiscard]] bool is_exhausted() const;
  [[nodiscard]] std::string best_checkpoint() const;  ///< its path

 private:
  [[nodiscard]] std::string log_path() const;
  void read_log(moeclip::index_t step);
  void write_log() const;
  std::optional<Judgement> measure(moeclip::Trainer<float>& trainer, std::span<const moeclip::index_t> pictures,
                                   moeclip::function_ref<bool()> goes_on);
  const moeclip::ClassText<float>& text_of(moeclip::Trainer<float>& trainer, const std::string& name);

  std::shared_ptr<const moeclip::Clip<float>> clip_;
  const moeclip::SampleSource& source_;
  ValidOptions options_;
  moeclip::Context context_;
  std::string data_;  // fingerprint of what is judged by
  std::map<std::string, moeclip::ClassText<float>> texts_;
  std::vector<Judgement> judgements_;
};

}  // namespace cli
