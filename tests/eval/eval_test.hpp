// SPDX-License-Identifier: MIT
#pragma once
// Oracles for metrics: each from its definition, without sorting and without tables.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <moeclip/base/rng.hpp>
#include <moeclip/eval/score_table.hpp>
#include <set>
#include <string_view>
#include <vector>

struct Ranking {
  std::vector<float> scores;
  std::vector<std::uint8_t> labels;
};

/// n scores, a part of them positive; `steps` > 0 rounds them to so many levels.
inline Ranking random_ranking(std::uint64_t seed, moeclip::index_t n, int steps) {
  const moeclip::Rng rng(seed, "ranking");
  Ranking ranking;
  for (moeclip::index_t i = 0; i < n; ++i) {
    const bool is_positive = rng.unit(2 * i) < 0.3;
    auto score = static_cast<float>(rng.unit(2 * i + 1) + (is_positive ? 0.2 : 0.0));
    if (steps > 0) score = std::round(score * static_cast<float>(steps)) / static_cast<float>(steps);
    ranking.scores.push_back(score);
    ranking.labels.push_back(is_positive ? 1 : 0);
  }
  return ranking;
}

/// Counts of scores >= t: {true positives, false positives}.
inline std::pair<double, double> counts_at(const Ranking& ranking, float t) {
  double tp = 0, fp = 0;
  for (std::size_t i = 0; i < ranking.scores.size(); ++i)
    if (ranking.scores[i] >= t) (ranking.labels[i] != 0 ? tp : fp) += 1;
  return {tp, fp};
}

/// Share of (positive, negative) pairs in the right order, ties half.
inline double slow_auroc(const Ranking& r) {
  double sum = 0, pairs = 0;
  for (std::size_t i = 0; i < r.scores.size(); ++i)
    for (std::size_t j = 0; j < r.scores.size(); ++j) {
      if (r.labels[i] == 0 || r.labels[j] != 0) continue;
      pairs += 1;
      sum += r.scores[i] > r.scores[j] ? 1.0 : r.scores[i] == r.scores[j] ? 0.5 : 0.0;
    }
  return sum / pairs;
}

/// Mean over the positives of the precision at their own score.
inline double slow_average_precision(const Ranking& r) {
  double sum = 0, positives = 0;
  for (std::size_t i = 0; i < r.scores.size(); ++i) {
    if (r.labels[i] == 0) continue;
    const auto [tp, fp] = counts_at(r, r.scores[i]);
    sum += tp / (tp + fp);
    positives += 1;
  }
  return sum / positives;
}

/// {largest F1, the highest score that gives it}.
inline std::pair<double, double> slow_f1_max(const Ranking& r) {
  const std::set<float> thresholds(r.scores.begin(), r.scores.end());
  const double positives = static_cast<double>(std::ranges::count_if(r.labels, [](auto label) { return label != 0; }));
  std::pair<double, double> best{0, 0};
  for (auto t = thresholds.rbegin(); t != thresholds.rend(); ++t) {
    const auto [tp, fp] = counts_at(r, *t);
    const double f1 = 2 * tp / (2 * tp + fp + (positives - tp));
    if (f1 > best.first) best = {f1, static_cast<double>(*t)};
  }
  return best;
}

/// Maps and masks of n pictures of h x w pixels.
struct Pictures {
  moeclip::index_t n = 0, h = 0, w = 0;
  std::vector<float> maps;
  std::vector<std::uint8_t> masks;

  [[nodiscard]] moeclip::View<const float, 2> map(moeclip::index_t i) const {
    return {maps.data() + i * h * w, {h, w}};
  }
  [[nodiscard]] moeclip::ImageView mask(moeclip::index_t i) const { return {masks.data() + i * h * w, w, h, 1, w}; }
};

