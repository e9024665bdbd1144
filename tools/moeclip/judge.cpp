// SPDX-License-Identifier: MIT
#include "judge.hpp"

#include <algorithm>
#include <moeclip/anomaly/conclude.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/io/text_file.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/memory/memory_file.hpp>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "commands.hpp"
#include "eval.hpp"
#include "tiny_model.hpp"

namespace cli {

void JudgeSettings::declare(Options& options, bool takes_all) {
  if (takes_all)
    options.value(
        "model", model, "FILE",
        "of `moeclip export`, or textures of `moeclip learn`: all that follows but the class and the threshold");
  const std::size_t first = options.declared().size();
  options.repeated("good", good, "GOOD", "pictures without any defect, folders of them, or a file of `moeclip learn`");
  options.value("clip", clip, "FILE",
                "CLIP weights: OpenAI .pt, open_clip or Hugging Face file or folder; default: the built-in tiny model "
                "with its adapter");
  options.value("adapter", adapter, "FILE", "MoECLIP adapter (.pth or .safetensors); without it, plain zero-shot CLIP");
  if (takes_all) declare_method(options, method);
  options.value("class", class_name, "NAME",
                "what is in the pictures, in words or as data sets call it: \"metal nut\", metal_nut; default object");
  options.value("prompts", prompts, "FILE", "JSON with one's own sentences: {\"normal\": [...], \"abnormal\": [...]}");
  options.choice("map", map, {"probability", "reference"}, "mean probability in [0,1], or the released sum of maps");
  options.value("threshold", threshold, "T", "score and pixel probability from which it is a defect; default 0.5");
  options.value("calibration", calibration, "FILE", "thresholds from `moeclip calibrate`, made with the same weights");
  options.flag("trust-calibration", trusts_calibration, "use it although it was made with other weights or settings");
  options.choice("domain", domain, {"industrial", "medical"}, "how the released code blurs and scores");
  options.choice("activation", activation, {"auto", "gelu", "quick_gelu"},
                 "of the CLIP's blocks; auto: gelu with an adapter, as it was trained, else the model's own");
  options.choice("dtype", dtype, {"auto", "f32", "bf16", "int8"}, kDtypeHelp);
  options.value("image-size", image_size, "S",
                "side of the square that the model sees; default: that of the adapter's training, 518 if it "
                "does not say; of a CLIP alone its own");
  adapter_flags.add_to(options);
  options.value("vocab", vocabulary, "FILE", "tokenizer; default: beside the weights, else the installed one");
  learning.declare(options);
  options.flag("truncate", is_truncated, "cut sentences that are too long for the text tower");
  pictures.declare(options);
  tiles.declare(options);
  decided_ = options.declared();
  decided_.erase(decided_.begin(), decided_.begin() + static_cast<std::ptrdiff_t>(first));
  constexpr std::string_view kOpen[] = {"class", "threshold", "calibration", "trust-calibration"};
  std::erase_if(decided_, [&](const std::string& name) { return std::ranges::find(kOpen, name) != std::end(kOpen); });
  options.value("threads", threads, "N", "default: one per core");
}

void JudgeSettings::check(const Options& options) {
  for (const std::string& name : options.given())
    if (!model.empty() && std::ranges::find(decided_, name) != decided_.end())
      throw UsageError(moeclip::concat("--", name, " was decided when ", model,
                                       " was made; leave it out, or make another model of it with `moeclip export`"));
  if (!model.empty() && std::ranges::find(options.given(), "class") == options.given().end()) class_name.clear();
  tiles.check();
  learning.check(!clip.empty() || !adapter.empty(), good);
  if (good.empty() && learning.features == "encoder")
    throw UsageError("--features encoder compares with good pictures: give --good; without any, --features texture");
  if (!has_memory() && !learning.is_default())
    throw UsageError(moeclip::concat(GoodOptions::kNames, " belong to --good"));
  if (good.empty() && has_memory() && !(clip.empty() && adapter.empty() && method.empty()))
    throw UsageError("--features texture without --good takes no --clip, --adapter and --method");
  expect_memory_alone(good);
  if (has_memory() && map != "probability") throw UsageError("--good brings a map of its own; it takes no --map");
  if (has_memory() && !calibration.empty() && !is_learned(good))
    throw UsageError("--calibration goes with a file of `moeclip learn`: pictures that are learned now have none");
  expect_size_and_threads(image_size, threads);
  adapter_flags.check(!adapter.empty());
  adapter = weights_of(adapter);
  if (model.empty()) method = method_of(method, adapter);
  if (!method.empty()) {
    expect_fit(options, method, {"prompts", "map", "domain", "top-k", "lora-alpha", "no-paa", "truncate"});
    expect_good_fits(options, method);
    expect_pictures(good, method);
  }
  if (threshold && !calibration.empty()) throw UsageError("--threshold and --calibration say the same; choose one");
  if (threshold && !(*threshold >= 0 && *threshold <= 1)) throw UsageError("--threshold lies between 0 and 1");
}

std::optional<moeclip::kernels::Activation> JudgeSettings::chosen_activation() const {
  using moeclip::kernels::Activation;
  if (activation == "auto") return std::nullopt;
  return activation == "gelu" ? Activation::gelu : Activation::quick_gelu;
}

namespace {

moeclip::DetectorOptions detector_options(const JudgeSettings& s) {
  moeclip::DetectorOptions options;
  options.image_size = s.image_size;
  options.activation = s.chosen_activation();
  if (s.domain == "medical") options.domain = moeclip::Domain::medical;
  if (s.map == "reference") options.map = moeclip::MapKind::reference;
  if (s.threshold) options.threshold = static_cast<float>(*s.threshold);
  if (s.calibrated) {
    options.threshold = s.calibrated->calibration.threshold;
    options.pixel_threshold = s.calibrated->pixel_threshold;
  }
  options.precision = plan_of_dtype(s.dtype);
  options.vocabulary = s.vocabulary;
  options.truncate_prompts = s.is_truncated;
  options.threads = static_cast<int>(s.threads);
  s.adapter_flags.apply(options.adapter);
  return options;
}

/// Sentences from a file: two lists of strings, in which "{}" stands for the class.
moeclip::Prompts read_prompts(const std::string& path, const std::string& class_name) {
  const moeclip::Json root = moeclip::parse_json(moeclip::read_text_file(path, std::uint64_t{1} << 20), path);
  const auto sentences = [&](const char* state) {
    const moeclip::Json* list = root.is_object() ? root.find(state) : nullptr;
    if (list == nullptr || !list->is_array() || list->size() == 0)
      moeclip::fail(moeclip::ErrorCode::format,
                    moeclip::concat(path, ": a list \"", state, "\" of sentences is wanted"));
    std::vector<std::string> result;
    for (const moeclip::Json& sentence : list->items()) {
      if (!sentence.is_string())
        moeclip::fail(moeclip::ErrorCode::format,
                      moeclip::concat(path, ": \"", state, "\" holds something that is no sentence"));
      std::string text = sentence.as_string();
      if (text.find_first_not_of(' ') == text.npos)
        moeclip::fail(moeclip::ErrorCode::format, moeclip::concat(path, ": \"", state, "\" holds an empty sentence"));
      for (std::size_t at = text.find("{}"); at != text.npos; at = text.find("{}", at + class_name.size()))
        text.replace(at, 2, class_name);
      result.push_back(std::move(text));
    }
    return result;
  };
  moeclip::Prompts prompts{sentences("normal"), sentences("abnormal")};
  if (prompts.normal == prompts.abnormal)
    moeclip::fail(moeclip::ErrorCode::format,
                  moeclip::concat(path, ": \"normal\" and \"abnormal\" say the same, which tells nothing apart"));
  return prompts;
}

moeclip::CalibrationFile read_calibration(const std::string& path) {
  return moeclip::parse_calibration(moeclip::read_text_file(path, std::uint64_t{1} << 20), path);
}

/// Throws mismatch if scores of what `hashes` are of, for pictures of `image_size` pixels that are read as `images`,
/// are not those that the calibration was made from.
void expect_calibrated(const JudgeSettings& s, const ModelHashes& hashes, std::int64_t image_size,
                       const moeclip::ImageOptions& images) {
  if (!s.calibrated || s.trusts_calibration) return;
  const moeclip::CalibrationFile& wanted = *s.calibrated;
  const auto expect = [&](bool is_same, const auto&... what) {
    if (!is_same)
      moeclip::fail(moeclip::ErrorCode::mismatch, moeclip::concat(s.calibration, ": was made with ", what...,
                                                                  "; calibrate anew, or give --trust-calibration"));
  };
  expect(!wanted.clip.empty(), "scores that do not say which weights gave them");
  expect(hashes.clip == wanted.clip, s.model.empty() ? "another CLIP" : "another model");
  expect(hashes.adapter == wanted.adapter, s.method.empty() ? "another adapter" : "another method or other weights");
  if (!s.model.empty()) return;  // it holds all that follows
  expect(image_size == wanted.image_size, "pictures of ", moeclip::counted(wanted.image_size, "pixel"), ", not ",
         image_size);
  expect(s.domain == wanted.domain, "scores of the domain ", wanted.domain);
  if (wanted.images) expect(images == *wanted.images, "pictures read ", moeclip::describe_reading(*wanted.images));
}

/// Says so if the calibration is not about this class.
void say_calibrated_class(const JudgeSettings& s) {
  if (!s.calibrated) return;
  const moeclip::CalibrationFile& wanted = *s.calibrated;
  if (wanted.classes.empty() || std::ranges::find(wanted.classes, s.class_name) != wanted.classes.end()) return;
  std::string classes;
  for (const std::string& name : wanted.classes) classes += moeclip::concat(classes.empty() ? "" : ", ", name);
  inform(moeclip::concat(s.calibration, ": was made from pictures of ", classes, "; for \"", s.class_name,
                         "\" it promises nothing"));
}

/// The anchors of each class, or of the sentences in --prompts.
std::vector<moeclip::TextAnchors<float>> anchors_of(const moeclip::Detector& detector, const JudgeSettings& s) {
  std::vector<moeclip::TextAnchors<float>> anchors;
  for (const std::string& name : s.classes.empty() ? std::vector{s.class_name} : s.classes)
    anchors.push_back(detector.anchors(name, s.prompts.empty()
                                                 ? moeclip::load_class_words().prompts(name)
                                                 : read_prompts(s.prompts, moeclip::load_class_words().words(name))));
  return anchors;
}

/// The thresholds of scores and of pixels in --calibration.
std::pair<float, float> calibrated_thresholds(const JudgeSettings& s) {
  const float image = s.calibrated->calibration.threshold;
  return {image, s.calibrated->pixel_threshold.value_or(image)};
}

/// The thresholds that were calibrated with the memory in --good, in place of its own.
void take_calibration(const JudgeSettings& s, moeclip::MemoryRecord& record, std::string& threshold_source) {
  if (!s.trusts_calibration && model_hashes(s.good.front()).clip != s.calibrated->clip)
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  moeclip::concat(s.calibration, ": was made with another model than ", s.good.front(),
                                  "; calibrate anew, or give --trust-calibration"));
  std::tie(record.threshold, record.pixel_threshold) = calibrated_thresholds(s);
  threshold_source = "calibration";
}

/// Gives `judge` its memory: that of a file, or one that is learned now.
void remember(moeclip::Context& context, const JudgeSettings& s, bool is_quiet, Judge& judge) {
  std::optional<moeclip::WeightFile> file;
  if (is_learned(s.good)) file = moeclip::WeightFile::open(s.good.front());
  const bool has_weights = !s.clip.empty() || !s.adapter.empty();
  const bool takes_textures = file ? moeclip::read_memory_record(*file).features == moeclip::PatchFeatures::texture
                                   : s.learning.takes_textures(has_weights);
  if (takes_textures && s.image_size != 0) throw UsageError("textures are seen at one size: leave --image-size out");
  if (!takes_textures && s.clip.empty()) inform(kTinySees);
  if (!takes_textures || has_weights) judge.detector = load_detector(s.clip, s.adapter, detector_options(s));
  if (file) {
    judge.memory = load_good(context, *file, judge.detector ? &*judge.detector : nullptr, !s.clip.empty());
    if (std::string promise = promise_text(judge.memory->record); !judge.has_verdict()) {
      promise.pop_back();  // the end of the line
      inform(promise);
    }
    const moeclip::ImageOptions recorded = judge.memory->record.images;
    judge.images = s.pictures.image_options(recorded);
    judge.tiles = s.tiles.tiles_like(judge.memory->record.tiles, s.good.front());
    if (!(judge.images == recorded))
      moeclip::fail(moeclip::ErrorCode::mismatch, moeclip::concat(s.good.front(), ": was learned from pictures read ",
                                                                  moeclip::describe_reading(recorded)));
  }
  const double weight = takes_textures ? 0
                        : file         ? judge.memory->record.text_weight
                                       : s.learning.weight(!s.adapter.empty());
  if (weight > 0) judge.anchors = anchors_of(*judge.detector, s);
  if (!file) {
    const GoodInputs good = s.good.empty() ? GoodInputs() : collect_good(s.good, judge.images);
    if (!good.remark.empty()) inform(good.remark);
    judge.failures = good.failures;
    judge.good = good.pictures;
    judge.memory = learn_good(
        context, {takes_textures ? nullptr : &*judge.detector, judge.anchors_of(""), s.class_name, weight, judge.tiles},
        good, s.learning, judge.images);
    if (!is_quiet) print(promise_text(judge.memory->record));
  }
  judge.threshold_source = "good pictures";
  if (s.calibrated) take_calibration(s, judge.memory->record, judge.threshold_source);
  if (s.threshold) judge.set_threshold(static_cast<float>(*s.threshold));
}

/// The judge in a file, of which `s` says the class and the thresholds at most.
Judge read_judge(JudgeSettings& s) {
  Judge judge{moeclip::PartModel::load(s.model, static_cast<int>(s.threads)), s.class_name};
  say_tiny_inside(s.model);
  const moeclip::ClassWords in_words = moeclip::load_class_words();
  for (const auto& known : judge.anchors)  // "metal_nut" is a "metal nut"
    if (in_words.words(known.name) == in_words.words(s.class_name)) judge.class_name = s.class_name = known.name;
  const moeclip::TextAnchors<float>* const words = judge.anchors_of(s.class_name);
  s.class_name = words != nullptr ? words->name : s.class_name.empty() ? "object" : s.class_name;
  if (s.threshold) judge.set_threshold(static_cast<float>(*s.threshold));
  if (!s.calibrated) return judge;
  if (!s.trusts_calibration) expect_calibrated(s, model_hashes(s.model), 0, judge.images);
  if (judge.anchors.size() > 1) say_calibrated_class(s);  // else it is of one part, whatever that is called
  const auto [image, pixel] = calibrated_thresholds(s);
  if (judge.memory) {
    judge.memory->record.threshold = image;
    judge.memory->record.pixel_threshold = pixel;
  } else {
    judge.detector = std::move(*judge.detector).with_thresholds(image, pixel);
  }
  judge.threshold_source = "calibration";
  return judge;
}

/// Gives `judge` another method than MoECLIP, and shows it the good pictures that there are.
void choose_method(moeclip::Context& context, const JudgeSettings& s, Judge& judge) {
  judge.method =
      load_method({s.method, s.clip, s.adapter, s.vocabulary, s.dtype, s.image_size, s.threads, s.chosen_activation()});
  judge.class_name = moeclip::load_class_words().words(s.class_name);
  if (s.calibrated) {
    judge.tiles = s.tiles.tiles_like(s.calibrated->tiles, s.calibration);
    expect_calibrated(s, model_hashes(*judge.method, s.method, s.adapter), judge.method->image_size(), judge.images);
    say_calibrated_class(s);
    std::tie(judge.method_threshold, judge.method_pixel_threshold) = calibrated_thresholds(s);
  }
  judge.threshold_source = s.calibrated ? "calibration" : s.threshold ? "--threshold" : "default";
  if (s.threshold) judge.method_threshold = judge.method_pixel_threshold = static_cast<float>(*s.threshold);
  if (s.good.empty()) return;
  const GoodInputs good = collect_good(s.good, judge.images);
  if (!good.remark.empty()) inform(good.remark);
  judge.failures = good.failures;
  judge.good = good.pictures;
  judge.method = show_good(context, *judge.method, good, judge.images, judge.tiles);
}

}  // namespace

