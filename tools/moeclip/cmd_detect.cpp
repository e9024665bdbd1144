// SPDX-License-Identifier: MIT
// moeclip detect: pictures in; score, verdict, regions, maps out.

#include <chrono>
#include <moeclip/data/class_words.hpp>
#include <moeclip/eval/calibrate.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/memory/memory_file.hpp>

#include "adapter_flags.hpp"
#include "commands.hpp"
#include "detect.hpp"
#include "eval.hpp"
#include "good.hpp"
#include "picture_options.hpp"
#include "tiny_model.hpp"

namespace cli {
namespace {

struct DetectSettings {
  std::vector<std::string> arguments;
  std::string clip, adapter, class_name = "object", prompts, map = "probability", domain = "industrial";
  std::string activation = "auto", vocabulary, out, calibration;
  std::vector<std::string> good;  // pictures, folders, or one file of `moeclip learn`
  GoodOptions learning;
  std::optional<double> threshold;
  std::optional<moeclip::CalibrationFile> calibrated;  // what --calibration holds
  std::int64_t image_size = 0, threads = 0;
  AdapterFlags adapter_flags;
  bool is_truncated = false, is_json = false, is_forced = false;
  bool trusts_calibration = false;
  PictureOptions pictures;

  [[nodiscard]] bool is_demonstration() const { return arguments.empty() && clip.empty() && good.empty(); }
};

bool parse(Words words, DetectSettings& s) {
  Options options("detect",
                  "Look for defects in pictures: a score and a verdict for each, where the defects are, and a map.\n"
                  "With --good, defective is what is unlike good pictures of the same part. Without any argument it\n"
                  "shows itself on a picture that it draws.");
  options.positionals("IMAGE|FOLDER|-", s.arguments, 0,
                      "pictures, folders of pictures (with those below), standard input");
  options.repeated("good", s.good, "GOOD",
                   "pictures without any defect, folders of them, or a file of `moeclip learn`; may be repeated");
  options.value("clip", s.clip, "FILE",
                "CLIP weights: OpenAI .pt, open_clip or Hugging Face file or folder; default: the built-in tiny model "
                "with its adapter");
  options.value("adapter", s.adapter, "FILE",
                "MoECLIP adapter (.pth or .safetensors); without it, plain zero-shot CLIP");
  options.value("class", s.class_name, "NAME",
                "what is in the pictures, in words or as data sets call it: \"metal nut\", metal_nut; default object");
  options.value("prompts", s.prompts, "FILE",
                "JSON with one's own sentences: {\"normal\": [...], \"abnormal\": [...]}");
  options.choice("map", s.map, {"probability", "reference"}, "mean probability in [0,1], or the released sum of maps");
  options.value("threshold", s.threshold, "T", "score and pixel probability from which it is a defect; default 0.5");
  options.value("calibration", s.calibration, "FILE",
                "thresholds from `moeclip calibrate`, made with the same weights");
  options.flag("trust-calibration", s.trusts_calibration, "use it although it was made with other weights or settings");
  options.choice("domain", s.domain, {"industrial", "medical"}, "how the released code blurs and scores");
  options.choice("activation", s.activation, {"auto", "gelu", "quick_gelu"},
                 "of the CLIP's blocks; auto: gelu with an adapter, as it was trained, else the model's own");
  options.value("image-size", s.image_size, "S",
                "side of the square that the model sees; default: that of the adapter's training, else 518");
  s.adapter_flags.add_to(options);
  options.value("vocab", s.vocabulary, "FILE", "tokenizer; default: beside the weights, else the installed one");
  s.learning.declare(options);
  options.flag("truncate", s.is_truncated, "cut sentences that are too long for the text tower");
  s.pictures.declare(options);
  options.value("out", s.out, "DIR", "write NAME.overlay.png, NAME.map.png (16 bit) and NAME.map.npy there");
  options.flag("json", s.is_json, "one JSON object a line");
  options.flag("force", s.is_forced, "replace files in DIR");
  options.value("threads", s.threads, "N", "default: one per core");
  if (!options.parse(words)) return false;
  if (s.arguments.empty() && !s.is_demonstration()) throw UsageError("which pictures? Give files, folders or -");
  s.learning.check();
  if (s.good.empty() && !s.learning.is_default())
    throw UsageError(moeclip::concat(GoodOptions::kNames, " belong to --good"));
  if (!s.good.empty() && (!s.calibration.empty() || s.map != "probability"))
    throw UsageError("--good brings thresholds and a map of its own; it takes neither --calibration nor --map");
  if (s.image_size < 0 || s.threads < 0 || s.threads > 4096) throw UsageError("--image-size and --threads are counts");
  s.adapter_flags.check(!s.adapter.empty());
  if (s.threshold && !s.calibration.empty()) throw UsageError("--threshold and --calibration say the same; choose one");
  if (s.threshold && !(*s.threshold >= 0 && *s.threshold <= 1)) throw UsageError("--threshold lies between 0 and 1");
  return true;
}

moeclip::DetectorOptions detector_options(const DetectSettings& s) {
  moeclip::DetectorOptions options;
  options.image_size = s.image_size;
  if (s.activation == "gelu") options.activation = moeclip::kernels::Activation::gelu;
  if (s.activation == "quick_gelu") options.activation = moeclip::kernels::Activation::quick_gelu;
  if (s.domain == "medical") options.domain = moeclip::Domain::medical;
  if (s.map == "reference") options.map = moeclip::MapKind::reference;
  if (s.threshold) options.threshold = static_cast<float>(*s.threshold);
  if (s.calibrated) {
    options.threshold = s.calibrated->calibration.threshold;
    options.pixel_threshold = s.calibrated->pixel_threshold;
  }
  options.vocabulary = s.vocabulary;
  options.truncate_prompts = s.is_truncated;
  options.threads = static_cast<int>(s.threads);
  s.adapter_flags.apply(options.adapter);
  return options;
}

/// Sentences from a file: two lists of strings.
moeclip::Prompts read_prompts(const std::string& path) {
  const auto bytes = moeclip::read_file(path, std::uint64_t{1} << 20);
  const moeclip::Json root = moeclip::parse_json(moeclip::as_text(bytes), path);
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
      result.push_back(sentence.as_string());
    }
    return result;
  };
  return {sentences("normal"), sentences("abnormal")};
}

