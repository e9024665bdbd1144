// SPDX-License-Identifier: MIT
// moeclip calibrate: scores of pictures that are known to be good, or good and defective, in; the threshold for
// `moeclip detect` out.

#include <algorithm>
#include <map>
#include <moeclip/eval/calibrate.hpp>
#include <moeclip/image/read_image.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/memory/twins.hpp>
#include <set>

#include "commands.hpp"
#include "eval.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;

namespace {

struct CalibrateSettings {
  EvalSettings eval;
  std::string from, out = "calibration.json";
  std::vector<std::string> classes;
  std::optional<double> false_positives, quantile;
  double confidence = 0.95;
  bool is_best_f1 = false, is_each_another = false, is_json = false, is_forced = false;

  [[nodiscard]] double target() const { return quantile ? 1 - *quantile : false_positives.value_or(0.01); }
  [[nodiscard]] bool is_wanted(const std::string& class_name) const {
    return classes.empty() || std::ranges::find(classes, class_name) != classes.end();
  }
};

bool parse(Words words, CalibrateSettings& s) {
  Options options(
      "calibrate",
      "Find the score from which a picture is to be called defective: from good pictures alone, so that at "
      "most a given share of new good ones is called so, or from labelled ones, for the best F1. A folder of "
      "pictures in no layout is one of good pictures, of --class NAME or else of an object. "
      "`moeclip detect --calibration FILE` uses it.");
  s.eval.declare(options);
  options.choice("dtype", s.eval.dtype, {"auto", "f32", "bf16", "int8"}, kDtypeHelp);
  options.value("model", s.eval.model, "FILE",
                "of `moeclip export`, or textures of `moeclip learn`: judges in place of all other models");
  declare_method(options, s.eval.method);
  options.value("from", s.from, "RUN", "instead of DATA: a folder, state or pictures.jsonl of `moeclip eval`");
  options.value("false-positives", s.false_positives, "RATE",
                "share of good pictures that may be called defective; default 0.01");
  options.value("quantile", s.quantile, "Q", "the same as --false-positives 1-Q");
  options.flag("best-f1", s.is_best_f1, "the threshold of the best F1, from good and defective pictures");
  options.repeated("class", s.classes, "NAME", "only pictures of this class");
  options.flag(
      "all-different", s.is_each_another,
      "every picture is of another part; default: good pictures that are alike up to light, place, turning and "
      "mirroring count once, as shots of one part");
  options.value("confidence", s.confidence, "C", "of the interval of the rate of false alarms");
  options.value("out", s.out, "FILE", "to write; default calibration.json");
  options.flag("json", s.is_json, "print what is written, on one line");
  options.flag("force", s.is_forced, "replace FILE");
  options.progress();
  if (!options.parse(words)) return false;
  s.eval.protocol = "default";
  s.eval.finish();
  if (s.from.empty() == s.eval.data.empty()) throw UsageError("give data sets, or --from RUN; not both");
  const EvalSettings& e = s.eval;
  if (!s.from.empty() && (!e.clip.empty() || !e.model.empty() || !e.method.empty() || !e.words.empty() ||
                          !e.vocabulary.empty() || e.image_size != 0 || e.domain != "auto" || e.split != "test" ||
                          e.dtype != "auto" || e.allows_training_pictures || e.adapter_flags.is_any() ||
                          e.pictures.is_given() || e.layout.is_given() || e.tiles.is_given() || s.is_each_another))
    throw UsageError("--from RUN holds scores already; it takes no options about models and data sets");
  s.eval.finish_model(options);
  if (!s.is_best_f1) s.eval.good_class = s.classes.empty() ? "object" : s.classes.front();
  if (s.is_best_f1 && (s.false_positives || s.quantile)) throw UsageError("--best-f1 takes no rate of false positives");
  if (s.false_positives && s.quantile) throw UsageError("--quantile and --false-positives say the same; choose one");
  if (!(s.target() > 0 && s.target() < 1)) throw UsageError("--false-positives and --quantile lie between 0 and 1");
  if (!(s.confidence > 0 && s.confidence < 1)) throw UsageError("--confidence lies between 0 and 1");
  return true;
}

/// Pictures with scores, and what is known about the model that gave them.
struct Scored {
  std::vector<moeclip::PictureRecord> pictures;
  std::optional<moeclip::RunSettings> settings;
  std::optional<float> best_pixel_threshold;
  std::size_t failures = 0;  ///< pictures and folders that could not be read
};

/// The pixel threshold of the best F1 over all pictures.
std::optional<float> best_pixel_threshold(const CalibrateSettings& s, moeclip::EvaluationRun& run) {
  moeclip::ScoreTable all(run.settings.pixels);
  std::set<std::string> rows;
  for (const auto& [key, record] : run.pictures)
    if (record.is_judged() && s.is_wanted(record.class_name)) rows.insert(record.row_key());
  for (const std::string& row : rows) all.merge(run.standard->pixel_table(row));
  const moeclip::Metrics metrics = all.metrics();
  if (!metrics.auroc.is_defined()) return std::nullopt;
  return static_cast<float>(metrics.f1_threshold);
}

Scored scored_of(const CalibrateSettings& s, moeclip::EvaluationRun& run) {
  Scored scored;
  scored.settings = run.settings;
  for (const auto& [key, record] : run.pictures) scored.pictures.push_back(record);
  if (s.is_best_f1) scored.best_pixel_threshold = best_pixel_threshold(s, run);
  return scored;
}

/// Leaves of several shots of one thing the first (TWI-1): the others say nothing of how much good things differ.
void leave_one_of_each(EvalData& data, const moeclip::ImageOptions& images) {
  struct Class {
    moeclip::TwinFinder twins;
    std::vector<std::size_t> pictures;
  };
  moeclip::Context context;
  std::map<std::string, Class> classes;
  for (std::size_t i = 0; i < data.pictures.size(); ++i) {
    try {
      Class& own = classes[data.pictures[i].record.class_name];
      own.twins.add(context, moeclip::read_image(data.pictures[i].entry.image_path, images).view());
      own.pictures.push_back(i);
    } catch (const moeclip::Error&) {
      continue;  // it is told when it is to be judged
    }
  }
  std::set<std::size_t> others;
  for (const auto& [name, own] : classes) {
    const std::vector<moeclip::index_t> things = own.twins.things(context);
    std::set<moeclip::index_t> seen;
    for (std::size_t i = 0; i < things.size(); ++i)
      if (!seen.insert(things[i]).second) others.insert(own.pictures[i]);
  }
  if (others.empty()) return;
  inform(
      concat("the ", moeclip::counted(data.pictures.size(), "good picture"), " show only ",
             moeclip::counted(data.pictures.size() - others.size(), "thing"),
             ": those that are alike up to light, place, turning and mirroring count once; if each is of another part, "
             "--all-different"));
  std::vector<EvalPicture> first;
  for (std::size_t i = 0; i < data.pictures.size(); ++i)
    if (!others.contains(i)) first.push_back(std::move(data.pictures[i]));
  data.pictures = std::move(first);
}

/// Runs the model; of data sets, only the pictures that are needed.
Scored judge(const CalibrateSettings& s) {
  EvalData data = collect_pictures(s.eval);
  std::erase_if(data.pictures, [&](const EvalPicture& picture) {
    return !s.is_wanted(picture.record.class_name) || (!s.is_best_f1 && picture.record.label != 0);
  });
  if (data.pictures.empty())
    moeclip::fail(moeclip::ErrorCode::missing,
                  concat(s.eval.data.front(), ": there is no good picture",
                         s.classes.empty() ? "" : " of the wanted classes", " to take a threshold from"));
  if (!s.is_best_f1 && !s.is_each_another) leave_one_of_each(data, s.eval.pictures.image_options());
  const EvalModel model = load_model(s.eval, data);
  if (s.eval.clip.empty() && s.eval.model.empty()) inform(kTinyKnows);
  if (model.has_memory() && !model.trained_on)
    inform(concat(s.eval.model, ": thresholds hold for new pictures if none of those here was learned by it"));
  for (const std::string& note : guard_against_leakage(s.eval, model, data, {})) inform(note);
  moeclip::EvaluationRun run(model.settings, {}, std::ssize(data.pictures));
  if (!judge_pictures(s.eval, model, data, "", run))
    moeclip::fail(moeclip::ErrorCode::contract, "stopped; nothing was written");
  Scored scored = scored_of(s, run);
  scored.failures = data.unread + static_cast<std::size_t>(run.failures());
  return scored;
}

/// The pictures of a pictures.jsonl, which does not say what model gave the scores.
Scored read_lines(const std::string& path) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;
  moeclip::RunSettings settings;
  settings.has_released = false;
  Scored scored;
  const std::vector<std::byte> bytes = moeclip::read_file(path, kMostBytes);
  std::string_view rest = moeclip::as_text(bytes);
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string place = concat(path, ": line ", number);
    scored.pictures.push_back(
        moeclip::detail::picture_from_json(moeclip::parse_json(rest.substr(0, end), place), settings, place));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return scored;
}

