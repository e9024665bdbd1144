// SPDX-License-Identifier: MIT
#include "zero_shot.hpp"

#include <algorithm>
#include <moeclip/eval/exact_scores.hpp>
#include <moeclip/synthetic/pairs.hpp>

namespace cli {
namespace {

using moeclip::index_t;
using moeclip::Tensor;
using moeclip::synthetic::DefectKind;

using Vector = std::vector<float>;

float dot(const Vector& a, const Vector& b) {
  float sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// A picture and what is known about it.
struct Examined {
  Vector vector;
  std::string_view category;
  std::optional<DefectKind> defect;
};

/// Counts answers to one question.
class Tally {
 public:
  void add(bool is_right, double chance) {
    right_ += is_right ? 1 : 0;
    chance_ += chance;
    ++answers_;
  }
  void add_score(float score, bool is_defective) {
    scores_.push_back(score);
    labels_.push_back(is_defective ? 1 : 0);
    add((score > 0) == is_defective, 0.5);
  }
  [[nodiscard]] ZeroShotRow row(std::string key, std::string question) const {
    const auto count = static_cast<double>(std::max<std::size_t>(1, answers_));
    ZeroShotRow row{std::move(key), std::move(question), answers_, chance_ / count, right_ / count, {}};
    if (!scores_.empty()) row.auroc = moeclip::measure(scores_, labels_).auroc.value;
    return row;
  }

 private:
  std::size_t answers_ = 0;
  double right_ = 0, chance_ = 0;
  std::vector<float> scores_;
  std::vector<std::uint8_t> labels_;
};

class Examiner {
 public:
  Examiner(const moeclip::Clip<float>& clip, moeclip::Context& context, std::uint64_t seed)
      : clip_(clip), context_(context), seed_(seed) {}

  /// The direction of some sentences: the mean of their unit vectors, scaled to length 1.
  Vector direction(const std::vector<std::string>& sentences) {
    const Tensor<float> vectors = clip_.encode_text(context_, sentences);
    const index_t width = vectors.extent(1);
    Vector mean(static_cast<std::size_t>(width));
    for (index_t n = 0; n < vectors.extent(0); ++n)
      for (index_t c = 0; c < width; ++c) mean[static_cast<std::size_t>(c)] += vectors[n * width + c];
    moeclip::kernels::normalize_rows<float>(context_, 1, width, mean.data(), width, 1e-12f);
    return mean;
  }

  Examined look(std::string_view category, std::optional<DefectKind> defect, index_t index) {
    moeclip::SyntheticSpec spec;
    spec.category = category;
    if (defect) spec.defect = moeclip::synthetic::kDefectNames[static_cast<std::size_t>(*defect)];
    spec.seed = seed_;
    spec.index = index;
    spec.size = clip_.config().vision.image_size;
    spec.severity = 0.3 + 0.7 * moeclip::Rng(seed_, "severity").unit(index);
    const Tensor<float> vector = clip_.encode_image(context_, moeclip::synthesize(spec).picture.view());
    return {Vector(vector.begin(), vector.end()), category, defect};
  }

  /// `pairs` objects of a category, each whole and with one of `kinds`, in turn.
  std::vector<Examined> look_at_pairs(std::string_view category, const std::vector<DefectKind>& kinds, index_t pairs) {
    std::vector<Examined> seen;
    for (index_t i = 0; i < pairs && !kinds.empty(); ++i) {
      seen.push_back(look(category, {}, i));
      seen.push_back(look(category, kinds[static_cast<std::size_t>(i) % kinds.size()], i));
    }
    return seen;
  }

  /// Good or defective, by the sentences that detection uses, with `name` in them.
  void ask_state(const std::vector<Examined>& pictures, std::string_view name, Tally& tally) {
    const moeclip::Prompts prompts = moeclip::make_prompts(name);
    const Vector normal = direction(prompts.normal), abnormal = direction(prompts.abnormal);
    for (const Examined& picture : pictures)
      tally.add_score(dot(picture.vector, abnormal) - dot(picture.vector, normal), picture.defect.has_value());
  }

  /// Which of `kinds` a defect is.
  void ask_kind(const std::vector<Examined>& pictures, std::string_view name, const std::vector<DefectKind>& kinds,
                Tally& tally) {
    std::vector<Vector> directions;
    for (const DefectKind kind : kinds) {
      const auto& words = moeclip::kDefectPhrases[static_cast<std::size_t>(kind)];
      directions.push_back(direction(in_templates({words.with, words.adjective}, name)));
    }
    for (const Examined& picture : pictures) {
      if (!picture.defect) continue;
      tally.add(kinds[nearest(picture.vector, directions)] == *picture.defect, 1 / static_cast<double>(kinds.size()));
    }
  }

  /// Which category it is, whatever its state.
  void ask_category(const std::vector<Examined>& pictures, std::span<const std::string_view> categories, Tally& tally) {
    std::vector<Vector> directions;
    for (const std::string_view category : categories) {
      moeclip::Prompts prompts = moeclip::make_prompts(category);
      prompts.normal.insert(prompts.normal.end(), prompts.abnormal.begin(), prompts.abnormal.end());
      directions.push_back(direction(prompts.normal));
    }
    for (const Examined& picture : pictures)
      tally.add(categories[nearest(picture.vector, directions)] == picture.category,
                1 / static_cast<double>(categories.size()));
  }

 private:
  static std::vector<std::string> in_templates(std::initializer_list<std::string_view> phrases, std::string_view name) {
    std::vector<std::string> sentences;
    for (const std::string_view phrase : phrases)
      for (const std::string_view pattern : moeclip::kTemplates)
        sentences.push_back(moeclip::detail::fill_in(pattern, moeclip::detail::fill_in(phrase, name)));
    return sentences;
  }

  static std::size_t nearest(const Vector& vector, const std::vector<Vector>& directions) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < directions.size(); ++i)
      if (dot(vector, directions[i]) > dot(vector, directions[best])) best = i;
    return best;
  }

