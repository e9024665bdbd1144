// SPDX-License-Identifier: MIT
// moeclip ablate: which parts of the method carry it, and how it compares with others, over several seeds.

#include <algorithm>
#include <cstdlib>
#include <moeclip/eval/run_settings.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/sha256.hpp>

#include "ablation_report.hpp"
#include "commands.hpp"

namespace cli {

using moeclip::concat;

namespace {

struct AblateSettings {
  AblationSettings experiment;
  std::vector<std::string> only, merged;
  std::string out, preset, shard, report;
  std::int64_t seeds = 5, first_seed = 1, jobs = 0, draws = 1000;
  double difference = 0.3;
  bool is_listed = false, is_json = false, has_power = false, is_for_others = false, is_forced = false;
};

void declare_experiment(Options& options, AblationSettings& e) {
  options.value("clip", e.clip, "FILE", "CLIP weights; default: the built-in model");
  options.value("image-size", e.image_size, "PIXELS", "side of the square that is looked at; default: the CLIP's own");
  options.choice("world", e.world, {"parts", "regions", "homogeneous"}, "of the drawn pictures; default parts");
  options.value("pictures", e.pictures, "N", "to train on; default 1600");
  options.value("epochs", e.epochs, "N", "default 1");
  options.value("batch", e.batch, "N", "pictures per step; default 8");
  options.value("lr", e.lr, "X", "learning rate of all recipes; default 0.001");
  options.value("method-lr", e.method_lr, "X", "learning rate of other methods; default: each stage's own");
  options.repeated("option", e.options, "NAME=VALUE", "an option of all recipes");
  options.value("test-pictures", e.test_pictures, "N", "to judge on; default 240");
  options.choice("categories", e.categories, {"unseen", "seen"}, "what is judged on; default unseen");
  options.choice("defects", e.defects, {"unseen", "all"}, "kinds of defects in the test; default unseen");
  options.repeated("train", e.train, "LIST", "pictures to train on, a metadata list (.jsonl), instead of drawn ones");
  options.repeated("test", e.test, "LIST", "pictures to judge on, instead of drawn ones");
}

void expect_sense(const AblateSettings& s) {
  const AblationSettings& e = s.experiment;
  if (s.seeds < 1 || s.first_seed < 0 || e.pictures < 1 || e.epochs < 1 || e.batch < 1 || e.test_pictures < 1)
    throw UsageError("--seeds, --pictures, --epochs, --batch and --test-pictures are 1 or more");
  if (s.jobs < 0 || s.jobs > 4096) throw UsageError("--jobs is a count");
  expect_size_and_threads(e.image_size, 0);
  if (s.draws < 2 || s.draws > 1'000'000) throw UsageError("--draws is from 2 to 1000000");
  if (!(e.lr > 0) || e.method_lr < 0) throw UsageError("--lr is positive, --method-lr not negative");
  if (!(s.difference > 0)) throw UsageError("--difference is positive");
  if (e.train.empty() != e.test.empty()) throw UsageError("--train and --test go together");
  if (s.preset == "worlds" && !e.test.empty()) throw UsageError("--preset worlds draws its own pictures");
  if (!s.shard.empty() && s.out.empty()) throw UsageError("--shard needs --out: others are to have its runs");
}

bool parse(Words words, AblateSettings& s) {
  Options options(
      "ablate",
      "Train the method, variants of it and other methods on synthetic pictures, and judge each on categories and\n"
      "kinds of defects that were never seen: mean and standard deviation over seeds, and what the first gains over\n"
      "each, with 95 % intervals by a bootstrap over seeds and pictures; a star where Student's t over seeds says so,\n"
      "too. Finished runs are kept in FILE, the scores of their pictures in FILE.pictures; the same command goes on\n"
      "where it stopped.");
  options.value("out", s.out, "FILE", "finished runs, a JSON object a line; without it nothing is kept");
  options.value("seeds", s.seeds, "N", "runs per variant; default 5");
  options.value("first-seed", s.first_seed, "N", "default 1");
  options.repeated("variant", s.only, "NAME",
                   "only this one (and those of further --variant), of the preset if there is one");
  options.choice(
      "preset", s.preset, {kAblationPresets.begin(), kAblationPresets.end()},
      "paper-table: the rows of the paper's tables, all methods; power: training of several lengths; worlds: "
      "specialised and uniform experts where regions matter and where they cannot");
  options.flag("list", s.is_listed, "say which variants there are, and stop");
  declare_experiment(options, s.experiment);
  options.value("jobs", s.jobs, "N", "runs at the same time, a thread each; default: one per core");
  options.value("shard", s.shard, "I/N", "make only these of the missing runs; `auto` as `eval` has it");
  options.repeated("merge", s.merged, "FILE", "take in the finished runs of this file, such as a shard's");
  options.value("draws", s.draws, "N", "of the bootstrap; default 1000");
  options.flag("other-categories", s.is_for_others, "intervals for other categories like these: they are drawn, too");
  options.flag("power", s.has_power, "print variance components and how many seeds show --difference");
  options.value("difference", s.difference, "POINTS", "that the analysis of power asks for; default 0.3");
  options.value("report", s.report, "FILE", "tables, intervals, power and cost as one page (.html)");
  options.flag("force", s.is_forced, "overwrite the page");
  options.flag("json", s.is_json, "the table as one JSON object");
  options.progress();
  if (!options.parse(words)) return false;
  expect_sense(s);
  return true;
}

/// Whether the experiment's pictures allow for a variant: memories need good ones of drawn parts.
bool fits(const AblationVariant& variant, const AblationSettings& settings) {
  const bool is_memory = variant.kind == AblationKind::memory || variant.kind == AblationKind::memory_random ||
                         variant.kind == AblationKind::memory_pixels;
  return !is_memory || (settings.world == "parts" && settings.test.empty());
}

/// The variants that were asked for, the whole method first.
std::vector<AblationVariant> choose_variants(const AblateSettings& s) {
  std::vector<AblationVariant> all = ablation_variants(s.experiment);
  if (!s.preset.empty()) all = preset_variants(s.preset, s.experiment, all);
  std::erase_if(all, [&](const AblationVariant& variant) { return !fits(variant, s.experiment); });
  std::vector<std::string> names;
  for (const AblationVariant& variant : all) names.push_back(variant.name);
  for (const std::string& name : s.only)
    if (std::ranges::find(names, name) == names.end()) {
      const std::string meant = nearest(name, names);
      throw UsageError(
          concat("there is no variant '", name, "'", meant.empty() ? "" : concat("; did you mean '", meant, "'?")));
    }
  if (s.only.empty()) return all;
  const auto is_chosen = [&](const std::string& name) { return std::ranges::find(s.only, name) != s.only.end(); };
  std::erase_if(all, [&](const AblationVariant& variant) { return !is_chosen(variant.name); });
  for (const AblationVariant& variant : all)
    if (!variant.baseline.empty() && !is_chosen(variant.baseline))
      throw UsageError(concat(variant.name, " is compared with ", variant.baseline, ": name that, too"));
  return all;
}

std::string file_hash(const std::string& path) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 33;
  return moeclip::sha256_hex(moeclip::read_file(path, kLargest));
}

void identify(AblationSettings& e) {
  if (e.clip.empty()) e.clip = find_tiny(kTinyClip);
  e.clip_hash = file_hash(e.clip);
  for (const auto* lists : {&e.train, &e.test})
    for (const std::string& path : *lists) e.lists_hash += file_hash(path);
}

/// Makes those of the runs of this shard that the store has not got, `jobs` at a time.
void run_missing(const AblateSettings& s, const std::vector<AblationRun>& runs, AblationStore& store) {
  moeclip::Shard shard;
  try {
    if (!s.shard.empty())
      shard = moeclip::parse_shard(s.shard, [](const char* name) -> const char* { return std::getenv(name); });
  } catch (const moeclip::Error& error) {
    throw UsageError(concat("--shard: ", error.what()));
  }
  std::vector<const AblationRun*> missing;
  std::size_t finished = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const bool is_mine = static_cast<moeclip::index_t>(i) % shard.count == shard.number - 1;
    if (store.find(runs[i].key) != nullptr)
      ++finished;
    else if (is_mine)
      missing.push_back(&runs[i]);
  }
  if (finished > 0) inform(concat(finished, " of ", moeclip::counted(runs.size(), "run"), " are finished already"));
  moeclip::Context context({.threads = static_cast<int>(s.jobs)});
  Progress progress("ablate", missing.size(), messages(), static_cast<std::size_t>(context.threads()));
  std::mutex mutex;
  context.parallel_for(std::ssize(missing), [&](moeclip::index_t i, int) {
    const AblationRun& run = *missing[static_cast<std::size_t>(i)];
    {
      const std::lock_guard lock(mutex);
      progress.step(concat(run.variant->name, ", seed ", run.seed));
    }
    store.keep(run, run_ablation(s.experiment, *run.variant, run.seed));
  });
}