Scored collect(const CalibrateSettings& s) {
  if (s.from.empty()) return judge(s);
  if (s.from.ends_with(".jsonl")) return read_lines(s.from);
  const std::string path = moeclip::is_directory(s.from) ? moeclip::join_path(s.from, state_name({})) : s.from;
  if (!moeclip::file_exists(path))
    moeclip::fail(moeclip::ErrorCode::missing,
                  concat(path, ": there is no whole evaluation; `moeclip merge` puts shards together"));
  moeclip::EvaluationRun run = moeclip::read_run(path);
  if (!run.is_complete() || run.shard.count > 1)
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  concat(path, ": is not a whole evaluation; finish it, or put its shards together first"));
  if (!run.standard)
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  concat(path, ": has no scores of the default protocol, which detection uses"));
  return scored_of(s, run);
}

moeclip::CalibrationFile calibrate(const CalibrateSettings& s, const Scored& scored) {
  std::vector<float> scores, good, good_peaks;
  std::vector<std::uint8_t> labels;
  std::set<std::string> classes;
  for (const moeclip::PictureRecord& record : scored.pictures) {
    if (!record.is_judged() || !s.is_wanted(record.class_name)) continue;
    classes.insert(record.class_name);
    scores.push_back(record.score);
    labels.push_back(record.label != 0 ? 1 : 0);
    if (record.label != 0) continue;
    good.push_back(record.score);
    good_peaks.push_back(record.probability.highest);
  }
  if (good.empty()) moeclip::fail(moeclip::ErrorCode::missing, "there is no good picture to take a threshold from");
  moeclip::CalibrationFile file;
  if (s.is_best_f1) {
    file.calibration = moeclip::calibrate_on_labelled(scores, labels, s.confidence);
    file.pixel_threshold = scored.best_pixel_threshold;
  } else {
    file.calibration = moeclip::calibrate_on_good(good, s.target(), s.confidence);
    file.pixel_threshold = moeclip::calibrate_on_good(good_peaks, s.target(), s.confidence).threshold;
  }
  file.classes.assign(classes.begin(), classes.end());
  if (!scored.settings) return file;
  file.clip = scored.settings->clip;
  file.adapter = scored.settings->adapter;
  file.words = scored.settings->words;
  file.domain = scored.settings->domain == moeclip::Domain::medical ? "medical" : "industrial";
  file.image_size = scored.settings->image_size;
  file.images = scored.settings->images;
  file.tiles = scored.settings->tiles;
  return file;
}