  const moeclip::Clip<float>& clip_;
  moeclip::Context& context_;
  std::uint64_t seed_;
};

/// The kinds of `names` that `category` can have, or those that it has otherwise.
std::vector<DefectKind> kinds_of(std::string_view category, std::span<const std::string_view> names, bool is_among) {
  std::vector<DefectKind> kinds;
  for (const std::string_view name : moeclip::synthetic_defects(category))
    if ((std::ranges::find(names, name) != names.end()) == is_among)
      kinds.push_back(*moeclip::synthetic::find_defect(name));
  return kinds;
}

}  // namespace

std::vector<ZeroShotRow> examine_zero_shot(const moeclip::Clip<float>& clip, moeclip::Context& context,
                                           std::uint64_t seed, index_t pairs) {
  Examiner examiner(clip, context, seed);
  Tally category, state, kind, held_out_state, held_out_kind, unseen_kind, unseen_category, unseen_object, unseen_both;
  const auto categories = moeclip::pretraining_categories();
  for (index_t c = 0; c < std::ssize(categories); ++c) {
    const std::string_view name = categories[static_cast<std::size_t>(c)];
    const std::vector<DefectKind> kinds = moeclip::pretraining_defects(c);
    const auto pictures = examiner.look_at_pairs(name, kinds, pairs);
    examiner.ask_category(pictures, categories, category);
    examiner.ask_state(pictures, name, state);
    examiner.ask_kind(pictures, name, kinds, kind);
    std::vector<DefectKind> seen = kinds_of(name, moeclip::unseen_defects(), false), held_out = seen;
    std::erase_if(held_out, [&](DefectKind k) { return !moeclip::is_held_out(c, k); });
    const auto held_out_pictures = examiner.look_at_pairs(name, held_out, pairs / 2);
    examiner.ask_state(held_out_pictures, name, held_out_state);
    examiner.ask_kind(held_out_pictures, name, seen, held_out_kind);
    examiner.ask_state(examiner.look_at_pairs(name, kinds_of(name, moeclip::unseen_defects(), true), pairs / 2), name,
                       unseen_kind);
  }
  for (const std::string_view name : moeclip::unseen_categories()) {
    const auto pictures = examiner.look_at_pairs(name, kinds_of(name, moeclip::unseen_defects(), false), pairs);
    examiner.ask_state(pictures, name, unseen_category);
    examiner.ask_state(pictures, "object", unseen_object);
    examiner.ask_state(examiner.look_at_pairs(name, kinds_of(name, moeclip::unseen_defects(), true), pairs / 2), name,
                       unseen_both);
  }
  return {category.row("category", "which category"),
          state.row("state", "good or defective"),
          kind.row("defect", "which defect"),
          held_out_state.row("held_out_state", "good or defective, category and defect never shown together"),
          held_out_kind.row("held_out_defect", "which defect, never captioned with this category"),
          unseen_kind.row("unseen_defect_state", "good or defective, kinds of defects never shown"),
          unseen_category.row("unseen_category_state", "good or defective, categories never shown"),
          unseen_object.row("unseen_category_as_object", "the same, called \"object\""),
          unseen_both.row("unseen_both_state", "good or defective, neither ever shown")};
}

}  // namespace cli
