// SPDX-License-Identifier: MIT
// moeclip ablate: which parts of the method carry it, and how it compares with others, over several seeds.

#include <algorithm>
#include <cstdlib>
#include <moeclip/data/training_pictures.hpp>
#include <moeclip/eval/run_settings.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/folder_tree.hpp>
#include <moeclip/io/sha256.hpp>
#include <set>

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
  bool allows_training_pictures = false;
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
  options.repeated("test", e.test, "LIST",
                   "pictures to judge on, instead of drawn ones; several lists are told apart: a row for each class of "
                   "each, and their means");
}

/// Throws UsageError if the page would be written over a file that the command reads or keeps.
void expect_page_apart(const AblateSettings& s) {
  const auto place = [](const std::string& path) {  // of a file that need not exist
    return moeclip::canonical_path(moeclip::join_path(moeclip::parent_directory(path), moeclip::file_name(path)));
  };
  std::vector<std::string> others{s.out, s.experiment.clip};
  for (const auto* files : {&s.merged, &s.experiment.train, &s.experiment.test})
    others.insert(others.end(), files->begin(), files->end());
  for (const std::string& other : others)
    if (!other.empty() && !s.report.empty() && place(other) == place(s.report))
      throw UsageError(concat("--report ", s.report, " is a file of this command already; give the page another name"));
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
  expect_page_apart(s);
}

