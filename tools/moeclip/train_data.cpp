// SPDX-License-Identifier: MIT
// What `moeclip train` learns from, and what it is judged by while it does.

#include <algorithm>
#include <map>
#include <moeclip/base/read_number.hpp>
#include <moeclip/data/hold_out.hpp>
#include <moeclip/data/picture_files.hpp>
#include <moeclip/data/source_pictures.hpp>
#include <moeclip/data/tile_source.hpp>
#include <moeclip/memory/twins.hpp>
#include <moeclip/synthetic/good_pictures.hpp>
#include <set>

#include "commands.hpp"
#include "detect.hpp"
#include "each_once.hpp"
#include "progress.hpp"
#include "train.hpp"

namespace cli {

using moeclip::concat;
using moeclip::DatasetEntry;
using moeclip::index_t;
using moeclip::SampleSource;

namespace {

/// The share that `text` is, if it is a number.
std::optional<double> share_of(const std::string& text) {
  double share = 0;
  const auto [end, error] = moeclip::read_number(text.data(), text.data() + text.size(), share);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return share;
}

/// The good pictures of a data set: those for training, or if there are none, all. Nothing if the folder is in no
/// layout. `class_name`, unless it is empty, is that of a folder of one class.
std::vector<DatasetEntry> good_of_dataset(const std::string& path, const LayoutChoice& choice,
                                          const std::string& class_name) {
  std::vector<DatasetEntry> entries;
  for (const std::optional<moeclip::Split> part : {std::optional(moeclip::Split::train), {}}) {
    moeclip::LayoutOptions layout = choice.of_split(part);
    layout.class_name = class_name;
    try {
      entries = moeclip::open_dataset(path, layout).entries;
    } catch (const moeclip::Error& error) {
      if (error.code() != moeclip::ErrorCode::missing || !moeclip::is_directory(path)) throw;
      return {};
    }
    std::erase_if(entries, [](const DatasetEntry& entry) { return entry.label != 0; });
    if (!entries.empty()) return entries;
  }
  moeclip::fail(moeclip::ErrorCode::missing, concat(path, ": has no good pictures"));
}

/// What --good DIR names; `unread` counts what lies there and cannot be looked at.
std::vector<DatasetEntry> good_pictures_in(const std::string& path, const LayoutChoice& layout,
                                           const std::string& class_name, std::size_t& unread) {
  const bool is_picture = moeclip::is_picture_name(path) && !moeclip::is_directory(path);
  std::vector<DatasetEntry> entries;
  if (!is_picture) entries = good_of_dataset(path, layout, class_name);
  if (!entries.empty()) return entries;
  const DetectInputs inputs = collect_inputs({path});
  unread += inputs.unread;
  for (const DetectInput& input : inputs.pictures)
    if (!moeclip::is_directory(input.path))
      entries.push_back({input.path, 0, class_name.empty() ? "object" : class_name, ""});
  if (entries.empty()) moeclip::fail(moeclip::ErrorCode::missing, concat(path, ": no pictures are in this folder"));
  return entries;
}

/// All samples of a source of files.
std::vector<DatasetEntry> entries_of(const SampleSource& source) {
  std::vector<DatasetEntry> entries;
  for (index_t i = 0; i < source.size(); ++i) entries.push_back(*source.entry(i));
  return entries;
}

/// Throws missing unless there are good and defective pictures to judge by.
void expect_both_kinds(const SampleSource& source, const std::string& what) {
  index_t defective = 0;
  for (index_t i = 0; i < source.size(); ++i) defective += source.entry(i)->label;
  if (defective == 0 || defective == source.size())
    moeclip::fail(moeclip::ErrorCode::missing,
                  concat("--valid ", what, ": good and defective pictures are needed to judge by; of ", source.size(),
                         ", ", defective, " are defective"));
}

SampleSource collect_pictures(const std::vector<std::string>& data, const moeclip::LayoutOptions& layout) {
  SampleSource source;
  index_t defective = 0, unmarked = 0, lost_masks = 0, lost_pictures = 0;
  std::string first_mask, first_picture;
  EachOnce once;
  for (const std::string& path : data) {
    moeclip::DatasetListing listing = moeclip::open_dataset(path, layout);
    for (const std::string& note : listing.notes) inform(note);
    std::vector<DatasetEntry>& entries = listing.entries;
    if (entries.empty())
      moeclip::fail(moeclip::ErrorCode::missing, concat(path, ": there are no pictures in that part; see --split"));
    std::vector<std::string> paths;
    for (const DatasetEntry& entry : entries) paths.push_back(entry.image_path);
    once.expect_new(path, paths);
    for (DatasetEntry& entry : entries) {
      if (!moeclip::file_exists(entry.image_path) && lost_pictures++ == 0) first_picture = entry.image_path;
      if (entry.label == 0) continue;
      ++defective;
      const bool is_lost = !entry.mask_path.empty() && !moeclip::file_exists(entry.mask_path) &&
                           !moeclip::is_directory(entry.mask_path);  // of several masks
      if (is_lost && lost_masks++ == 0) first_mask = entry.mask_path;
      if (is_lost) entry.mask_path.clear();
      unmarked += entry.mask_path.empty() ? 1 : 0;
    }
    source.add(std::move(entries));
  }
  if (lost_pictures > 0)
    moeclip::fail(moeclip::ErrorCode::io,
                  concat("of ", moeclip::counted(source.size(), "picture"), " ", lost_pictures,
                         lost_pictures == 1 ? " is" : " are", " not there; the first is ", first_picture));
  if (lost_masks > 0)
    inform(concat(moeclip::counted(lost_masks, "mask file"), lost_masks == 1 ? " is" : " are",
                  " not there; the first is ", first_mask));
  if (unmarked > 0)
    inform(concat("of ", moeclip::counted(defective, "defective picture"), " ", unmarked,
                  unmarked == 1 ? " has" : " have", " no mask: there only the loss of whole pictures learns"));
  return source;
}

/// Finds which good pictures show the same thing (TWI-1), class by class.
class ThingFinder {
 public:
  /// The next picture.
  void add(moeclip::Context& context, const std::string& class_name, moeclip::ImageView picture) {
    Class& own = classes_[class_name];
    own.twins.add(context, picture);
    own.pictures.push_back(count_++);
  }