std::string percent(double rate) { return fixed(100 * rate, 2) + " %"; }

std::string text_of(const CalibrateSettings& s, const moeclip::CalibrationFile& file) {
  const moeclip::Calibration& c = file.calibration;
  std::string text = concat("threshold ", c.threshold, " (", s.is_best_f1 ? "best F1" : "false alarms at most ",
                            s.is_best_f1 ? "" : percent(c.target), ")\n");
  if (file.pixel_threshold) text += concat("pixel threshold ", *file.pixel_threshold, "\n");
  text += concat(c.false_positives, " of ", moeclip::counted(c.good, "good picture"), c.good == 1 ? " is" : " are",
                 " called defective");
  if (c.defective > 0) text += concat(", ", c.found, " of ", c.defective, " defective ones are found");
  text += concat("\nrate of false alarms: between ", percent(c.false_positive_rate.low), " and ",
                 percent(c.false_positive_rate.high), " with ", percent(c.confidence), " confidence\n");
  if (!c.is_reached)
    text += concat(moeclip::counted(c.good, "good picture"), " cannot show a rate of ", percent(c.target), ": ",
                   moeclip::pictures_for(c.target), " are needed; the threshold lies above all of them\n");
  std::string classes;
  for (const std::string& name : file.classes) classes += concat(classes.empty() ? "" : ", ", printable(name));
  return text + concat("made from pictures of ", classes, "; for others it promises nothing\n", printable(s.out), "\n");
}

}  // namespace

int run_calibrate(Words words) {
  CalibrateSettings s;
  if (!parse(words, s)) return kOk;
  expect_writable(s.out, s.is_forced);
  const Scored scored = collect(s);
  const moeclip::CalibrationFile file = calibrate(s, scored);
  const moeclip::Json json = to_json(file);
  moeclip::write_file(s.out, moeclip::as_bytes(calibration_text(file)));
  print(s.is_json ? moeclip::dump_json(json) + "\n" : text_of(s, file));
  return scored.failures == 0 ? kOk : kInputFailed;
}

}  // namespace cli
