// SPDX-License-Identifier: MIT
// moeclip prompts: what the text tower is told about a class, and how far apart it finds the two states.

#include <algorithm>
#include <cmath>
#include <moeclip/anomaly/detector.hpp>
#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/data/class_words.hpp>
#include <numeric>

#include "adapter_flags.hpp"
#include "commands.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::Json;

struct PromptSettings {
  std::vector<std::string> classes;
  std::string words, clip, adapter, vocabulary;
  std::int64_t threads = 0;
  AdapterFlags adapter_flags;
  bool is_json = false;
};

bool parse(Words words, PromptSettings& s) {
  Options options("prompts",
                  "Show the sentences that describe classes, normal and abnormal, and their tokens; with --clip also "
                  "the cosine between the two anchors that become of them. Without --class, lists the classes that "
                  "have words.");
  options.note("train, eval and detect use these words too.");
  options.repeated("class", s.classes, "NAME", "a class as data sets name it (metal_nut, 01, Brain), or any words");
  options.value("words", s.words, "FILE", "JSON with one's own words, states, templates or sentences");
  options.value("clip", s.clip, "FILE", "CLIP weights; adds the cosine of the anchors");
  options.value("adapter", s.adapter, "FILE", "with --clip: anchors as this adapter turns them");
  s.adapter_flags.add_to(options);
  options.value("vocab", s.vocabulary, "FILE", "tokenizer; default: beside the weights, else the installed one");
  options.value("threads", s.threads, "N", "default: one per core");
  options.flag("json", s.is_json, "one JSON object a class and line");
  if (!options.parse(words)) return false;
  if (!s.adapter.empty() && s.clip.empty()) throw UsageError("--adapter needs --clip FILE");
  s.adapter_flags.check(!s.adapter.empty());
  if (s.threads < 0 || s.threads > 4096) throw UsageError("--threads is a count");
  return true;
}

void list_classes(const moeclip::ClassWords& words, bool is_json) {
  for (const std::string& name : words.classes()) {
    JsonLine json(is_json);
    json.member("class", name);
    json.member("words", words.words(name));
    json.finish();
    if (!is_json) print(concat(printable(name), ": ", printable(words.words(name)), "\n"));
  }
}

void show_sentences(const moeclip::Tokenizer& tokenizer, const std::vector<std::string>& sentences, const char* state,
                    JsonLine& json, bool is_json) {
  json.begin_array(state);
  if (!is_json) print(concat("  ", state, ":\n"));
  for (const std::string& sentence : sentences) {
    std::string ids;
    Json tokens = Json::array();
    for (const std::int32_t id : tokenizer.encode(sentence)) {
      ids += concat(ids.empty() ? "" : " ", id);
      tokens.push_back(id);
    }
    json.item(Json::object().set("sentence", sentence).set("tokens", std::move(tokens)));
    if (!is_json) print(concat("    ", printable(sentence), "  [", ids, "]\n"));
  }
  json.end();
}

void show_anchors(const moeclip::Detector& detector, const std::string& name, const moeclip::Prompts& prompts,
                  JsonLine& json, bool is_json) {
  const moeclip::TextAnchors<float> anchors = detector.anchors(name, prompts);
  const auto width = static_cast<std::size_t>(anchors.vectors.extent(1));
  const double cosine = std::inner_product(anchors.normal(), anchors.normal() + width, anchors.abnormal(), 0.0);
  const double degrees = std::acos(std::clamp(cosine, -1.0, 1.0)) * 180 / 3.14159265358979323846;
  json.member("cosine", cosine);
  json.member("degrees", degrees);
  if (!is_json)
    print(
        concat("  anchors: cosine ", moeclip::fixed(cosine, 4), ", ", moeclip::fixed(degrees, 1), " degrees apart\n"));
}

}  // namespace

int run_prompts(Words arguments) {
  PromptSettings s;
  if (!parse(arguments, s)) return kOk;
  const moeclip::ClassWords words = moeclip::load_class_words(s.words);
  if (s.classes.empty()) {
    list_classes(words, s.is_json);
    return kOk;
  }
  std::optional<moeclip::Detector> detector;
  std::optional<moeclip::Tokenizer> installed;
  if (s.clip.empty()) {
    installed = moeclip::Tokenizer::open(s.vocabulary.empty() ? moeclip::find_vocabulary() : s.vocabulary);
  } else {
    moeclip::DetectorOptions options;
    options.vocabulary = s.vocabulary;
    s.adapter_flags.apply(options.adapter);
    options.threads = static_cast<int>(s.threads);
    detector = moeclip::Detector::load(s.clip, s.adapter, options);
  }
  const moeclip::Tokenizer& tokenizer = detector ? detector->clip().tokenizer() : *installed;
  for (const std::string& name : s.classes) {
    const moeclip::Prompts prompts = words.prompts(name);
    JsonLine json(s.is_json);
    json.member("class", name);
    json.member("words", words.words(name));
    json.member("is_listed", words.knows(name));
    if (!s.is_json)
      print(concat(printable(name), ": \"", printable(words.words(name)), "\"",
                   words.knows(name) ? "" : " (in no word list; the name is taken for words)", "\n"));
    show_sentences(tokenizer, prompts.normal, "normal", json, s.is_json);
    show_sentences(tokenizer, prompts.abnormal, "abnormal", json, s.is_json);
    if (detector) show_anchors(*detector, name, prompts, json, s.is_json);
    json.finish();
  }
  return kOk;
}

}  // namespace cli