std::vector<std::string> remarks_of(const AblateSettings& s) {
  const AblationSettings& e = s.experiment;
  std::vector<std::string> remarks{concat("CLIP=", moeclip::file_name(e.clip), ", SHA-256 ", e.clip_hash.substr(0, 16)),
                                   concat("seeds=", s.first_seed, " to ", s.first_seed + s.seeds - 1),
                                   concat("epochs, batch=", e.epochs, ", ", e.batch), concat("learning rate=", e.lr)};
  if (e.test.empty()) {
    remarks.push_back(concat("world=", s.preset == "worlds" ? "regions and homogeneous" : e.world));
    remarks.push_back(concat("pictures=", e.pictures, " to train on, ", e.test_pictures, " to judge on, of ",
                             e.categories, " categories, other ones for each seed"));
    remarks.push_back(concat("defects=", e.defects));
  }
  for (const std::string& path : e.train) remarks.push_back(concat("trained on=", path));
  for (const std::string& path : e.test) remarks.push_back(concat("judged on=", path));
  for (const std::string& option : e.options) remarks.push_back(concat("option=", option));
  remarks.push_back(concat("draws of the bootstrap=", s.draws));
  return remarks;
}

void list_variants(const std::vector<AblationVariant>& variants) {
  for (const AblationVariant& variant : variants) {
    std::string line = ablation_line(variant.name, {});
    line.pop_back();
    print(line + variant.about + "\n");
  }
}

}  // namespace