  /// Of each picture, the first one of its thing.
  [[nodiscard]] std::vector<index_t> firsts(moeclip::Context& context) const {
    std::vector<index_t> firsts(static_cast<std::size_t>(count_));
    for (const auto& [name, own] : classes_) {
      const std::vector<index_t> things = own.twins.things(context);
      std::map<index_t, index_t> first_of;
      for (std::size_t i = 0; i < things.size(); ++i)
        firsts[static_cast<std::size_t>(own.pictures[i])] = first_of.emplace(things[i], own.pictures[i]).first->second;
    }
    return firsts;
  }

 private:
  struct Class {
    moeclip::TwinFinder twins;
    std::vector<index_t> pictures;
  };

  std::map<std::string, Class> classes_;
  index_t count_ = 0;
};

}  // namespace

void TrainData::declare(Options& options) {
  options.repeated("data", data, "DATA", "data set: a folder, or a list (.jsonl)");
  options.positionals("DATA", more_data, 0, "more data sets; all are mixed");
  options.repeated("good", good, "DIR",
                   "instead: good pictures only, files, a folder of them or the good ones of a data set; flaws are "
                   "drawn onto them, others in each epoch");
  options.value("class", class_name, "NAME", "what good pictures show; default: what their data set says, else object");
  options.value("draws", draws, "N", "samples of each good picture in an epoch; default: so that there are 200 in all");
  options.value("defective-share", defective_share, "X", "of the samples of good pictures, that get a flaw");
  tiles.declare(options);
  options.choice("split", split, {"test", "train", "valid", "all"},
                 "what is taken of folders that have parts; default test, where defects and masks are");
  layout.declare(options);
  options.value("valid", valid, "DATA|X",
                "judge the adapter after every epoch by a data set, or by a share X of the training data that is held "
                "out, and keep the best as moe_best.safetensors; default with --good 0.2, else 0: not");
}

void TrainData::check() {
  data.insert(data.end(), more_data.begin(), more_data.end());
  if (good.empty() == data.empty())
    throw UsageError("give data sets (--data), or good pictures (--good); `moeclip demo --train` needs neither");
  layout.check();
  if (good.empty() && (draws || defective_share || !class_name.empty()))
    throw UsageError("--class, --draws and --defective-share are about --good DIR");
  tiles.check();
  if (draws.value_or(1) < 1) throw UsageError("--draws is 1 or more");
  if (!(defective_share.value_or(0.5) > 0 && defective_share.value_or(0.5) <= 1))
    throw UsageError("--defective-share is above 0 and at most 1");
  const std::optional<double> share = share_of(valid);
  if (share && !(*share >= 0 && *share < 1)) throw UsageError("--valid X is a share from 0 to below 1");
}

TrainPictures::TrainPictures(const TrainData& options) : options_(options), share_(share_of(options.valid)) {
  const auto layout = options.layout.of_split(moeclip::split_of_name(options.split.empty() ? "test" : options.split));
  for (const std::string& folder : options.good)
    for (DatasetEntry& entry : good_pictures_in(folder, options.layout, options.class_name, unread_))
      good_.push_back(std::move(entry));
  if (good_.empty()) marked_ = collect_pictures(options.data, layout);
  if (options.valid.empty() || share_) {
    if (!share_) share_ = good_.empty() ? 0 : kHeldShare;
    return;
  }
  valid_ = collect_pictures({options.valid}, layout);
  expect_both_kinds(valid_, options.valid);
}

std::size_t TrainPictures::look(moeclip::Context& context, const moeclip::ImageOptions& images) {
  std::size_t failures = 0;
  if (!good_.empty())
    failures = look_at_good(context, images);
  else if (share_.value_or(0) > 0)
    find_copies(context);
  if (valid_.size() > 0) expect_others_judge(context);
  return failures;
}

std::size_t TrainPictures::look_at_good(moeclip::Context& context, const moeclip::ImageOptions& images) {
  const bool holds_out = share_.value_or(0) > 0;
  ThingFinder things;
  std::set<std::uint64_t> seen;
  std::vector<DatasetEntry> taken;
  std::size_t failures = unread_, copies = 0;
  for (DatasetEntry& entry : good_) {
    const auto look = [&] {
      const moeclip::Sample sample = moeclip::load_sample({entry.image_path, 0, entry.class_name, ""}, images);
      const bool is_new = seen.insert(moeclip::picture_hash(entry.image_path)).second;
      if (is_new && holds_out) things.add(context, entry.class_name, sample.picture.view());
      if (is_new) taken.push_back(std::move(entry));
      copies += is_new ? 0 : 1;
    };
    if (!attempt(look)) ++failures;
  }
  if (copies > 0)
    inform(concat(moeclip::counted(copies, "good picture"), copies == 1 ? " is a copy of another one" : " are copies",
                  ", byte by byte, and left out: what is judged by must not be learned"));
  if (taken.empty())
    moeclip::fail(moeclip::ErrorCode::missing, concat(options_.good.front(), ": there is no good picture to train on"));
  good_ = std::move(taken);
  if (holds_out) firsts_ = things.firsts(context);
  index_t shown = 0;
  for (std::size_t i = 0; i < firsts_.size(); ++i) shown += firsts_[i] == static_cast<index_t>(i) ? 1 : 0;
  if (shown < std::ssize(firsts_))
    inform(concat(
        "the ", moeclip::counted(good_.size(), "good picture"), " show only ", moeclip::counted(shown, "thing"),
        ": those that are alike up to light, place, turning and mirroring are held out together, or not at all"));
  return failures;
}

void TrainPictures::find_copies(moeclip::Context& context) {
  std::vector<std::string> paths;
  for (index_t i = 0; i < marked_.size(); ++i) paths.push_back(marked_.file(i));
  std::map<std::uint64_t, index_t> first_of;
  for (const std::uint64_t hash : moeclip::picture_hashes(context, paths))
    firsts_.push_back(first_of.emplace(hash, std::ssize(firsts_)).first->second);
}

void TrainPictures::expect_others_judge(moeclip::Context& context) const {
  const moeclip::TrainingPictures learned =
      moeclip::training_pictures(context, good_.empty() ? marked_ : SampleSource(good_));
  std::vector<std::string> paths;
  for (index_t i = 0; i < valid_.size(); ++i) paths.push_back(valid_.file(i));
  const std::vector<std::uint64_t> hashes = moeclip::picture_hashes(context, paths);
  std::string first;
  index_t known = 0;
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (learned.has_picture(hashes[i]) && known++ == 0) first = paths[i];
  if (known == 0) return;
  moeclip::fail(moeclip::ErrorCode::mismatch,
                concat("--valid ", options_.valid, ": of ", moeclip::counted(paths.size(), "picture"), " ", known,
                       known == 1 ? " is" : " are", " trained on, too, such as ", first,
                       ", so the judgement would flatter; give others, or --valid 0.2, which holds pictures out"));
}

TrainSources TrainPictures::sources(const moeclip::TrainerOptions& trainer) const {
  TrainSources sources{marked_, valid_};
  if (!good_.empty()) {
    sources = good_sources(trainer);
  } else if (share_.value_or(0) > 0) {
    moeclip::SplitSource parts = moeclip::hold_out(marked_, *share_, trainer.seed, firsts_);
    expect_both_kinds(parts.held, options_.valid);
    sources = {std::move(parts.rest), std::move(parts.held)};
  }
  const moeclip::TileOptions tiles = options_.tiles.tiles();
  if (!tiles.is_on()) return sources;
  return {moeclip::tile_source(sources.train, tiles, trainer.images),
          moeclip::tile_source(sources.valid, tiles, trainer.images)};
}

TrainSources TrainPictures::good_sources(const moeclip::TrainerOptions& trainer) const {
  constexpr index_t kSamples = 200;
  const moeclip::SplitSource parts = moeclip::hold_out(SampleSource(good_), share_.value_or(0), trainer.seed, firsts_);
  if (!options_.valid.empty() && share_.value_or(0) > 0 && parts.held.size() == 0)
    moeclip::fail(moeclip::ErrorCode::missing,
                  concat("--valid ", options_.valid, ": of ", moeclip::counted(good_.size(), "good picture"),
                         " none can be held out; that takes five of different things"));
  moeclip::FlawedPictures plan;
  plan.pictures = entries_of(parts.rest);
  plan.seed = trainer.seed;
  plan.tiles = options_.tiles.tiles();
  plan.draws = options_.draws.value_or((kSamples + parts.rest.size() - 1) / parts.rest.size());
  plan.defective_share = options_.defective_share.value_or(plan.defective_share);
  plan.longest = 2 * trainer.image_size;  // finer than the model sees, so that flaws have soft edges as photographs do
  TrainSources sources{SampleSource(moeclip::flawed_samples(plan)), valid_};
  plan.pictures = entries_of(parts.held);
  if (!plan.pictures.empty()) sources.valid = moeclip::judging_source(std::move(plan));
  return sources;
}

std::string TrainPictures::describe(const TrainSources& sources) const {
  if (good_.empty())
    return concat(moeclip::counted(sources.train.size(), "picture"), " to train on",
                  sources.valid.size() > 0 ? concat(", ", sources.valid.size(), " to judge by") : "");
  const auto trained = static_cast<index_t>(good_.size()) - held_pictures(sources);
  return concat(
      moeclip::counted(good_.size(), "good picture"), ": ", moeclip::counted(sources.train.size() / trained, "sample"),
      " of each of ", trained, " in an epoch, ",
      sources.valid.size() == 0
          ? "nothing to judge by"
          : concat(sources.valid.size(), " to judge by",
                   trained < std::ssize(good_) ? concat(" from ", held_pictures(sources), " that are held out") : ""));
}

index_t TrainPictures::held_pictures(const TrainSources& sources) const {
  std::vector<std::string> files;
  for (index_t i = 0; i < sources.train.size(); ++i) files.push_back(sources.train.file(i));
  std::ranges::sort(files);
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return std::ssize(good_) - std::ssize(files);
}

}  // namespace cli
