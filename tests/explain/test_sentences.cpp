// SPDX-License-Identifier: MIT
// Every number of an explanation's sentences against map, tensors and pixels, computed anew in plain loops.
#include <doctest/doctest.h>

#include <cstdio>
#include <moeclip/explain/explain.hpp>
#include <moeclip/explain/inspect.hpp>

#include "explain_test.hpp"

using namespace explain_test;  // NOLINT

namespace {

using Numbers = std::vector<std::string>;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "3.1%", "64", "0.62"... as they stand in a text.
Numbers numbers_in(const std::string& text) {
  Numbers numbers;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_digit(text[i])) continue;
    std::string number;
    while (i < text.size() && (is_digit(text[i]) || (text[i] == '.' && i + 1 < text.size() && is_digit(text[i + 1]))))
      number += text[i++];
    if (i < text.size() && text[i] == '%') number += '%';
    numbers.push_back(number);
  }
  return numbers;
}

std::string decimals(double value, int count) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", count, value);
  return text;
}
std::string percent(double share) { return decimals(100 * share, share < 0.1 ? 1 : 0) + "%"; }
std::string whole(index_t value) { return std::to_string(value); }

/// What the tensors of one look say.
class Recount {
 public:
  Recount(const BasicDetector<double>& detector, const Inspection<double>& seen) : seen_(seen) {
    const Tensor<float>& map = seen.detection.map;
    size_ = map.extent(0);
    inside_.assign(static_cast<std::size_t>(size_ * size_), false);
    std::vector<float> sorted(map.begin(), map.end());
    std::sort(sorted.begin(), sorted.end());
    const float level = (sorted.back() + sorted[sorted.size() / 2]) / 2;
    inside_[static_cast<std::size_t>(std::max_element(map.begin(), map.end()) - map.begin())] = true;
    for (bool has_grown = true; has_grown;) {  // until nothing is added: slow, and plainly right
      has_grown = false;
      for (index_t i = 0; i < size_ * size_; ++i)
        if (!is_inside(i) && map[i] >= level && has_neighbour(i))
          inside_[static_cast<std::size_t>(i)] = has_grown = true;
    }
    const index_t patch = detector.clip().config().vision.patch_size;
    patches_.assign(static_cast<std::size_t>(seen.grid * seen.grid), false);
    for (index_t i = 0; i < size_ * size_; ++i)
      if (is_inside(i)) patches_[static_cast<std::size_t>(i / size_ / patch * seen.grid + i % size_ / patch)] = true;
  }

  /// Share of the picture, and the box in it.
  [[nodiscard]] Numbers area() const {
    index_t count = 0, left = size_, right = 0, top = size_, bottom = 0;
    for (index_t i = 0; i < size_ * size_; ++i) {
      if (!is_inside(i)) continue;
      ++count;
      left = std::min(left, i % size_), right = std::max(right, i % size_ + 1);
      top = std::min(top, i / size_), bottom = std::max(bottom, i / size_ + 1);
    }
    const auto scaled = [&](index_t at, index_t length, bool is_end) {
      const double exact = static_cast<double>(at * length) / static_cast<double>(size_);
      return static_cast<index_t>(is_end ? std::ceil(exact - 1e-9) : std::floor(exact + 1e-9));
    };
    const index_t width = seen_.picture.width(), height = seen_.picture.height();
    const index_t x = scaled(left, width, false), y = scaled(top, height, false);
    return {percent(static_cast<double>(count) / static_cast<double>(size_ * size_)),
            whole(scaled(right, width, true) - x), whole(scaled(bottom, height, true) - y), whole(x), whole(y)};
  }

  [[nodiscard]] double area_share() const {
    return static_cast<double>(std::count(patches_.begin(), patches_.end(), true)) /
           static_cast<double>(patches_.size());
  }
  [[nodiscard]] double cam(std::size_t block, index_t expert) const {
    const Tensor<double>& cams = seen_.blocks[block].cams;
    double inside = 0, all = 0;
    for (index_t i = 0; i < cams.size(); ++i) {
      all += cams[i];
      const index_t patches = cams.extent(1);
      if (i / patches == expert && patches_[static_cast<std::size_t>(i % patches)]) inside += cams[i];
    }
    return inside / all;
  }
  /// Mean routing share inside or outside.
  [[nodiscard]] double weight(std::size_t block, index_t expert, bool wants_inside) const {
    double sum = 0, count = 0;
    for (std::size_t i = 0; i < patches_.size(); ++i) {
      if (patches_[i] != wants_inside) continue;
      count += 1;
      sum += routed(block, static_cast<index_t>(i), expert);
    }
    return count > 0 ? sum / count : 0;
  }
  /// EDG-1.
  [[nodiscard]] double edges(std::size_t block, index_t expert) const {
    const index_t side = size_ / seen_.grid;
    double weighted = 0, weights = 0, plain = 0, count = 0;
    for (std::size_t i = 0; i < patches_.size(); ++i) {
      if (patches_[i]) continue;
      const auto patch = static_cast<index_t>(i);
      const index_t left = patch % seen_.grid * side, top = patch / seen_.grid * side;
      double edge = 0;
      for (index_t y = top; y < top + side - 1; ++y)
        for (index_t x = left; x < left + side - 1; ++x)
          for (index_t c = 0; c < 3; ++c)
            edge += std::abs(pixel(x + 1, y, c) - pixel(x, y, c)) + std::abs(pixel(x, y + 1, c) - pixel(x, y, c));
      weighted += edge * routed(block, patch, expert);
      weights += routed(block, patch, expert);
      plain += edge;
      count += 1;
    }
    return weighted / weights / (plain / count);
  }

