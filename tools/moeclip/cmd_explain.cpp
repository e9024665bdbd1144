// SPDX-License-Identifier: MIT
// moeclip explain: why the model says so, in sentences and pictures.

#include <chrono>
#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/data/dataset.hpp>
#include <moeclip/explain/encode_words.hpp>
#include <moeclip/image/write_image.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/synthetic/synthesize.hpp>

#include "adapter_flags.hpp"
#include "commands.hpp"
#include "explain.hpp"
#include "picture_options.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::Json;

namespace {

struct ExplainSettings {
  std::vector<std::string> arguments;
  std::string clip, adapter, class_name, vocabulary, out, mask, domain = "industrial", categories = "unseen";
  std::string words, calibrate_words, report;
  std::optional<double> threshold;
  std::optional<std::int64_t> benchmark;
  std::optional<double> promise;
  std::optional<std::int64_t> pictures_to_fit;
  std::int64_t image_size = 0, threads = 0, seed = 1;
  AdapterFlags adapter_flags;
  bool is_json = false, is_forced = false;
  PictureOptions pictures;
};

/// The options of benchmark and fit. Throws UsageError.
void check_naming(const ExplainSettings& s) {
  const bool is_fit = !s.calibrate_words.empty();
  if (is_fit && (s.benchmark || !s.words.empty() || !s.out.empty() || !s.class_name.empty() || s.pictures.is_given()))
    throw UsageError("--calibrate-words fits on data sets, or on drawn pictures, and does nothing else");
  if (!is_fit && (s.promise || s.pictures_to_fit))
    throw UsageError("--promise and --fit-pictures are of --calibrate-words");
  if (s.pictures_to_fit && !s.arguments.empty())
    throw UsageError("--fit-pictures is of drawn pictures, not of data sets");
  if (s.promise && !(*s.promise > 0 && *s.promise < 1)) throw UsageError("--promise lies between 0 and 1");
  if (s.pictures_to_fit && (*s.pictures_to_fit < 100 || *s.pictures_to_fit > 1000000))
    throw UsageError("--fit-pictures is from 100 to 1000000");
  if (!s.report.empty() && !is_fit && !s.benchmark)
    throw UsageError("--report is of --benchmark and --calibrate-words");
}

bool parse(Words words, ExplainSettings& s) {
  Options options(
      "explain",
      "Say where a picture looks abnormal, which word for a defect the place resembles and how certain that\n"
      "is, and which expert carried the verdict; draw what each expert did. Without IMAGE a picture is drawn.");
  options.positionals("IMAGE|FOLDER|-", s.arguments, 0, "pictures, folders of pictures, standard input");
  options.value("clip", s.clip, "FILE", "CLIP weights; default: the built-in tiny model");
  options.value("adapter", s.adapter, "FILE", "MoECLIP adapter; with --clip alone, plain CLIP without experts");
  options.value("class", s.class_name, "NAME",
                "what is in the pictures, in words, such as \"metal nut\"; default object");
  options.value("vocabulary", s.vocabulary, "FILE",
                "JSON with words of one's own: {\"words\": {\"scratch\": [\"a {} with a scratch\"], ...}}");
  options.value("words", s.words, "FILE",
                "how sure names are, from --calibrate-words; default: what comes with the built-in model");
  options.value("threshold", s.threshold, "T", "score from which it is a defect; default 0.5");
  options.choice("domain", s.domain, {"industrial", "medical"}, "how the score is made");
  options.value("image-size", s.image_size, "S",
                "side of the square that the model sees; default: that of the training");
  s.adapter_flags.add_to(options);
  options.value("mask", s.mask, "FILE", "the true mask of the one picture, for its outline");
  s.pictures.declare(options);
  options.value("out", s.out, "DIR", "write the figures there, as NAME.1-map.png and so on");
  options.value("benchmark", s.benchmark, "N",
                "instead: name the defects of N drawn pictures, and say how often rightly");
  options.choice("categories", s.categories, {"unseen", "seen"}, "of the benchmark; default unseen");
  options.value("calibrate-words", s.calibrate_words, "FILE",
                "instead: fit how sure names are, and write it there; on data sets whose folders name the defects, or "
                "without any on drawn pictures");
  options.value("promise", s.promise, "P",
                "share of the certain names that the fit wants right on categories that it leaves out; default 0.8");
  options.value("fit-pictures", s.pictures_to_fit, "N", "drawn pictures for the fit; default 5600");
  options.value("report", s.report, "FILE.html", "of the benchmark or the fit: a page with reliability diagrams");
  options.value("seed", s.seed, "N", "of drawn pictures, those of the benchmark or of the fit; default 1");
  options.flag("json", s.is_json, "one JSON object a line");
  options.flag("force", s.is_forced, "replace files");
  options.value("threads", s.threads, "N", "default: one per core");
  options.progress();
  if (!options.parse(words)) return false;
  s.adapter_flags.check(!s.adapter.empty());
  if (!s.mask.empty() && s.arguments.size() != 1) throw UsageError("--mask belongs to one picture");
  if (s.benchmark && (!s.arguments.empty() || !s.out.empty() || !s.class_name.empty() || s.pictures.is_given()))
    throw UsageError("--benchmark draws its own pictures, of its own classes, and writes none");
  if (!s.mask.empty() && s.out.empty()) throw UsageError("--mask is drawn into the figures; give --out DIR too");
  if (s.benchmark && (*s.benchmark < 1 || *s.benchmark > 100000)) throw UsageError("--benchmark is from 1 to 100000");
  check_naming(s);
  expect_size_and_threads(s.image_size, s.threads);
  if (s.seed < 0) throw UsageError("--seed is a count");
  if (s.threshold && !(*s.threshold >= 0 && *s.threshold <= 1)) throw UsageError("--threshold lies between 0 and 1");
  return true;
}

moeclip::Detector explained_detector(const ExplainSettings& s) {
  moeclip::DetectorOptions options;
  options.image_size = s.image_size;
  options.threads = static_cast<int>(s.threads);
  if (s.domain == "medical") options.domain = moeclip::Domain::medical;
  if (s.threshold) options.threshold = static_cast<float>(*s.threshold);
  s.adapter_flags.apply(options.adapter);
  s.adapter_flags.say_assumed(s.adapter);
  return load_detector(s.clip, s.adapter, options);
}

/// A picture with what is known about it.
struct ExplainInput {
  DetectInput input;
  moeclip::Image picture, mask;
  std::string class_name;
};

/// A gear with a scratch: a part and a picture that the built-in model has never seen.
ExplainInput drawn_input(const ExplainSettings& s) {
  moeclip::SyntheticSpec spec;
  spec.category = "gear";
  spec.defect = "scratch";
  spec.seed = 42;
  spec.index = 3;
  spec.size = 288;
  moeclip::Sample sample = moeclip::synthesize(spec);
  return {{std::string(kDrawnPicture), "drawn"},
          std::move(sample.picture),
          std::move(sample.mask),
          s.class_name.empty() ? sample.class_name : s.class_name};
}

std::string class_of(const ExplainSettings& s) { return s.class_name.empty() ? "object" : s.class_name; }

ExplainInput read_explained(const ExplainSettings& s, const DetectInput& input) {
  if (input.path == kDrawnPicture) return drawn_input(s);
  InputPicture picture = read_input(input, s.pictures.image_options());
  say_remark(input.path, picture.remark);
  ExplainInput read{input, std::move(picture.image), {}, class_of(s)};
  if (!s.mask.empty()) {
    read.mask = moeclip::read_mask(s.mask, picture.turned, read.picture.view());
    if (read.mask.width() != read.picture.width() || read.mask.height() != read.picture.height())
      moeclip::fail(moeclip::ErrorCode::mismatch,
                    concat(s.mask, ": the mask has ", read.mask.width(), "x", read.mask.height(), " pixels",
                           ", the picture ", read.picture.width(), "x", read.picture.height()));
  }
  return read;
}

/// Part of a file's name: letters, digits and dashes.
std::string slug(const std::string& title) {
  std::string name;
  for (const char letter : title) {
    const bool is_plain = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
    const char small = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    if (is_plain || small != letter)
      name += small;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  return name;
}

std::vector<std::string> write_figures(const ExplainSettings& s, const DetectInput& input,
                                       const std::vector<moeclip::Figure>& figures) {
  std::vector<std::string> paths;
  for (const moeclip::Figure& figure : figures) {
    paths.push_back(
        concat(moeclip::join_path(s.out, input.stem), ".", paths.size() + 1, "-", slug(figure.title), ".png"));
    expect_free_name(paths.back(), s.is_forced);
  }
  write_outputs([&] {
    moeclip::create_directories(moeclip::parent_directory(paths.front()));
    for (std::size_t i = 0; i < figures.size(); ++i) moeclip::write_png(paths[i], figures[i].picture);
  });
  return paths;
}

Json block_json(const moeclip::MixtureStatistics& block) {
  Json load = Json::array(), cosines = Json::array();
  for (moeclip::index_t e = 0; e < block.experts(); ++e) {
    Json row = Json::array();
    for (moeclip::index_t f = 0; f < block.experts(); ++f) row.push_back(block.cosine(e, f));
    load.push_back(block.load(e));
    cosines.push_back(std::move(row));
  }
  return Json::object()
      .set("block", block.block)
      .set("load", std::move(load))
      .set("cosines", std::move(cosines))
      .set("mean_cosine", block.mean_cosine())
      .set("etf_target", block.target())
      .set("etf_loss", block.etf_loss());
}

void print_explanation(const ExplainSettings& s, const ExplainInput& input, const moeclip::Explanation& e,
                       const moeclip::ExpertStatistics& statistics,
                       const std::vector<std::pair<moeclip::Figure, std::string>>& figures) {
  if (!s.is_json) {
    print(concat(printable(input.input.path), ": ", printable(e.sentence), "\n"));
    for (const auto& [figure, path] : figures) print(concat("  ", printable(path), ": ", figure.description, "\n"));
    return;
  }
  Json files = Json::array(), blocks = Json::array();
  for (const auto& [figure, path] : figures)
    files.push_back(Json::object().set("path", path).set("title", figure.title).set("description", figure.description));
  for (const moeclip::MixtureStatistics& block : statistics.blocks()) blocks.push_back(block_json(block));
  JsonLine json(true);
  json.member("image", input.input.path);
  json.member("class", input.class_name);
  json.member("explanation", explanation_json(e));
  json.member("blocks", blocks);
  json.member("figures", files);
  json.finish();
}

/// The words about a class, and how sure they are.
struct NamedWords {
  std::optional<moeclip::WordReadout> readout;
  std::optional<moeclip::DefectWords<float>> words;
};

/// All that is said and drawn of one picture.
void explain_one(moeclip::Context& context, const moeclip::Detector& detector, const ExplainInput& input,
                 const moeclip::TextAnchors<float>& anchors, const NamedWords& words, const ExplainSettings& s) {
  const auto seen = inspect(context, detector, input.picture.view(), anchors);
  const moeclip::Explanation explanation =
      explain(context, detector, seen, *words.words, words.readout ? &*words.readout : nullptr);
  moeclip::ExpertStatistics statistics;
  statistics.add(seen);
  std::vector<std::pair<moeclip::Figure, std::string>> figures;
  if (!s.out.empty()) {
    moeclip::InspectionFigureOptions options;
    if (!input.mask.empty()) options.truth = input.mask.view();
    std::vector<moeclip::Figure> drawn = inspection_figures(seen, options);
    if (!seen.blocks.empty()) {
      drawn.push_back(load_figure(statistics.blocks()));
      drawn.push_back(fofs_figure(detector.adapter()));
    }
    const std::vector<std::string> paths = write_figures(s, input.input, drawn);
    for (std::size_t i = 0; i < drawn.size(); ++i) figures.emplace_back(std::move(drawn[i]), paths[i]);
  }
  print_explanation(s, input, explanation, statistics, figures);
}

/// The words about the one class of all pictures. Errors name the file that the phrases are from.
moeclip::DefectWords<float> words_about(moeclip::Context& context, const moeclip::Detector& detector,
                                        const ExplainSettings& s, const moeclip::ClassWords& names,
                                        const moeclip::DefectVocabulary& vocabulary) {
  try {
    return encode_words(context, detector.clip(), names.words(class_of(s)), vocabulary);
  } catch (const moeclip::Error& error) {
    moeclip::fail(error.code(), concat(s.vocabulary.empty() ? "--class" : s.vocabulary, ": ", error.what()));
  }
}

int explain_all(moeclip::Context& context, const moeclip::Detector& detector, const ExplainSettings& s,
                const moeclip::DefectVocabulary& vocabulary) {
  const DetectInputs found = collect_inputs(s.arguments);
  std::vector<DetectInput> inputs = found.pictures;
  if (s.arguments.empty()) inputs.push_back({std::string(kDrawnPicture), "drawn"});
  const moeclip::ClassWords names = moeclip::load_class_words();
  NamedWords words{find_words(s.words, detector), {}};  // all pictures are of one class
  std::optional<moeclip::TextAnchors<float>> anchors;
  if (!s.arguments.empty()) words.words = words_about(context, detector, s, names, vocabulary);
  Progress progress("explain", inputs.size());
  bool is_whole = found.unread == 0;
  for (const DetectInput& input : inputs) {
    progress.step(input.path);
    try {
      const ExplainInput read = read_explained(s, input);
      if (!words.words) words.words = encode_words(context, detector.clip(), names.words(read.class_name), vocabulary);
      if (!anchors) anchors = detector.anchors(read.class_name, names.prompts(read.class_name));
      explain_one(context, detector, read, *anchors, words, s);
    } catch (const moeclip::Error& error) {
      is_whole = false;
      const std::string message = error.what();
      say(message.find(input.path) != std::string::npos ? message : input.path + ": " + message);
      if (s.is_json) report_failure(input, error);
    }
  }
  return is_whole ? kOk : kInputFailed;
}

/// Seconds since `start`.
double elapsed_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run_fit(moeclip::Context& context, const moeclip::Detector& detector, const ExplainSettings& s,
             const moeclip::DefectVocabulary& vocabulary, Words words) {
  expect_writable(s.calibrate_words, s.is_forced);
  if (!s.report.empty()) expect_writable(s.report, s.is_forced);
  const auto start = std::chrono::steady_clock::now();
  WordsPlan plan;
  plan.data = s.arguments;
  plan.seed = static_cast<std::uint64_t>(s.seed);
  plan.pictures = s.pictures_to_fit.value_or(plan.pictures);
  plan.promise = s.promise.value_or(plan.promise);
  const moeclip::WordReadout readout = fit_naming(context, detector, vocabulary, plan);
  write_outputs([&] { save_words(s.calibrate_words, readout); });
  if (!s.report.empty()) write_words_page({s.report, &readout, nullptr, ""}, words, elapsed_since(start));
  print_fit(readout, s.calibrate_words, s.is_json);
}

void run_benchmark(moeclip::Context& context, const moeclip::Detector& detector, const ExplainSettings& s,
                   const moeclip::DefectVocabulary& vocabulary, Words words) {
  if (!s.report.empty()) expect_writable(s.report, s.is_forced);
  const auto start = std::chrono::steady_clock::now();
  const NamingPlan plan{*s.benchmark, static_cast<std::uint64_t>(s.seed), s.categories == "unseen"};
  const std::optional<moeclip::WordReadout> readout = find_words(s.words, detector);
  const NamingResult result = measure_naming(context, detector, vocabulary, readout ? &*readout : nullptr, plan);
  const double chance = 1 / static_cast<double>(vocabulary.words.size());
  JsonLine json(s.is_json);
  json.member("pictures", plan.pictures);
  json.member("categories", s.categories);
  json.member("chance", chance);
  json.begin_array("rows");
  if (!s.is_json)
    print(concat(moeclip::counted(vocabulary.words.size(), "word"), ": chance ", fixed(100 * chance, 1), " %\n"));
  for (const NamingRow& row : result.rows) {
    const auto [low, high] = row.interval();
    json.item(Json::object()
                  .set("group", row.group)
                  .set("way", row.way)
                  .set("answers", row.answers)
                  .set("right", row.right)
                  .set("low", low)
                  .set("high", high));
    if (s.is_json) continue;
    std::string line = row.group;
    line.resize(24, ' ');
    line += row.way;
    line.resize(60, ' ');
    print(concat(line, fixed(100 * row.share(), 1), " % right of ", row.answers, " (95 %: ", fixed(100 * low, 1),
                 " to ", fixed(100 * high, 1), ")\n"));
  }
  json.end();
  json.member("calibration_error", result.reliability.error());
  json.finish();
  if (!s.is_json && readout)
    print(concat("expected calibration error ", fixed(100 * result.reliability.error(), 1), " %\n"));
  if (!s.report.empty())
    write_words_page(
        {s.report, readout ? &*readout : nullptr, &result, concat("Drawn pictures, ", s.categories, " categories")},
        words, elapsed_since(start));
}

}  // namespace

int run_explain(Words words) {
  ExplainSettings s;
  if (!parse(words, s)) return kOk;
  if (!s.out.empty()) prepare_folder(s.out);
  const moeclip::DefectVocabulary vocabulary =
      s.vocabulary.empty() ? moeclip::default_vocabulary() : moeclip::read_vocabulary(s.vocabulary);
  const moeclip::Detector detector = explained_detector(s);
  if (s.clip.empty() && !s.arguments.empty()) inform(kTinyKnows);
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  if (!s.calibrate_words.empty())
    run_fit(context, detector, s, vocabulary, words);
  else if (s.benchmark)
    run_benchmark(context, detector, s, vocabulary, words);
  else
    return explain_all(context, detector, s, vocabulary);
  return kOk;
}

}  // namespace cli
