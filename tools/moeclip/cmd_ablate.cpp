// SPDX-License-Identifier: MIT
// moeclip ablate: which parts of the method carry it, over several seeds.

#include <algorithm>
#include <cmath>
#include <map>
#include <moeclip/base/context.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/sha256.hpp>
#include <mutex>

#include "ablation.hpp"
#include "commands.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::Json;

namespace {

struct AblateSettings {
  AblationSettings experiment;
  std::vector<std::string> only;
  std::string out;
  std::int64_t seeds = 5, first_seed = 1, jobs = 0;
  bool is_listed = false, is_json = false;
};

bool parse(Words words, AblateSettings& s) {
  AblationSettings& e = s.experiment;
  Options options(
      "ablate",
      "Train the method and variants of it on synthetic pictures, and judge each on categories and kinds of\n"
      "defects that were never seen: mean and standard deviation over seeds, and the difference to the whole\n"
      "method on the same seeds. Finished runs are kept in FILE; the same command goes on where it stopped.");
  options.value("out", s.out, "FILE", "finished runs, a JSON object a line; without it nothing is kept");
  options.value("seeds", s.seeds, "N", "runs per variant; default 5");
  options.value("first-seed", s.first_seed, "N", "default 1");
  options.repeated("variant", s.only, "NAME", "only this one (and those of further --variant)");
  options.flag("list", s.is_listed, "say which variants there are, and stop");
  options.value("clip", e.clip, "FILE", "CLIP weights; default: the built-in model");
  options.value("pictures", e.pictures, "N", "to train on; default 1600");
  options.value("epochs", e.epochs, "N", "default 1");
  options.value("batch", e.batch, "N", "pictures per step; default 8");
  options.value("lr", e.lr, "X", "learning rate of all recipes; default 0.001");
  options.repeated("option", e.options, "NAME=VALUE", "an option of all recipes");
  options.value("test-pictures", e.test_pictures, "N", "to judge on; default 240");
  options.choice("categories", e.categories, {"unseen", "seen"}, "what is judged on; default unseen");
  options.choice("defects", e.defects, {"unseen", "all"}, "kinds of defects in the test; default unseen");
  options.value("jobs", s.jobs, "N", "runs at the same time, a thread each; default: one per core");
  options.flag("json", s.is_json, "the table as one JSON object");
  options.progress();
  if (!options.parse(words)) return false;
  if (s.seeds < 1 || s.first_seed < 0 || e.pictures < 1 || e.epochs < 1 || e.batch < 1 || e.test_pictures < 1)
    throw UsageError("--seeds, --pictures, --epochs, --batch and --test-pictures are 1 or more");
  if (s.jobs < 0 || s.jobs > 4096) throw UsageError("--jobs is a count");
  if (!(e.lr > 0)) throw UsageError("--lr is positive");
  return true;
}

/// The variants that were asked for, the whole method first.
std::vector<AblationVariant> choose_variants(const AblateSettings& s) {
  std::vector<AblationVariant> all = ablation_variants(s.experiment), chosen;
  std::vector<std::string> names;
  for (const AblationVariant& variant : all) names.push_back(variant.name);
  for (const std::string& name : s.only)
    if (std::ranges::find(names, name) == names.end()) {
      const std::string meant = nearest(name, names);
      throw UsageError(
          concat("there is no variant '", name, "'", meant.empty() ? "" : concat("; did you mean '", meant, "'?")));
    }
  for (AblationVariant& variant : all)
    if (s.only.empty() || std::ranges::find(s.only, variant.name) != s.only.end()) chosen.push_back(std::move(variant));
  return chosen;
}

/// Finished runs, by key; the file is written anew, whole, behind each run.
class RunStore {
 public:
  explicit RunStore(std::string path) : path_(std::move(path)) {
    constexpr std::uint64_t kLargest = std::uint64_t{1} << 30;
    if (!path_.empty()) moeclip::expect_file_writable(path_);
    if (path_.empty() || !moeclip::file_exists(path_)) return;
    const auto bytes = moeclip::read_file(path_, kLargest);
    std::string_view text = moeclip::as_text(bytes);
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      if (end > 0) add(moeclip::parse_json(text.substr(0, end), path_));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  [[nodiscard]] const Json* find(const std::string& key) const {
    const auto found = runs_.find(key);
    return found == runs_.end() ? nullptr : &found->second;
  }

  void keep(Json run) {
    const std::lock_guard lock(mutex_);
    add(std::move(run));
    if (path_.empty()) return;
    std::string text;
    for (const std::string& key : order_) text += moeclip::dump_json(runs_.at(key)) + "\n";
    moeclip::write_file(path_, moeclip::as_bytes(text));
  }

 private:
  void add(Json run) {
    const std::string key = run.at("key").as_string();
    if (!runs_.contains(key)) order_.push_back(key);
    runs_.insert_or_assign(key, std::move(run));
  }

  std::string path_;
  std::mutex mutex_;
  std::map<std::string, Json> runs_;
  std::vector<std::string> order_;
};

struct Run {
  const AblationVariant* variant;
  std::int64_t seed;
  std::string key;
};

Json run_record(const Run& run, const AblationResult& result) {
  Json scores = Json::object(), classes = Json::array();
  for (std::size_t m = 0; m < result.scores.size(); ++m) scores.set(std::string(kAblationMetrics[m]), result.scores[m]);
  for (const Json& row : result.classes) classes.push_back(row);
  return Json::object()
      .set("key", run.key)
      .set("variant", run.variant->name)
      .set("seed", run.seed)
      .set("scores", std::move(scores))
      .set("loss", result.loss)
      .set("seconds", result.seconds)
      .set("classes", std::move(classes));
}

/// Makes the runs that the store has not got, `jobs` at a time.
void run_missing(const AblateSettings& s, const std::vector<Run>& runs, RunStore& store) {
  std::vector<const Run*> missing;
  for (const Run& run : runs)
    if (store.find(run.key) == nullptr) missing.push_back(&run);
  if (missing.size() < runs.size())
    inform(concat(runs.size() - missing.size(), " of ", runs.size(), " runs are finished already, in ", s.out));
  moeclip::Context context({.threads = static_cast<int>(s.jobs)});
  Progress progress("ablate", missing.size());
  std::mutex mutex;
  context.parallel_for(std::ssize(missing), [&](moeclip::index_t i, int) {
    const Run& run = *missing[static_cast<std::size_t>(i)];
    {
      const std::lock_guard lock(mutex);
      progress.step(concat(run.variant->name, ", seed ", run.seed));
    }
    store.keep(run_record(run, run_ablation(s.experiment, *run.variant, run.seed)));
  });
}

/// Mean and standard deviation (over n - 1; 0 for one number).
struct Spread {
  double mean = 0, deviation = 0;
  explicit Spread(const std::vector<double>& values) {
    const auto count = static_cast<double>(values.size());
    for (const double value : values) mean += value / count;
    for (const double value : values) deviation += (value - mean) * (value - mean);
    deviation = values.size() > 1 ? std::sqrt(deviation / (count - 1)) : 0;
  }
};

/// Of one variant: a metric's values, seed by seed.
using Values = std::map<std::string, std::array<std::vector<double>, kAblationMetrics.size()>>;

Values collect(const std::vector<Run>& runs, const RunStore& store) {
  Values values;
  for (const Run& run : runs)
    for (std::size_t m = 0; m < kAblationMetrics.size(); ++m) {
      const Json& score = store.find(run.key)->at("scores").at(kAblationMetrics[m]);
      values[run.variant->name][m].push_back(score.is_null() ? std::nan("") : score.as_number());
    }
  return values;
}

/// Values of the whole method less those of a variant, seed by seed.
std::vector<double> gains(const std::vector<double>& whole, const std::vector<double>& variant) {
  std::vector<double> result;
  for (std::size_t i = 0; i < variant.size(); ++i) result.push_back(whole[i] - variant[i]);
  return result;
}

std::string percent(const Spread& spread, bool has_sign) {
  return concat(has_sign && spread.mean >= 0 ? "+" : "", fixed(100 * spread.mean, 1), " +-",
                fixed(100 * spread.deviation, 1));
}

std::string table_line(const std::string& name, const std::vector<std::string>& cells) {
  constexpr std::size_t kName = 30, kCell = 15;
  std::string line = name;
  line.resize(std::max(kName, line.size() + 1), ' ');
  for (const std::string& cell : cells) line += std::string(cell.size() < kCell ? kCell - cell.size() : 1, ' ') + cell;
  return line + "\n";
}

void print_table(const AblateSettings& s, const std::vector<AblationVariant>& variants, const Values& values) {
  const std::vector<std::string> heads{"image AUROC", "image AP", "pixel AUROC", "pixel AP", "AUPRO"};
  const std::string& first = variants.front().name;
  print(table_line(concat("percent, ", moeclip::counted(s.seeds, "seed")), heads));
  for (const AblationVariant& variant : variants) {
    std::vector<std::string> cells;
    for (const auto& metric : values.at(variant.name)) cells.push_back(percent(Spread(metric), false));
    print(table_line(variant.name, cells));
  }
  if (variants.size() < 2) return;
  print(concat("\n", table_line(concat("what ", first, " gains over"), heads)));
  for (const AblationVariant& variant : variants) {
    if (variant.name == first) continue;
    std::vector<std::string> cells;
    for (std::size_t m = 0; m < heads.size(); ++m)
      cells.push_back(percent(Spread(gains(values.at(first)[m], values.at(variant.name)[m])), true));
    print(table_line(variant.name, cells));
  }
}

void print_json(const std::vector<AblationVariant>& variants, const Values& values) {
  JsonLine json(true);
  json.begin_array("variants");
  const std::string& first = variants.front().name;
  for (const AblationVariant& variant : variants) {
    Json metrics = Json::object();
    for (std::size_t m = 0; m < kAblationMetrics.size(); ++m) {
      const auto& of_variant = values.at(variant.name)[m];
      const std::vector<double> differences = gains(values.at(first)[m], of_variant);
      const Spread spread(of_variant), gain(differences);
      Json list = Json::array();
      for (const double value : of_variant) list.push_back(value);
      metrics.set(std::string(kAblationMetrics[m]),
                  Json::object()
                      .set("mean", spread.mean)
                      .set("std", spread.deviation)
                      .set("values", std::move(list))
                      .set("gain_of_first", gain.mean)
                      .set("gain_std", gain.deviation)
                      .set("wins_of_first", std::ranges::count_if(differences, [](double d) { return d > 0; })));
    }
    json.item(Json::object().set("name", variant.name).set("about", variant.about).set("metrics", std::move(metrics)));
  }
  json.end();
  json.finish();
}

}  // namespace

int run_ablate(Words words) {
  AblateSettings s;
  if (!parse(words, s)) return kOk;
  const std::vector<AblationVariant> variants = choose_variants(s);
  if (s.is_listed) {
    for (const AblationVariant& variant : variants)
      print(table_line(variant.name, {}).substr(0, 30) + variant.about + "\n");
    return kOk;
  }
  if (s.experiment.clip.empty()) s.experiment.clip = find_tiny(kTinyClip);
  constexpr std::uint64_t kLargestClip = std::uint64_t{1} << 33;
  s.experiment.clip_hash = moeclip::sha256_hex(moeclip::read_file(s.experiment.clip, kLargestClip));
  std::vector<Run> runs;
  for (std::int64_t seed = s.first_seed; seed < s.first_seed + s.seeds; ++seed)
    for (const AblationVariant& variant : variants)
      runs.push_back({&variant, seed, ablation_key(s.experiment, variant, seed)});
  RunStore store(s.out);
  run_missing(s, runs, store);
  const Values values = collect(runs, store);
  if (s.is_json) {
    print_json(variants, values);
  } else {
    print_table(s, variants, values);
  }
  return kOk;
}

}  // namespace cli
