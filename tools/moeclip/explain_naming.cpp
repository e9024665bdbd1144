// SPDX-License-Identifier: MIT
// How often an explanation names the kind of a defect rightly, on drawn pictures.

#include <algorithm>
#include <cmath>
#include <map>
#include <moeclip/explain/encode_words.hpp>
#include <moeclip/synthetic/synthesize.hpp>

#include "explain.hpp"
#include "progress.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::index_t;
using moeclip::Tensor;

/// A defective picture, all kinds that its category can have being equally likely.
moeclip::SyntheticSpec naming_spec(const NamingPlan& plan, index_t i) {
  constexpr std::uint64_t kApart = 7'000'000;  // seeds that nothing else draws from
  const auto categories = plan.is_unseen ? moeclip::unseen_categories() : moeclip::adapter_categories();
  moeclip::SyntheticSpec spec;
  spec.category = categories[static_cast<std::size_t>(i) % categories.size()];
  spec.seed = kApart + plan.seed;
  spec.index = i;
  spec.size = 256;
  const std::vector<std::string_view> kinds = moeclip::synthetic_defects(spec.category);
  const moeclip::Rng rng(spec.seed, "naming");
  spec.defect = kinds[static_cast<std::size_t>(rng.integer(2 * i, 0, std::ssize(kinds)))];
  spec.severity = 0.4 + 0.6 * rng.unit(2 * i + 1);
  return spec;
}

/// The word nearest to a unit vector (C), as plain zero-shot CLIP chooses it.
template <class T>
const std::string& nearest_word(const Tensor<T>& vector, const moeclip::DefectWords<T>& words) {
  const index_t embed = vector.size();
  const auto score = [&](index_t row) {
    return moeclip::detail::dot_product(vector.data(), words.directions.data() + row * embed, embed);
  };
  index_t best = 1;
  for (index_t row = 2; row < words.directions.extent(0); ++row)
    if (score(row) > score(best)) best = row;
  return words.words[static_cast<std::size_t>(best - 1)];
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

}  // namespace

std::pair<double, double> NamingRow::interval() const {
  constexpr double kZ = 1.959964;  // of 95 %
  const auto n = static_cast<double>(std::max<std::int64_t>(1, answers));
  const double middle = (share() + kZ * kZ / (2 * n)) / (1 + kZ * kZ / n);
  const double half = kZ / (1 + kZ * kZ / n) * std::sqrt(share() * (1 - share()) / n + kZ * kZ / (4 * n * n));
  return {std::min(share(), std::max(0.0, middle - half)),
          std::max(share(), std::min(1.0, middle + half))};  // rounding
}

std::vector<NamingRow> measure_naming(moeclip::Context& context, const moeclip::Detector& detector,
                                      const moeclip::DefectVocabulary& vocabulary, const NamingPlan& plan) {
  std::map<std::string, moeclip::DefectWords<float>> words_of;
  std::map<std::string, std::int64_t> kinds_seen;
  NamingTally tally;
  Progress progress("name", static_cast<std::size_t>(plan.pictures));
  moeclip::InspectOptions options;
  options.has_grad_cam = false;
  for (index_t i = 0; i < plan.pictures; ++i) {
    const moeclip::SyntheticSpec spec = naming_spec(plan, i);
    progress.step(concat(spec.category, ", ", spec.defect));
    const moeclip::Sample sample = moeclip::synthesize(spec);
    auto known = words_of.find(spec.category);
    if (known == words_of.end())
      known = words_of.emplace(spec.category, encode_words(context, detector.clip(), spec.category, vocabulary)).first;
    const moeclip::DefectWords<float>& words = known->second;
    const auto seen = inspect(context, detector, sample.picture.view(), detector.anchors(spec.category), options);
    const moeclip::Explanation e = explain(context, detector, seen, words);
    const std::string plain = nearest_word(detector.clip().encode_image(context, sample.picture.view()), words);
    const bool is_shown = std::ranges::find(moeclip::unseen_defects(), spec.defect) == moeclip::unseen_defects().end();
    const bool is_right = e.words[0].word == spec.defect;
    ++kinds_seen[spec.defect];
    for (const std::string& group :
         {std::string("all kinds"), std::string(is_shown ? "kinds with captions" : "kinds never shown")}) {
      tally.add("plain CLIP, whole picture", group, plain == spec.defect);
      tally.add("explain", group, is_right);
      tally.add(e.is_certain ? "explain, certain" : "explain, not certain", group, is_right);
      if (is_found(e, sample.mask)) tally.add("explain, place found", group, is_right);
      if (is_found(e, sample.mask) && e.is_certain) tally.add("explain, place found and certain", group, is_right);
    }
  }
  std::int64_t most = 0;
  for (const auto& [kind, count] : kinds_seen) most = std::max(most, count);
  std::vector<NamingRow> rows = std::move(tally).rows();
  rows.push_back({"always the most frequent kind", "all kinds", plan.pictures, most});
  std::ranges::stable_sort(rows, {}, [](const NamingRow& row) { return row.group; });
  return rows;
}

}  // namespace cli
