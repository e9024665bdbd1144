// SPDX-License-Identifier: MIT
#include "good.hpp"

#include <algorithm>
#include <limits>
#include <moeclip/data/picture_files.hpp>
#include <moeclip/data/training_pictures.hpp>
#include <set>

#include "commands.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;

void expect_memory_alone(const std::vector<std::string>& good) {
  for (const std::string& path : good)
    if (good.size() > 1 && is_memory_name(path))
      throw UsageError(concat(path, ": a file of `moeclip learn` stands alone; learn all good pictures together"));
}

void GoodOptions::declare(Options& options) {
  options.choice("features", features, {"auto", "texture", "encoder"},
                 "what patches are known by: energies of edges, which need no weights, or a CLIP's tokens; auto: "
                 "texture without --clip. Textures without good pictures: what is unlike the rest of its picture");
  options.value("text-weight", text_weight, "W",
                "share of what the words say in map and score, from 0 to 1; default 0.5 with --adapter, else 0");
  options.value("false-positives", false_positives, "RATE",
                "share of good pictures that may be called defective; default 0.05");
  options.value("patches", patches, "N", "patches that are remembered at most; default 2000");
  options.value("folds", folds, "K", "parts that are held out in turn to find the threshold; default 10");
  options.flag("turned", is_turned, "learn each picture in all eight positions, turned and mirrored");
  options.flag("all-different", is_each_another,
               "every picture is of another part; default: pictures that are alike up to light, place, turning and "
               "mirroring count once, as shots of one part");
  options.value("seed", seed, "N", "of the choice of patches; default 111");
}

void GoodOptions::check(bool has_clip, const std::vector<std::string>& good) const {
  if (is_learned(good) && !is_default())
    throw UsageError(concat(good.front(), ": how a memory is made was decided by `moeclip learn`; leave ", kNames,
                            " out, or learn it anew with them"));
  if (features == "texture" && has_clip)
    throw UsageError("--features texture takes no --clip and --adapter: leave them out, or take --features encoder");
  if (text_weight && !(*text_weight >= 0 && *text_weight <= 1)) throw UsageError("--text-weight lies between 0 and 1");
  if (takes_textures(has_clip) && text_weight && *text_weight > 0)
    throw UsageError("textures know no words: leave --text-weight out, or take --features encoder");
  if (!(false_positives > 0 && false_positives < 1)) throw UsageError("--false-positives lies between 0 and 1");
  if (patches < 1 || patches > 10'000'000 || folds < 2 || folds > 1'000'000 || seed < 0)
    throw UsageError("--patches is a count of 1 or more, --folds one of 2 or more, and --seed is not negative");
}

bool GoodOptions::is_default() const {
  const GoodOptions none;
  return features == none.features && !text_weight && false_positives == none.false_positives &&
         patches == none.patches && folds == none.folds && seed == none.seed && !is_turned && !is_each_another;
}

bool GoodOptions::is_texture_alone() const {
  GoodOptions rest = *this;
  rest.features = "auto";
  return features == "texture" && rest.is_default();
}

namespace {

/// Sees whether good pictures were taken in one way: a memory of gray and coloured ones, or of near and far ones, finds
/// that good ones differ much, and its threshold becomes so high that nothing is found.
class PictureKinds {
 public:
  void add(const moeclip::Image& picture) {
    ++count_;
    if (is_gray(picture)) ++gray_;
    const moeclip::index_t longest = std::max(picture.width(), picture.height());
    if (longest < smallest_) smallest_ = longest;
    if (longest > largest_) largest_ = longest;
  }

  [[nodiscard]] std::string remark() const {
    constexpr moeclip::index_t kMuch = 2;
    std::string text;
    if (gray_ > 0 && gray_ < count_)
      text = concat(gray_, " of ", moeclip::counted(count_, "good picture"), " are gray, the others in colour");
    if (largest_ >= kMuch * smallest_)
      text += concat(text.empty() ? "good pictures are " : ", and they are ", smallest_, " to ", largest_,
                     " pixels long, and seen at one size");
    return text.empty() ? text : text + "; learn only such as those to be judged, else little is found";
  }

 private:
  static bool is_gray(const moeclip::Image& picture) {
    if (picture.channels() == 1) return true;
    const std::uint8_t* const rgb = picture.data();
    for (moeclip::index_t i = 0; i < picture.width() * picture.height(); ++i)
      if (rgb[3 * i] != rgb[3 * i + 1] || rgb[3 * i + 1] != rgb[3 * i + 2]) return false;
    return true;
  }

  moeclip::index_t count_ = 0, gray_ = 0, smallest_ = std::numeric_limits<moeclip::index_t>::max(), largest_ = 0;
};

}  // namespace

namespace {

/// Throws mismatch if a folder of `inputs` seems to be a data set, of which not all is good.
void expect_all_good(const std::vector<std::string>& arguments, const std::vector<DetectInput>& inputs) {
  std::vector<std::vector<std::string>> paths(arguments.size());
  for (const DetectInput& input : inputs)
    paths[input.argument].push_back(input.stem + moeclip::file_extension(input.path));
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string other = moeclip::first_not_good(paths[i]);
    if (other.empty()) continue;
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  concat(arguments[i], ": all in this folder would be taken for good, but ", printable(other),
                         " seems to be something else; name the folder with the good ones alone"));
  }
}

}  // namespace