void Judge::look(moeclip::Context& context, moeclip::ImageView image, moeclip::Detection& detection) const {
  if (method == nullptr) return detect(context, image, detection, class_name);
  const auto judge = [&](moeclip::ImageView part, moeclip::Detection& found) {
    method->detect(context, part, class_name, method_threshold, found);
    if (method_pixel_threshold == method_threshold) return;
    found.pixel_threshold = method_pixel_threshold;
    moeclip::conclude<float>(context, std::as_const(found.map).view<2>(), 1, found);
  };
  moeclip::judge_in_tiles(context, image, tiles, judge, detection);
}

moeclip::index_t Judge::side() const {
  if (method == nullptr) return PartModel::side();
  return tiles.is_on() ? 0 : method->image_size();
}

Judge make_judge(moeclip::Context& context, JudgeSettings& s, bool is_quiet) {
#if defined(__GLIBC__)
  // In a process that runs for a year, what loading has freed shall not stay, and the threads that read and judge shall
  // not each have a store of its own: what one has taken and the other given back would lie about in both.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  ::mallopt(M_ARENA_MAX, 1);
#endif
  if (!s.calibration.empty()) s.calibrated = read_calibration(s.calibration);
  if (!s.model.empty()) return read_judge(s);
  s.adapter_flags.say_assumed(s.adapter);
  Judge judge;
  judge.images = s.pictures.image_options();
  judge.tiles = s.tiles.tiles();
  if (!s.method.empty()) {
    choose_method(context, s, judge);
    return judge;
  }
  if (s.has_memory()) {
    remember(context, s, is_quiet, judge);
    return judge;
  }
  judge.threshold_source = s.calibrated ? "calibration" : s.threshold ? "--threshold" : "default";
  if (s.calibrated) judge.tiles = s.tiles.tiles_like(s.calibrated->tiles, s.calibration);
  judge.detector = load_detector(s.clip, s.adapter, detector_options(s));
  expect_calibrated(s, model_hashes(*judge.detector), judge.detector->options().image_size, judge.images);
  say_calibrated_class(s);
  judge.anchors = anchors_of(*judge.detector, s);
  return judge;
}

}  // namespace cli