 private:
  [[nodiscard]] bool is_inside(index_t i) const { return inside_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] bool has_neighbour(index_t i) const {
    for (index_t y = i / size_ - 1; y <= i / size_ + 1; ++y)
      for (index_t x = i % size_ - 1; x <= i % size_ + 1; ++x)
        if (x >= 0 && y >= 0 && x < size_ && y < size_ && is_inside(y * size_ + x)) return true;
    return false;
  }
  [[nodiscard]] double pixel(index_t x, index_t y, index_t c) const {
    return seen_.detection.picture.row(y)[3 * x + c];
  }
  [[nodiscard]] double routed(std::size_t block, index_t patch, index_t expert) const {
    const BlockInspection<double>& from = seen_.blocks[block];
    double weight = 0;
    for (index_t k = 0; k < from.chosen.extent(1); ++k)
      if (from.chosen[(1 + patch) * from.chosen.extent(1) + k] == expert)
        weight = from.weights[(1 + patch) * from.chosen.extent(1) + k];
    return weight;
  }

  const Inspection<double>& seen_;
  index_t size_ = 0;
  std::vector<bool> inside_;   // pixels of the map
  std::vector<bool> patches_;  // that have one
};

void add(Numbers& to, const Numbers& more) { to.insert(to.end(), more.begin(), more.end()); }

/// The numbers of the sentence about experts, in its order.
Numbers expert_numbers(const Recount& recount, std::size_t blocks, index_t experts) {
  std::size_t block = 0;
  index_t expert = 0;
  for (std::size_t j = 0; j < blocks; ++j)
    for (index_t e = 0; e < experts; ++e)
      if (recount.cam(j, e) > recount.cam(block, expert)) block = j, expert = e;
  const double own = recount.cam(block, expert), area = recount.area_share();
  const index_t block_number = block == 0 ? 2 : 4;  // of explain_test.hpp
  if (own < 2 * area) return {percent(own), whole(block_number), whole(expert + 1), percent(area)};
  Numbers numbers{whole(expert + 1), whole(block_number)};
  const double edges = recount.edges(block, expert);
  if (edges >= 1.25 || edges <= 0.8) numbers.push_back(decimals(edges, 2));
  add(numbers, {percent(own), percent(area)});
  for (const bool has_seen : {true, false})
    for (index_t e = 0; e < experts; ++e)
      if (e != expert && (recount.cam(block, e) >= 2 * area) == has_seen)
        add(numbers, {whole(e + 1), percent(recount.cam(block, e))});
  add(numbers, {percent(recount.weight(block, expert, true)), percent(recount.weight(block, expert, false))});
  return numbers;
}

/// Softmax of W e + b at temperature 2, "no defect" first.
std::vector<double> probabilities_of(const WordReadout& readout, const std::vector<double>& features) {
  std::vector<double> p;
  double sum = 0;
  const auto width = static_cast<index_t>(features.size());
  for (index_t k = 0; k < readout.weights.extent(0); ++k) {
    double logit = static_cast<double>(readout.weights[k * (width + 1) + width]);
    for (index_t f = 0; f < width; ++f)
      logit += static_cast<double>(readout.weights[k * (width + 1) + f]) * features[static_cast<std::size_t>(f)];
    p.push_back(std::exp(logit / 2));
    sum += p.back();
  }
  for (double& value : p) value /= sum;
  return p;
}

/// Noise on the left, nothing on the right.
Image half_flat(index_t width, index_t height) {
  Image picture = make_picture(width, height);
  for (index_t y = 0; y < height; ++y)
    for (index_t i = 3 * (width / 2); i < 3 * width; ++i) picture.row(y)[i] = 99;
  return picture;
}