GoodInputs collect_good(const std::vector<std::string>& arguments, const moeclip::ImageOptions& images) {
  GoodInputs good;
  PictureKinds kinds;
  std::set<std::uint64_t> seen;
  std::size_t copies = 0;
  const DetectInputs inputs = collect_inputs(arguments);
  good.failures = inputs.unread;
  expect_all_good(arguments, inputs.pictures);
  for (const DetectInput& input : inputs.pictures) {
    if (input.path == "-") throw UsageError("good pictures are read twice, so they cannot come from standard input");
    const auto read = [&] {
      const auto found = read_input(input, images);
      say_remark(input.path, found.remark);
      kinds.add(found.image);
    };
    if (!attempt(read))
      ++good.failures;
    else if (seen.insert(moeclip::picture_hash(input.path)).second)
      good.pictures.push_back(input);
    else
      ++copies;
  }
  if (copies > 0)
    inform(concat(moeclip::counted(copies, "good picture"), copies == 1 ? " is a copy of another one" : " are copies",
                  ", byte by byte, and left out: what is learned twice promises too much"));
  if (good.pictures.empty())
    moeclip::fail(moeclip::ErrorCode::missing, concat(arguments.front(), ": there is no good picture to learn from"));
  good.remark = kinds.remark();
  return good;
}

moeclip::TrainingPictures pictures_of(const std::vector<DetectInput>& good) {
  moeclip::TrainingPictures pictures;
  for (const DetectInput& input : good) pictures.hashes.push_back(moeclip::picture_hash(input.path));
  pictures.tidy();
  return pictures;
}

moeclip::PatchMemory<float> load_good(moeclip::Context& context, const moeclip::WeightFile& file,
                                      const moeclip::Detector* detector, bool has_clip) {
  if (moeclip::read_memory_record(file).features == moeclip::PatchFeatures::encoder)
    return moeclip::load_memory<float>(context, file, *detector);
  if (has_clip)
    moeclip::fail(
        moeclip::ErrorCode::mismatch,
        concat(file.path(), ": was learned from textures, without a CLIP; leave --clip out, or learn it anew"));
  return moeclip::load_texture_memory<float>(context, file);
}

moeclip::PatchMemory<float> learn_good(moeclip::Context& context, const LearningModel& model, const GoodInputs& good,
                                       const GoodOptions& options, const moeclip::ImageOptions& images) {
  const auto load = [&](moeclip::index_t i) {
    return read_input(good.pictures[static_cast<std::size_t>(i)], images).image;
  };
  Progress progress("learn", 2 * good.pictures.size());
  const auto on_step = [&](moeclip::index_t step) {
    progress.step(good.pictures[static_cast<std::size_t>(step) % good.pictures.size()].path);
  };
  moeclip::LearnOptions wanted;
  wanted.patches = options.patches;
  wanted.folds = options.folds;
  wanted.false_positives = options.false_positives;
  wanted.text_weight = model.text_weight;
  wanted.is_turned = options.is_turned;
  wanted.is_each_another = options.is_each_another;
  wanted.class_name = model.class_name;
  wanted.images = images;
  wanted.tiles = model.tiles;
  wanted.seed = static_cast<std::uint64_t>(options.seed);
  const moeclip::GoodPictures pictures{std::ssize(good.pictures), load};
  if (model.detector == nullptr) return moeclip::learn_textures<float>(context, pictures, wanted, on_step);
  return moeclip::learn<float>(context, *model.detector, pictures, wanted, model.anchors, on_step);
}

moeclip::Json promise_json(const moeclip::MemoryRecord& record) {
  constexpr double kConfidence = 0.95;
  const moeclip::RateInterval rate = moeclip::promised_rate(record, kConfidence);
  return moeclip::Json::object()
      .set("target", record.false_positives)
      .set("expected", rate.estimate)
      .set("low", rate.low)
      .set("high", rate.high)
      .set("confidence", kConfidence);
}

std::string promise_text(const moeclip::MemoryRecord& record) {
  const auto percent = [](double rate) {
    constexpr double kShown = 0.0005;  // of one decimal, less would be nothing
    return (rate >= kShown ? fixed(100 * rate, 1) : concat(100 * rate)) + " %";
  };
  if (record.pictures == 0)
    return "no threshold: without good pictures, scores and maps say what is unlike the rest of its own picture, and "
           "nothing says how much of that is too much. Give --good, or --threshold\n";
  if (record.held_out.empty())
    return concat("no threshold: ",
                  record.pictures == 1 ? "one good picture says"
                                       : concat(moeclip::counted(record.pictures, "picture"), " of one thing say"),
                  " nothing about how much good ones differ; scores and maps are all that can be had. Give more, or "
                  "--threshold",
                  record.pictures == 1 ? "" : ", or if each is of another part, --all-different", "\n");
  const moeclip::RateInterval rate = moeclip::promised_rate(record);
  const auto wanted = moeclip::pictures_for(record.false_positives), things = std::ssize(record.held_out);
  std::string text = concat("threshold ", fixed(static_cast<double>(record.threshold), 3), ", from ",
                            moeclip::counted(record.pictures, "good picture"),
                            ", each judged without itself\nfalse alarms on new good pictures: ", percent(rate.estimate),
                            " expected, up to ", percent(rate.high), " with 95 % confidence\n");
  if (things < record.pictures)
    text += concat(
        "the ", moeclip::counted(record.pictures, "picture"), " show only ", moeclip::counted(things, "thing"),
        ": those that are alike up to light, place, turning and mirroring were held out together and count once; if "
        "each is of another part, --all-different\n");
  if (things < wanted)
    text += concat(percent(record.false_positives), " cannot be promised by ", moeclip::counted(things, "picture"),
                   ": ", wanted, " are needed; the threshold lies above all of them\n");
  return text;
}

}  // namespace cli
