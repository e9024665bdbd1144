// SPDX-License-Identifier: MIT
// moeclip detect: pictures in; score, verdict, regions, maps out.

#include <chrono>
#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/anomaly/seeded.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/eval/calibrate.hpp>
#include <moeclip/io/json.hpp>

#include "adapter_flags.hpp"
#include "commands.hpp"
#include "detect.hpp"
#include "eval.hpp"
#include "picture_options.hpp"

namespace cli {
namespace {

struct DetectSettings {
  std::vector<std::string> arguments;
  std::string clip, adapter, class_name = "object", prompts, map = "probability", domain = "industrial";
  std::string activation = "auto", vocabulary, out, calibration;
  std::optional<double> threshold;
  std::optional<moeclip::CalibrationFile> calibrated;  // what --calibration holds
  std::int64_t image_size = 0, threads = 0;
  AdapterFlags adapter_flags;
  bool is_truncated = false, is_json = false, is_forced = false;
  bool trusts_calibration = false;
  PictureOptions pictures;

  [[nodiscard]] bool is_demonstration() const { return arguments.empty() && clip.empty(); }
};

bool parse(Words words, DetectSettings& s) {
  Options options("detect",
                  "Look for defects in pictures: a score and a verdict for each, where the defects are, and a map.\n"
                  "Without any argument it shows itself on a picture that it draws, with a model of random weights.");
  options.positionals("IMAGE|FOLDER|-", s.arguments, 0,
                      "pictures, folders of pictures (with those below), standard input");
  options.value("clip", s.clip, "FILE", "CLIP weights: OpenAI .pt, open_clip or Hugging Face file or folder");
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
  options.flag("truncate", s.is_truncated, "cut sentences that are too long for the text tower");
  s.pictures.declare(options);
  options.value("out", s.out, "DIR", "write NAME.overlay.png, NAME.map.png (16 bit) and NAME.map.npy there");
  options.flag("json", s.is_json, "one JSON object a line");
  options.flag("force", s.is_forced, "replace files in DIR");
  options.value("threads", s.threads, "N", "default: one per core");
  if (!options.parse(words)) return false;
  if (s.arguments.empty() != s.clip.empty()) throw UsageError("pictures and --clip are needed together");
  if (s.image_size < 0 || s.threads < 0 || s.threads > 4096) throw UsageError("--image-size and --threads are counts");
  s.adapter_flags.check(!s.adapter.empty());
  if (s.threshold && !s.calibration.empty()) throw UsageError("--threshold and --calibration say the same; choose one");
  if (!s.calibration.empty() && s.clip.empty()) throw UsageError("--calibration belongs to a model: give --clip");
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

/// Looks at every input; returns how many could not be used.
std::size_t detect_all(const moeclip::Detector& detector, const moeclip::TextAnchors<float>& anchors,
                       const std::vector<DetectInput>& inputs, const DetectSettings& s) {
  const char* source = s.calibrated ? "calibration" : s.threshold ? "--threshold" : "default";
  const DetectReport report{s.class_name, source, s.out, s.is_json, s.is_forced};
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  moeclip::Detection detection;
  Progress progress(inputs.size());
  std::size_t failures = 0;
  for (const DetectInput& input : inputs) {
    progress.step(input.path);
    try {
      if (!s.out.empty()) expect_free(input, report);
      const moeclip::Image image = read_input(input, s.pictures.image_options()).image;
      const auto start = std::chrono::steady_clock::now();
      detector.detect(context, image.view(), anchors, detection);
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

}  // namespace

int run_detect(Words words) {
  DetectSettings s;
  if (!parse(words, s)) return kOk;
  std::vector<DetectInput> inputs = collect_inputs(s.arguments);
  if (s.is_demonstration()) {
    inputs.push_back({std::string(kDrawnPicture), "drawn"});
    say("no pictures and no weights were given: this is a drawn picture and a model of random weights.");
    say("It shows that everything runs; the verdict means nothing.");
  }
  constexpr std::uint64_t kSeed = 1;
  if (!s.calibration.empty()) s.calibrated = read_calibration(s.calibration);
  const moeclip::DetectorOptions options = detector_options(s);
  s.adapter_flags.say_assumed(s.adapter);
  const moeclip::Detector detector = s.is_demonstration() ? moeclip::make_seeded_detector(kSeed, options)
                                                          : moeclip::Detector::load(s.clip, s.adapter, options);
  expect_calibrated(s, detector);
  const auto anchors = detector.anchors(
      s.class_name, s.prompts.empty() ? moeclip::load_class_words().prompts(s.class_name) : read_prompts(s.prompts));
  return detect_all(detector, anchors, inputs, s) == 0 ? kOk : kInputFailed;
}

}  // namespace cli