int run_ablate(Words words) {
  const auto start = std::chrono::steady_clock::now();
  AblateSettings s;
  if (!parse(words, s)) return kOk;
  const std::vector<AblationVariant> variants = choose_variants(s);
  if (s.is_listed) {
    list_variants(variants);
    return kOk;
  }
  if (!s.report.empty()) expect_writable(s.report, s.is_forced);
  identify(s.experiment);
  std::vector<AblationRun> runs;
  for (std::int64_t seed = s.first_seed; seed < s.first_seed + s.seeds; ++seed)
    for (const AblationVariant& variant : variants)
      runs.push_back({&variant, seed, ablation_key(s.experiment, variant, seed)});
  AblationStore store(s.out);
  for (const std::string& path : s.merged) store.merge(path);
  run_missing(s, runs, store);
  const auto left = std::ranges::count_if(runs, [&](const AblationRun& run) { return store.find(run.key) == nullptr; });
  if (left > 0) {
    inform(concat(left, " of ", moeclip::counted(runs.size(), "run"),
                  " are left to other shards; --merge FILE takes them in"));
    return kOk;
  }
  moeclip::Context context({.threads = static_cast<int>(s.jobs)});
  moeclip::BootstrapOptions bootstrap;
  bootstrap.draws = s.draws;
  bootstrap.draws_classes = s.is_for_others;
  bootstrap.shares_pictures = !s.experiment.test.empty();
  AblationComparison comparison = compare_runs(context, variants, runs, store, bootstrap);
  comparison.difference = s.difference / 100;
  if (s.is_json) {
    print_comparison_json(comparison);
  } else {
    print_comparison(comparison, s.has_power);
  }
  if (s.report.empty()) return kOk;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_outputs([&] { write_comparison(comparison, {s.report, words, seconds, remarks_of(s)}); });
  if (!s.is_json) print(concat(printable(s.report), "\n"));
  return kOk;
}

}  // namespace cli