/// Blobs on noise, some of them diagonal neighbours, some pictures without any.
inline Pictures random_pictures(std::uint64_t seed, moeclip::index_t n, moeclip::index_t side) {
  const moeclip::Rng rng(seed, "pictures");
  Pictures p{n, side, side + 1, {}, {}};
  const moeclip::index_t pixels = p.h * p.w;
  p.masks.assign(static_cast<std::size_t>(n * pixels), 0);
  for (moeclip::index_t i = 0; i < n; ++i)
    for (moeclip::index_t blob = 0; blob < i % 3; ++blob) {
      const auto draw = [&](moeclip::index_t which, moeclip::index_t most) {
        return static_cast<moeclip::index_t>(rng.integer(1000000 + 16 * i + 4 * blob + which, 0, most));
      };
      const auto y = draw(0, p.h), x = draw(1, p.w), height = draw(2, 5) + 1, width = draw(3, 5) + 1;
      for (auto v = y; v < std::min(p.h, y + height); ++v)
        for (auto u = x; u < std::min(p.w, x + width); ++u)
          p.masks[static_cast<std::size_t>(i * pixels + v * p.w + u)] = 255;
    }
  for (moeclip::index_t i = 0; i < n * pixels; ++i) {
    const double lift = p.masks[static_cast<std::size_t>(i)] != 0 ? 0.3 : 0.0;
    p.maps.push_back(static_cast<float>(std::pow(0.7 * rng.unit(i) + lift, 3.0)));
  }
  return p;
}

/// The region of every pixel by repeated spreading of the smallest number to neighbours; -1 outside.
inline std::vector<moeclip::index_t> slow_regions(const Pictures& p) {
  const moeclip::index_t pixels = p.h * p.w;
  std::vector<moeclip::index_t> label(p.masks.size(), -1);
  for (std::size_t i = 0; i < label.size(); ++i)
    if (p.masks[i] != 0) label[i] = static_cast<moeclip::index_t>(i);
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (moeclip::index_t i = 0; i < p.n * pixels; ++i)
      for (moeclip::index_t dy = -1; dy <= 1; ++dy)
        for (moeclip::index_t dx = -1; dx <= 1; ++dx) {
          const moeclip::index_t y = i % pixels / p.w + dy, x = i % p.w + dx;
          if (label[static_cast<std::size_t>(i)] < 0 || y < 0 || y >= p.h || x < 0 || x >= p.w) continue;
          const moeclip::index_t other = label[static_cast<std::size_t>(i / pixels * pixels + y * p.w + x)];
          if (other < 0 || other >= label[static_cast<std::size_t>(i)]) continue;
          label[static_cast<std::size_t>(i)] = other;
          has_changed = true;
        }
  }
  return label;
}

/// Area under the per-region overlap: at each threshold every region's covered share and the false positive rate.
inline double slow_aupro(const Pictures& p, double limit) {
  const auto label = slow_regions(p);
  std::set<moeclip::index_t> regions(label.begin(), label.end());
  regions.erase(-1);
  std::vector<std::pair<double, double>> curve{{0, 0}};
  const std::set<float> thresholds(p.maps.begin(), p.maps.end());
  for (auto t = thresholds.rbegin(); t != thresholds.rend(); ++t) {
    double overlap = 0, false_positives = 0, normal = 0;
    for (const moeclip::index_t region : regions) {
      double covered = 0, size = 0;
      for (std::size_t i = 0; i < label.size(); ++i)
        if (label[i] == region) size += 1, covered += p.maps[i] >= *t ? 1 : 0;
      overlap += covered / size;
    }
    for (std::size_t i = 0; i < label.size(); ++i)
      if (label[i] < 0) normal += 1, false_positives += p.maps[i] >= *t ? 1 : 0;
    curve.emplace_back(false_positives / normal, overlap / static_cast<double>(regions.size()));
  }
  double area = 0;
  for (std::size_t i = 1; i < curve.size() && curve[i - 1].first < limit; ++i) {
    const auto [x0, y0] = curve[i - 1];
    auto [x1, y1] = curve[i];
    if (x1 > limit) y1 = y0 + (y1 - y0) * (limit - x0) / (x1 - x0), x1 = limit;
    area += (x1 - x0) * (y0 + y1) / 2;
  }
  return area / limit;
}

inline moeclip::ScoreTable table_of(const Pictures& p, const moeclip::ScoreTableOptions& options) {
  moeclip::Context context({.threads = 1});
  moeclip::ScoreTable table(options);
  for (moeclip::index_t i = 0; i < p.n; ++i) table.add_map(context, p.map(i), p.mask(i));
  return table;
}
