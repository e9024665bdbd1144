// SPDX-License-Identifier: MIT
// Names of defects against the truth: fits a read-out of words on pictures of known defects, and measures on drawn ones
// how often names are right.

#include <algorithm>
#include <cmath>
#include <map>
#include <moeclip/anomaly/fingerprint.hpp>
#include <moeclip/base/lists.hpp>
#include <moeclip/explain/encode_words.hpp>
#include <moeclip/synthetic/synthesize.hpp>

#include "eval.hpp"
#include "explain.hpp"
#include "progress.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::index_t;

// Seeds of pictures that nothing else draws from, judged and fitted.
constexpr std::uint64_t kJudgedApart = 7'000'000, kFittedApart = 8'000'000;

/// A defective picture, all kinds that its category can have being equally likely; some without, if that is wanted.
moeclip::SyntheticSpec naming_spec(std::span<const std::string_view> categories, std::uint64_t seed, index_t i,
                                   double good_share) {
  moeclip::SyntheticSpec spec;
  spec.category = categories[static_cast<std::size_t>(i) % categories.size()];
  spec.seed = seed;
  spec.index = i;
  spec.size = 256;
  const std::vector<std::string_view> kinds = moeclip::synthetic_defects(spec.category);
  const moeclip::Rng rng(spec.seed, "naming");
  spec.defect = kinds[static_cast<std::size_t>(rng.integer(2 * i, 0, std::ssize(kinds)))];
  spec.severity = 0.4 + 0.6 * rng.unit(2 * i + 1);
  if (moeclip::Rng(spec.seed, "naming good").unit(i) < good_share) spec.defect.clear();
  return spec;
}

/// Looks at pictures, with the words about their classes kept.
class NamingLooks {
 public:
  NamingLooks(moeclip::Context& context, const moeclip::Detector& detector, const moeclip::DefectVocabulary& vocabulary)
      : context_(context), detector_(detector), vocabulary_(vocabulary) {}

  const moeclip::DefectWords<float>& words_of(const std::string& noun) {
    const auto known = words_.find(noun);
    if (known != words_.end()) return known->second;
    return words_.emplace(noun, encode_words(context_, detector_.clip(), noun, vocabulary_)).first->second;
  }

  moeclip::WordExample example(const moeclip::Image& picture, const std::string& noun, index_t word) {
    detector_.detect(context_, picture.view(), detector_.anchors(noun), detection_);
    const moeclip::Place place = abnormal_place(context_, detection_);
    return {word_evidence(context_, detector_.clip(), picture, place, words_of(noun)), word, noun,
            detection_.is_anomalous};
  }

  moeclip::Explanation explain(const moeclip::Image& picture, const std::string& noun,
                               const moeclip::WordReadout* readout) {
    constexpr moeclip::InspectOptions kNamesOnly{.has_grad_cam = false};
    const auto seen = inspect(context_, detector_, picture.view(), detector_.anchors(noun), kNamesOnly);
    return moeclip::explain(context_, detector_, seen, words_of(noun), readout);
  }

 private:
  moeclip::Context& context_;
  const moeclip::Detector& detector_;
  const moeclip::DefectVocabulary& vocabulary_;
  std::map<std::string, moeclip::DefectWords<float>> words_;
  moeclip::Detection detection_;
};

std::vector<std::string> names_of(const moeclip::DefectVocabulary& vocabulary) {
  std::vector<std::string> names;
  for (const moeclip::DefectWord& word : vocabulary.words) names.push_back(word.word);
  return names;
}

/// The number of a word, from 1 on; nothing if it is none of them.
std::optional<index_t> find_word(const std::vector<std::string>& words, const std::string& name) {
  const auto at = std::ranges::find(words, name);
  if (at == words.end()) return std::nullopt;
  return 1 + (at - words.begin());
}

/// The word that plain CLIP, zero-shot, chooses for the whole picture.
const std::string& nearest_word(const moeclip::Explanation& e) {
  return std::ranges::max_element(e.words, {}, &moeclip::WordScore::cosine)->word;
}

/// Does the map's highest place lie on the defect?
bool is_found(const moeclip::Explanation& e, const moeclip::Image& mask) {
  return mask.row(e.region.peak_y)[e.region.peak_x] != 0;
}

/// Rows by way and group, in the order in which they were first asked for.
class NamingTally {
 public:
  void add(const std::string& way, const std::string& group, bool is_right) {
    for (NamingRow& row : rows_) {
      if (row.way != way || row.group != group) continue;
      ++row.answers;
      row.right += is_right ? 1 : 0;
      return;
    }
    rows_.push_back({way, group, 1, is_right ? 1 : 0});
  }
  [[nodiscard]] std::vector<NamingRow> rows() && { return std::move(rows_); }

 private:
  std::vector<NamingRow> rows_;
};

/// Examples of drawn pictures, one in ten of them without defect; those of categories that the built-in CLIP never saw
/// are judged.
std::vector<moeclip::WordExample> drawn_examples(NamingLooks& looks, const std::vector<std::string>& words,
                                                 const WordsPlan& plan) {
  constexpr double kGoodShare = 0.1;
  const auto known = moeclip::pretraining_categories(), others = moeclip::further_categories();
  std::vector<std::string_view> categories(known.begin(), known.end());
  categories.insert(categories.end(), others.begin(), others.end());
  std::vector<moeclip::WordExample> examples;
  Progress progress("look", static_cast<std::size_t>(plan.pictures));
  for (index_t i = 0; i < plan.pictures; ++i) {
    const moeclip::SyntheticSpec spec = naming_spec(categories, kFittedApart + plan.seed, i, kGoodShare);
    progress.step(concat(spec.category, ", ", spec.defect.empty() ? "good" : spec.defect));
    const auto word = spec.defect.empty() ? 0 : find_word(words, spec.defect);
    if (!word) continue;
    examples.push_back(looks.example(moeclip::synthesize(spec).picture, spec.category, *word));
    examples.back().is_judged = std::ranges::find(others, spec.category) != others.end();
  }
  return examples;
}