bool parse(Words words, AblateSettings& s) {
  Options options(
      "ablate",
      "Train the method, variants of it and other methods on synthetic pictures, and judge each on categories and\n"
      "kinds of defects that were never seen: mean and standard deviation over seeds, and what the first gains over\n"
      "each, with 95 % intervals by a bootstrap over seeds and pictures; a star where Student's t over seeds says so,\n"
      "too. Finished runs are kept in FILE, the scores of their pictures in FILE.pictures; the same command goes on\n"
      "where it stopped, and makes anew what is damaged or missing. Several processes may share one FILE.");
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
  options.flag("allow-training-pictures", s.allows_training_pictures,
               "judge pictures too that are trained on; the figures say nothing about new ones then");
  options.value("jobs", s.jobs, "N", "runs at the same time, a thread each; default: one per core");
  options.value("shard", s.shard, "I/N",
                "make only these of the missing runs; `auto` as `eval` has it. Shards may have one --out, or one each");
  options.repeated("merge", s.merged, "FILE",
                   "take in the finished runs of this file, such as a shard's, and its .pictures");
  options.value("draws", s.draws, "N", "of the bootstrap; default 1000");
  options.flag("other-categories", s.is_for_others, "intervals for other categories like these: they are drawn, too");
  options.flag("power", s.has_power, "print variance components and how many seeds show --difference");
  options.value("difference", s.difference, "POINTS", "that the analysis of power asks for; default 0.3");
  options.value("report", s.report, "FILE", "tables, intervals, power and cost as one page (.html)");
  options.flag("force", s.is_forced, "overwrite the page");
  options.flag("json", s.is_json, "the table as one JSON object");
  options.progress();
  for (const std::string& word : words)
    if (word == "--method" || word.starts_with("--method="))
      throw UsageError("methods are variants here: --variant aa-clip; --list says which there are");
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

/// All variants. Throws UsageError if options of --option do not go together.
std::vector<AblationVariant> all_variants(const AblationSettings& settings) {
  try {
    return ablation_variants(settings);
  } catch (const moeclip::Error& error) {
    throw UsageError(settings.options.empty() ? error.what() : concat("--option: ", error.what()));
  }
}

/// The variants that were asked for, the whole method first.
std::vector<AblationVariant> choose_variants(const AblateSettings& s) {
  std::vector<AblationVariant> all = all_variants(s.experiment);
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

/// Short names for several lists: of their files, if these differ, or of their folders; else with numbers.
std::vector<std::string> names_of_sets(const std::vector<std::string>& lists) {
  std::vector<std::string> files, folders;
  for (const std::string& path : lists) {
    std::string& name = files.emplace_back(moeclip::file_name(path));
    name.resize(name.size() - moeclip::file_extension(name).size());
    folders.push_back(moeclip::file_name(moeclip::canonical_path(moeclip::parent_directory(path))));
  }
  const auto differ = [](const std::vector<std::string>& names) {
    return std::set(names.begin(), names.end()).size() == names.size();
  };
  if (differ(files)) return files;
  if (differ(folders)) return folders;
  for (std::size_t i = 0; i < files.size(); ++i) files[i] += concat(" ", i + 1);
  return files;
}

void identify(AblationSettings& e) {
  if (e.clip.empty()) e.clip = find_tiny(kTinyClip);
  e.clip_hash = file_hash(e.clip);
  for (const auto* lists : {&e.train, &e.test})
    for (const std::string& path : *lists) e.lists_hash += file_hash(path);
  if (e.test.size() < 2) return;
  e.test_sets = names_of_sets(e.test);
  for (const std::string& name : e.test_sets) e.lists_hash += concat(" ", name);
}

moeclip::TrainingPictures pictures_of(moeclip::Context& context, const std::vector<std::string>& lists) {
  moeclip::TrainingPictures pictures;
  std::vector<std::string> files;
  for (const std::string& path : lists)
    for (const moeclip::DatasetEntry& entry : moeclip::read_dataset(path)) {
      files.push_back(entry.image_path);
      pictures.classes.push_back(entry.class_name);
    }
  pictures.hashes = moeclip::picture_hashes(context, files);
  pictures.tidy();
  return pictures;
}

/// Throws mismatch if something learns pictures that it is judged by, unless that is allowed.
void expect_unseen(const AblateSettings& s, const std::vector<AblationVariant>& variants) {
  if (s.experiment.test.empty() || std::ranges::none_of(variants, is_learned)) return;
  moeclip::Context context({.threads = static_cast<int>(s.jobs)});
  const auto trained = pictures_of(context, s.experiment.train), judged = pictures_of(context, s.experiment.test);
  const auto seen = std::ranges::count_if(judged.hashes, [&](std::uint64_t hash) { return trained.has_picture(hash); });
  if (seen > 0 && !s.allows_training_pictures)
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  concat(moeclip::counted(seen, "picture"),
                         " of --test would be trained on, so the figures would say nothing about new ones; give other "
                         "lists, or --allow-training-pictures"));
  if (seen > 0) inform(concat(moeclip::counted(seen, "picture"), " of the test are trained on, too"));
  std::string names;
  for (const std::string& name : judged.classes)
    if (trained.has_class(name)) names += concat(names.empty() ? "" : ", ", name);
  if (!names.empty()) inform(concat("classes of the same name are trained on: ", names));
}

/// Takes in the runs of other files, and says what the table has no use for.
void merge_others(const AblateSettings& s, const std::vector<AblationRun>& runs, AblationStore& store) {
  std::set<std::string> wanted;
  for (const AblationRun& run : runs) wanted.insert(run.key);
  for (const std::string& path : s.merged) {
    const std::vector<std::string> keys = store.merge(path);
    const auto others = std::ranges::count_if(keys, [&](const std::string& key) { return !wanted.contains(key); });
    if (others > 0)
      inform(concat(path, ": ", others, " of ", moeclip::counted(keys.size(), "run"),
                    " have other variants, seeds or settings than this command, so they are not in its table",
                    s.out.empty() ? "" : concat("; ", s.out, " has them now")));
  }
}

/// What a shard says that cannot make the table.
void report_shard(const AblateSettings& s, std::size_t runs, std::size_t left) {
  JsonLine json(s.is_json);
  json.member("out", s.out);
  json.member("runs", runs);
  json.member("finished", runs - left);
  json.member("left", left);
  json.finish();
  if (!s.is_json)
    print(concat(printable(s.out), ": ", runs - left, " of ", moeclip::counted(runs, "run"),
                 " are finished, the others are left to other shards; --merge FILE takes in what lies elsewhere\n"));
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
  expect_unseen(s, variants);
  std::vector<AblationRun> runs;
  for (std::int64_t seed = s.first_seed; seed < s.first_seed + s.seeds; ++seed)
    for (const AblationVariant& variant : variants)
      runs.push_back({&variant, seed, ablation_key(s.experiment, variant, seed)});
  AblationStore store(s.out);
  merge_others(s, runs, store);
  run_missing(s, runs, store);
  const auto left = std::ranges::count_if(runs, [&](const AblationRun& run) { return store.find(run.key) == nullptr; });
  if (left > 0) {
    report_shard(s, runs.size(), static_cast<std::size_t>(left));
    return kOk;
  }
  moeclip::Context context({.threads = static_cast<int>(s.jobs)});
  moeclip::BootstrapOptions bootstrap;
  bootstrap.draws = s.draws;
  bootstrap.draws_classes = s.is_for_others;
  bootstrap.shares_pictures = !s.experiment.test.empty();
  const AblationComparison comparison =
      compare_runs(context, variants, runs, store, {bootstrap, s.experiment.test_sets, s.difference / 100});
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