/// Routes the left patches of the first block to expert 2, the others to expert 1, and lets expert 2 have raised the
/// score where it is highest, and expert 3 a little.
void let_expert_see(Inspection<double>& seen) {
  BlockInspection<double>& block = seen.blocks[0];
  const index_t patches = seen.grid * seen.grid, chosen = block.chosen.extent(1);
  for (index_t i = 0; i < patches; ++i) {
    block.chosen[(1 + i) * chosen] = i % seen.grid < 2 ? 1 : 0;
    for (index_t k = 1; k < chosen; ++k) block.chosen[(1 + i) * chosen + k] = 2;
  }
  const Tensor<float>& map = seen.detection.map;
  const index_t peak = std::max_element(map.begin(), map.end()) - map.begin(), size = map.extent(0);
  const index_t patch = peak / size * seen.grid / size * seen.grid + peak % size * seen.grid / size;
  double all = 0;
  for (const double cam : block.cams) all += cam;
  block.cams[patches + patch] += 20 * all + 1;
  block.cams[2 * patches + patch] += all / 2;
}

}  // namespace

TEST_CASE("each number of the sentences is what the tensors say") {
  const auto detector = make_detector<double>();
  const auto anchors = make_anchors<double>();
  const DefectWords<double> words{"gizmo", {"scratch", "hole", "stain"}, random_tensor<double>({4, 24}, "words")};
  Context context({.threads = 1});
  bool has_stood_out = false, has_edges = false;
  for (const auto& [width, height] : {std::pair<index_t, index_t>{60, 40}, {27, 31}, {40, 90}, {33, 33}}) {
    auto seen = inspect(context, detector, half_flat(width, height).view(), anchors);
    if (width < 50) let_expert_see(seen);
    const Recount recount(detector, seen);
    const Detection& d = seen.detection;
    double embedded = 0;
    for (index_t c = 0; c < 24; ++c) embedded += seen.embedding[c] * anchors.abnormal()[c];
    CHECK(
        static_cast<double>(d.score) ==
        doctest::Approx((static_cast<double>(*std::max_element(d.map.begin(), d.map.end())) + (embedded + 1) / 2) / 2));
    const Numbers score{decimals(static_cast<double>(d.score), 2), decimals(static_cast<double>(d.threshold), 2)};
    const WordEvidence evidence =
        word_evidence(context, detector.clip(), seen.picture, abnormal_place(context, d), words);
    const Numbers experts = expert_numbers(recount, seen.blocks.size(), 3);
    has_stood_out = has_stood_out || experts.size() > 4;
    has_edges =
        has_edges || experts.size() == 11;  // expert, block, edges, two shares, two others with theirs, two of routing

    WordReadout readout{{"scratch", "hole", "stain"}, Tensor<float>({4, 3 * 24 + 20}), 2, 0, {}};
    const Tensor<float> random = random_tensor<float>({4, 3 * 24 + 20}, "readout");
    for (index_t i = 0; i < random.size(); ++i) readout.weights[i] = random[i] / 2;
    readout.record.certain = 50;
    readout.record.certain_right = 45;
    std::vector<double> p = probabilities_of(readout, evidence.features);
    std::sort(p.begin() + 1, p.end(), std::greater<>());
    const Numbers kinds{percent(p[1]), percent(p[2])};

    seen.detection.is_anomalous = true;
    for (const double threshold : {0.0, 0.999, 2.0}) {
      readout.threshold = threshold;
      const Explanation e = explain(context, detector, seen, words, &readout);
      CAPTURE(e.sentence);
      CHECK(e.is_certain == (p[1] >= threshold));
      CHECK(e.no_defect == doctest::Approx(p[0]));
      Numbers expected = recount.area();
      add(expected, score);
      add(expected, kinds);
      if (threshold <= 1) add(expected, {percent(threshold), "45", "50"});
      add(expected, experts);
      CHECK(numbers_in(e.sentence) == expected);
    }
    const Explanation plain = explain(context, detector, seen, words);
    std::vector<double> cosines(evidence.cosines.begin() + 1, evidence.cosines.end());
    std::sort(cosines.begin(), cosines.end(), std::greater<>());
    Numbers expected = recount.area();
    add(expected, score);
    add(expected, {decimals(std::abs(cosines[0]), 3), decimals(std::abs(cosines[1]), 3)});
    add(expected, experts);

    CAPTURE(plain.sentence);
    CHECK(numbers_in(plain.sentence) == expected);
    CHECK_FALSE(plain.is_certain);

    seen.detection.is_anomalous = false;
    const Explanation nothing = explain(context, detector, seen, words, &readout);
    expected = score;
    add(expected, recount.area());
    CHECK(numbers_in(nothing.sentence) == expected);
    CHECK_FALSE(nothing.is_certain);
  }
  CHECK(has_stood_out);
  CHECK(has_edges);
}