/// Examples of data sets. The folder of a defective picture names the kind of its defect.
std::vector<moeclip::WordExample> read_examples(NamingLooks& looks, const std::vector<std::string>& words,
                                                const WordsPlan& plan) {
  EvalSettings settings;
  settings.data = plan.data;
  settings.domain = "industrial";
  const EvalData data = collect_pictures(settings);
  const moeclip::ClassWords nouns = moeclip::load_class_words();
  std::vector<moeclip::WordExample> examples;
  std::map<std::string, index_t> other_kinds;
  Progress progress("look", data.pictures.size());
  for (const EvalPicture& picture : data.pictures) {
    progress.step(picture.record.path);
    std::string kind = moeclip::file_name(moeclip::parent_directory(picture.entry.image_path));
    std::ranges::replace(kind, '_', ' ');
    const auto word = picture.record.label == 0 ? 0 : find_word(words, kind);
    if (!word) {
      ++other_kinds[kind];
      continue;
    }
    const moeclip::Sample sample = moeclip::load_sample(picture.entry);
    examples.push_back(looks.example(sample.picture, nouns.words(sample.class_name), *word));
  }
  for (const auto& [kind, count] : other_kinds)
    inform(concat("folder \"", printable(kind), "\" names none of the words: ", moeclip::counted(count, "picture"),
                  " left out; a --vocabulary has words of one's own"));
  return examples;
}

}  // namespace

std::pair<double, double> NamingRow::interval() const {
  constexpr double kZ = 1.959964;  // of 95 %
  const auto n = static_cast<double>(std::max<std::int64_t>(1, answers));
  const double middle = (share() + kZ * kZ / (2 * n)) / (1 + kZ * kZ / n);
  const double half = kZ / (1 + kZ * kZ / n) * std::sqrt(share() * (1 - share()) / n + kZ * kZ / (4 * n * n));
  return {std::min(share(), std::max(0.0, middle - half)),
          std::max(share(), std::min(1.0, middle + half))};  // rounding
}

moeclip::WordReadout fit_naming(moeclip::Context& context, const moeclip::Detector& detector,
                                const moeclip::DefectVocabulary& vocabulary, const WordsPlan& plan) {
  NamingLooks looks(context, detector, vocabulary);
  const std::vector<std::string> words = names_of(vocabulary);
  const std::vector<moeclip::WordExample> examples =
      plan.data.empty() ? drawn_examples(looks, words, plan) : read_examples(looks, words, plan);
  moeclip::WordFitOptions options;
  options.promise = plan.promise;
  moeclip::WordReadout readout = moeclip::fit_words(examples, words, options);
  readout.record.clip = clip_fingerprint(detector.clip().vision(), detector.clip().text());
  readout.record.adapter = adapter_fingerprint(detector.adapter());
  return readout;
}

NamingResult measure_naming(moeclip::Context& context, const moeclip::Detector& detector,
                            const moeclip::DefectVocabulary& vocabulary, const moeclip::WordReadout* readout,
                            const NamingPlan& plan) {
  NamingLooks looks(context, detector, vocabulary);
  std::map<std::string, std::int64_t> kinds_seen;
  NamingTally tally;
  std::vector<moeclip::GradedAnswer> graded;
  const auto categories = plan.is_unseen ? moeclip::unseen_categories() : moeclip::adapter_categories();
  Progress progress("name", static_cast<std::size_t>(plan.pictures));
  for (index_t i = 0; i < plan.pictures; ++i) {
    const moeclip::SyntheticSpec spec = naming_spec(categories, kJudgedApart + plan.seed, i, 0);
    progress.step(concat(spec.category, ", ", spec.defect));
    const moeclip::Sample sample = moeclip::synthesize(spec);
    const moeclip::Explanation e = looks.explain(sample.picture, spec.category, readout);
    const bool is_shown = std::ranges::find(moeclip::unseen_defects(), spec.defect) == moeclip::unseen_defects().end();
    const bool is_right = e.words[0].word == spec.defect;
    if (e.is_calibrated) graded.push_back({e.words[0].probability, is_right});
    ++kinds_seen[spec.defect];
    for (const std::string& group :
         {std::string("all kinds"), std::string(is_shown ? "kinds with captions" : "kinds without captions")}) {
      tally.add("plain CLIP, whole picture", group, nearest_word(e) == spec.defect);
      tally.add("explain", group, is_right);
      tally.add(e.is_certain ? "explain, certain" : "explain, not certain", group, is_right);
      if (e.is_certain) tally.add("plain CLIP, the certain pictures", group, nearest_word(e) == spec.defect);
      if (is_found(e, sample.mask)) tally.add("explain, place found", group, is_right);
    }
    if (e.is_certain) tally.add("explain, certain", spec.category, is_right);
  }
  std::int64_t most = 0;
  for (const auto& [kind, count] : kinds_seen) most = std::max(most, count);
  NamingResult result{std::move(tally).rows(), moeclip::reliability_of(graded)};
  result.rows.push_back({"always the most frequent kind", "all kinds", plan.pictures, most});
  moeclip::lists::stable_sort_by(result.rows, &NamingRow::group);
  return result;
}

}  // namespace cli