moeclip::CalibrationFile read_calibration(const std::string& path) {
  const auto bytes = moeclip::read_file(path, std::uint64_t{1} << 20);
  return moeclip::calibration_from_json(moeclip::parse_json(moeclip::as_text(bytes), path), path);
}

/// Throws mismatch if scores of `detector` are not those that the calibration was made from.
void expect_calibrated(const DetectSettings& s, const moeclip::Detector& detector) {
  if (!s.calibrated || s.trusts_calibration) return;
  const moeclip::CalibrationFile& wanted = *s.calibrated;
  const ModelHashes hashes = model_hashes(detector);
  const auto expect = [&](bool is_same, const auto&... what) {
    if (!is_same)
      moeclip::fail(moeclip::ErrorCode::mismatch, moeclip::concat(s.calibration, ": was made with ", what...,
                                                                  "; calibrate anew, or give --trust-calibration"));
  };
  expect(!wanted.clip.empty(), "scores that do not say which weights gave them");
  expect(hashes.clip == wanted.clip, "another CLIP");
  expect(hashes.adapter == wanted.adapter, "another adapter");
  expect(detector.options().image_size == wanted.image_size, "pictures of ", wanted.image_size, " pixels, not ",
         detector.options().image_size);
  expect(s.domain == wanted.domain, "scores of ", wanted.domain, " pictures");
  if (wanted.images)
    expect(s.pictures.image_options() == *wanted.images, "pictures read ", moeclip::describe_reading(*wanted.images));
}

/// What judges the pictures: the words, or with --good a memory.
struct Judge {
  moeclip::Detector detector;
  std::optional<moeclip::TextAnchors<float>> anchors;  // none: the words have no say
  std::optional<moeclip::PatchMemory<float>> memory;
  moeclip::ImageOptions images;
  std::size_t failures = 0;  // good pictures that could not be read

  void look(moeclip::Context& context, moeclip::ImageView image, moeclip::Detection& detection) const {
    if (!memory) return detector.detect(context, image, *anchors, detection);
    moeclip::detect_by_memory<float>(context, detector, *memory, anchors ? &*anchors : nullptr, image, detection);
  }
};

