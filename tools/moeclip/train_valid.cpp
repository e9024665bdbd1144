// SPDX-License-Identifier: MIT
#include "train_valid.hpp"

#include <algorithm>
#include <moeclip/anomaly/detector.hpp>
#include <moeclip/eval/evaluation.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/io/json_writer.hpp>
#include <numeric>

#include "lap_times.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::index_t;
using moeclip::Json;

namespace {

std::optional<double> metric_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.as_number());
}

std::optional<double> metric_of(const moeclip::Metric& metric) {
  return metric.is_defined() ? std::optional(metric.value) : std::nullopt;
}

std::string percent(const std::optional<double>& metric) {
  return metric ? moeclip::fixed(100 * *metric, 1) : "undefined";
}

}  // namespace

Json metric_json(const std::optional<double>& metric) { return metric ? Json(*metric) : Json(); }

std::string Judgement::text() const {
  if (!is_defined())
    return "nothing could be judged: no class has both good and defective pictures to judge by (flaws that are drawn "
           "onto good ones must be large enough to be seen); --valid names other pictures";
  return concat("image AUROC ", percent(image_auroc), ", pixel AP ", percent(pixel_ap));
}

Validator::Validator(std::shared_ptr<const moeclip::Clip<float>> clip, const moeclip::SampleSource& source,
                     ValidOptions options, index_t step)
    : clip_(std::move(clip)),
      source_(source),
      options_(std::move(options)),
      context_({.threads = options_.threads}),
      data_(source.fingerprint()) {
  if (is_on() && step > 0 && moeclip::file_exists(log_path())) read_log(step);
}

std::string Validator::log_path() const { return moeclip::join_path(options_.folder, "valid.jsonl"); }

std::string Validator::best_checkpoint() const { return moeclip::join_path(options_.folder, kBestCheckpoint); }

void Validator::read_log(index_t step) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 28;
  const auto bytes = moeclip::read_file(log_path(), kLargest);
  std::string_view text = moeclip::as_text(bytes);
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const Json line = moeclip::parse_json(text.substr(0, end), log_path());
    text.remove_prefix(end + 1);
    if (line.at("step").as_int64() > step) continue;
    if (line.at("data").as_string() != data_)
      moeclip::fail(moeclip::ErrorCode::mismatch,
                    concat(log_path(), ": the run was judged by other pictures; give the same --valid"));
    judgements_.push_back({line.at("step").as_int64(), metric_of(line.at("image_auroc")),
                           metric_of(line.at("pixel_ap")), line.at("is_regular").as_bool()});
  }
}

void Validator::write_log() const {
  std::string text;
  for (const Judgement& judgement : judgements_)
    text += moeclip::dump_json(Json::object()
                                   .set("step", judgement.step)
                                   .set("image_auroc", metric_json(judgement.image_auroc))
                                   .set("pixel_ap", metric_json(judgement.pixel_ap))
                                   .set("is_regular", judgement.is_regular)
                                   .set("data", data_)) +
            "\n";
  moeclip::write_file(log_path(), moeclip::as_bytes(text));
}

bool Validator::is_due(const moeclip::StepReport& report) const {
  if (!is_on()) return false;
  return options_.every > 0 ? report.step % options_.every == 0 : report.batch == report.batches;
}

const moeclip::ClassText<float>& Validator::text_of(moeclip::Trainer<float>& trainer, const std::string& name) {
  for (const moeclip::ClassText<float>& text : trainer.texts())
    if (text.name == name && !text.encodings.empty()) return text;
  const auto known = texts_.find(name);
  if (known != texts_.end()) return known->second;
  return texts_.emplace(name, moeclip::encode_class_text(context_, *clip_, name, options_.words.prompts(name)))
      .first->second;
}

/// `goes_on` is asked behind each picture; if it says no before the last one, there is no judgement.
std::optional<Judgement> Validator::measure(moeclip::Trainer<float>& trainer, std::span<const index_t> pictures,
                                            moeclip::function_ref<bool()> goes_on) {
  moeclip::DetectorOptions settings;
  settings.image_size = options_.image_size;
  const moeclip::Detector detector(clip_, packed_copy(context_, trainer.adapter()), settings);
  std::map<std::string, moeclip::TextAnchors<float>> anchors;
  moeclip::EvaluationOptions counting;
  counting.images = options_.images;
  moeclip::Evaluation evaluation(counting);
  moeclip::Detection found;
  for (const index_t& i : pictures) {
    const std::string& name = source_.class_name(i);
    if (!anchors.contains(name))
      anchors.emplace(name, moeclip::anchors_of_class(context_, detector.adapter(), text_of(trainer, name)));
    const moeclip::Sample sample = source_.load(i, options_.images);
    detector.detect(context_, sample.picture.view(), anchors.at(name), found);
    evaluation.add(context_, sample, {std::as_const(found.map).view<2>(), found.score, found.class_score});
    if (!goes_on() && &i != &pictures.back()) return std::nullopt;
  }
  const moeclip::ClassResult mean = moeclip::mean_of(evaluation.classes());
  return Judgement{trainer.position().step, metric_of(mean.image.auroc), metric_of(mean.pixel.average_precision)};
}

double Validator::seconds_per_picture(moeclip::Trainer<float>& trainer) {
  constexpr index_t kMost = 16;
  std::vector<index_t> same, some;  // of one class, whose sentences are encoded once
  for (index_t i = 0; i < source_.size(); ++i)
    if (source_.class_name(i) == source_.class_name(0)) same.push_back(i);
  for (index_t i = 0; i < kMost; ++i)  // from all over it: what is drawn takes longer than what is read
    some.push_back(same[static_cast<std::size_t>(i * std::ssize(same) / kMost)]);
  LapTimes times;
  static_cast<void>(measure(trainer, some, [&] { return times.add(); }));
  return times.usual();
}

const Judgement* Validator::judge(moeclip::Trainer<float>& trainer, const std::string& data, bool is_regular,
                                  moeclip::function_ref<bool()> has_time) {
  std::vector<index_t> all(static_cast<std::size_t>(source_.size()));
  std::iota(all.begin(), all.end(), index_t{0});
  std::optional<Judgement> judgement = measure(trainer, all, has_time);
  if (!judgement) return nullptr;
  judgement->is_regular = is_regular;
  const Judgement* const before = best();
  // The checkpoint first: if the run is killed before the line is written, it is judged again, and the same is kept.
  if (judgement->is_defined() && (before == nullptr || judgement->measure() > before->measure()))
    trainer.save(best_checkpoint(), data);
  judgements_.push_back(*judgement);
  write_log();
  return latest();
}

const Judgement* Validator::latest() const { return judgements_.empty() ? nullptr : &judgements_.back(); }

const Judgement* Validator::best() const {
  const Judgement* best = nullptr;  // the first of equal ones
  for (const Judgement& judgement : judgements_)
    if (judgement.is_defined() && (best == nullptr || judgement.measure() > best->measure())) best = &judgement;
  return best;
}

bool Validator::is_exhausted() const {
  if (options_.patience == 0 || best() == nullptr) return false;
  const auto after_best = judgements_.begin() + (best() - judgements_.data()) + 1;
  return std::count_if(after_best, judgements_.end(), [](const Judgement& j) { return j.is_regular; }) >=
         options_.patience;
}

}  // namespace cli