/// Looks at every input; returns how many could not be used.
std::size_t detect_all(const Judge& judge, moeclip::Context& context, const std::vector<DetectInput>& inputs,
                       const DetectSettings& s) {
  const char* source = s.calibrated   ? "calibration"
                       : s.threshold  ? "--threshold"
                       : judge.memory ? "good pictures"
                                      : "default";
  const bool has_verdict = !judge.memory || judge.memory->record.threshold != moeclip::kNoThreshold;
  const DetectReport report{s.class_name, source, s.out, s.is_json, s.is_forced, has_verdict};
  moeclip::Detection detection;
  Progress progress(inputs.size());
  std::size_t failures = 0;
  for (const DetectInput& input : inputs) {
    progress.step(input.path);
    try {
      if (!s.out.empty()) expect_free(input, report);
      const moeclip::Image image = read_input(input, judge.images).image;
      const auto start = std::chrono::steady_clock::now();
      judge.look(context, image.view(), detection);
      const double milliseconds =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
      progress.clear();
      report_detection(input, detection, milliseconds, report);
    } catch (const moeclip::Error& error) {
      ++failures;
      progress.clear();
      const std::string message = error.what();
      say(message.find(input.path) != std::string::npos ? message : input.path + ": " + message);
      if (s.is_json) report_failure(input, error);
    }
  }
  return failures;
}

/// The anchors of --class, or of the sentences in --prompts.
moeclip::TextAnchors<float> anchors_of(const moeclip::Detector& detector, const DetectSettings& s) {
  return detector.anchors(
      s.class_name, s.prompts.empty() ? moeclip::load_class_words().prompts(s.class_name) : read_prompts(s.prompts));
}

/// True if --good names one file that `moeclip learn` wrote.
bool is_learned(const std::vector<std::string>& good) { return good.size() == 1 && is_memory_name(good.front()); }

/// Gives `judge` its memory: that of a file, or one that is learned now.
void remember(moeclip::Context& context, const DetectSettings& s, Judge& judge) {
  std::optional<moeclip::WeightFile> file;
  if (is_learned(s.good)) file = moeclip::WeightFile::open(s.good.front());
  if (file) {
    if (!s.learning.is_default()) throw UsageError("how a memory is made was decided by `moeclip learn`");
    judge.memory = load_good(context, *file, judge.detector, !s.clip.empty());
    const moeclip::ImageOptions recorded = judge.memory->record.images;
    judge.images = s.pictures.image_options(recorded);
    if (!(judge.images == recorded))
      moeclip::fail(moeclip::ErrorCode::mismatch, moeclip::concat(s.good.front(), ": was learned from pictures read ",
                                                                  moeclip::describe_reading(recorded)));
  }
  const double weight = file ? judge.memory->record.text_weight : s.learning.weight(!s.adapter.empty());
  if (weight > 0) judge.anchors = anchors_of(judge.detector, s);
  if (!file) {
    const GoodInputs good = collect_good(s.good, judge.images);
    judge.failures = good.failures;
    const bool takes_textures = s.learning.takes_textures(!s.clip.empty() || !s.adapter.empty());
    judge.memory = learn_good(
        context,
        {takes_textures ? nullptr : &judge.detector, judge.anchors ? &*judge.anchors : nullptr, s.class_name, weight},
        good, s.learning, judge.images);
    if (!s.is_json) print(promise_text(judge.memory->record));
  }
  if (s.threshold) {
    judge.memory->record.threshold = static_cast<float>(*s.threshold);
    judge.memory->record.pixel_threshold = static_cast<float>(*s.threshold);
  }
}

}  // namespace

int run_detect(Words words) {
  DetectSettings s;
  if (!parse(words, s)) return kOk;
  std::vector<DetectInput> inputs = collect_inputs(s.arguments);
  if (s.is_demonstration()) {
    inputs.push_back({std::string(kDrawnPicture), "drawn"});
    say("no pictures were given: this one is drawn, and judged by the built-in model");
  } else if (s.clip.empty() && s.good.empty()) {
    say(kTinyKnows);
  }
  if (!s.out.empty()) prepare_folder(s.out);
  if (!s.calibration.empty()) s.calibrated = read_calibration(s.calibration);
  s.adapter_flags.say_assumed(s.adapter);
  Judge judge{load_detector(s.clip, s.adapter, detector_options(s)), {}, {}, s.pictures.image_options()};
  expect_calibrated(s, judge.detector);
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  if (s.good.empty())
    judge.anchors = anchors_of(judge.detector, s);
  else
    remember(context, s, judge);
  return detect_all(judge, context, inputs, s) + judge.failures == 0 ? kOk : kInputFailed;
}

}  // namespace cli
