// SPDX-License-Identifier: MIT
#pragma once
// What is kept of each picture, so that the metrics of any choice of pictures, some counting twice and some not at all,
// can be made later without the maps: its score, and in how many of its pixels the map lies in which bin. Bins of a
// class hold equal shares of its anomalous pixels and, but for the highest scores, of its normal ones (PIC-1 in this
// folder's README).

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../base/context.hpp"
#include "../data/sample.hpp"
#include "evaluation.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The metrics that methods are compared by, and their names in files.
inline constexpr std::array<std::string_view, 5> kComparedMetrics{"image_auroc", "image_ap", "pixel_auroc", "pixel_ap",
                                                                  "aupro"};
/// Their values in this order, in [0, 1]; NaN: undefined.
using ComparedMetrics = std::array<double, kComparedMetrics.size()>;

/// The compared metrics of a row of results.
ComparedMetrics compared_metrics(const ClassResult& row);

inline constexpr index_t kPictureBins = 320;  ///< of a class

/// The anomalous pixels of a picture that lie in one bin.
struct AnomalousBin {
  std::uint32_t bin = 0;    ///< below kPictureBins
  std::uint32_t count = 0;  ///< pixels
  double weight = 0;        ///< sum over them of 1 / (pixels of their region)

  friend bool operator==(const AnomalousBin&, const AnomalousBin&) = default;
};

/// One picture.
struct PictureRow {
  std::uint32_t class_index = 0;                        ///< in PictureTable::classes
  bool is_anomalous = false;                            ///< the truth
  float score = 0;                                      ///< of the picture
  std::uint32_t regions = 0;                            ///< connected anomalous ones
  std::array<std::uint32_t, kPictureBins> normal = {};  ///< normal pixels by bin, the lowest scores first
  std::vector<AnomalousBin> anomalous = {};             ///< ascending bins

  friend bool operator==(const PictureRow&, const PictureRow&) = default;
};

/// All pictures that one run of a method was judged by.
struct PictureTable {
  std::vector<std::string> classes;  ///< ascending
  std::vector<PictureRow> pictures;  ///< in the order in which they were judged

  friend bool operator==(const PictureTable&, const PictureTable&) = default;
};

/// Throws mismatch, naming both, unless the two tables are of the same pictures as far as can be seen: the same
/// classes, labels and regions in the same order.
void expect_same_pictures(const PictureTable& a, std::string_view a_name, const PictureTable& b,
                          std::string_view b_name);

/// The metrics of one class if picture i counts times[i] times. Those of pixels are of the bins' rows, so they may be
/// off by a little; `errors`, if not null, gets by how much at most.
ComparedMetrics resampled_metrics(const PictureTable& table, index_t class_index, std::span<const std::uint32_t> times,
                                  ComparedMetrics* errors = nullptr);

/// Makes a table. It holds the scores of all pixels until finish(), some four bytes each.
class PictureTableMaker {
 public:
  /// One picture. A defective one without a mask counts as a picture, and with no pixel. Throws contract for NaN.
  void add(Context& context, const Sample& truth, const Finding& found);

  /// The table of all pictures so far; the maker is empty then.
  PictureTable finish();

 private:
  struct Pixel {
    float score = 0;
    std::uint32_t region_size = 0;
  };
  struct Kept {
    bool is_anomalous = false;
    float score = 0;
    std::uint32_t regions = 0;
    std::string class_name;
    std::vector<float> normal;
    std::vector<Pixel> anomalous;
  };

  std::vector<float> edges_of(std::string_view class_name) const;

  std::vector<Kept> kept_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "../base/lists.hpp"
#include "exact_scores.hpp"
#include "mask_regions.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC ComparedMetrics compared_metrics(const ClassResult& row) {
  return {row.image.auroc.value, row.image.average_precision.value, row.pixel.auroc.value,
          row.pixel.average_precision.value, row.pixel.aupro.value};
}

MOECLIP_FUNC void expect_same_pictures(const PictureTable& a, std::string_view a_name, const PictureTable& b,
                                       std::string_view b_name) {
  bool is_same = a.classes == b.classes && a.pictures.size() == b.pictures.size();
  for (std::size_t i = 0; is_same && i < a.pictures.size(); ++i) {
    const PictureRow &x = a.pictures[i], &y = b.pictures[i];
    is_same = x.class_index == y.class_index && x.is_anomalous == y.is_anomalous && x.regions == y.regions;
  }
  if (!is_same)
    fail(ErrorCode::mismatch,
         concat(a_name, " and ", b_name, " were judged by different pictures, so they cannot be compared in pairs"));
}

namespace detail {

/// A sum of weights as the walk of metrics takes it: rounded down to steps of 2^-64.
inline FixedSum fixed_sum(double value) {
  const double whole = std::floor(value);
  return {static_cast<std::uint64_t>(whole), static_cast<std::uint64_t>((value - whole) * 0x1p64)};
}

/// AUROC and AP of the pictures of a class.
inline Metrics resampled_image(const PictureTable& table, index_t class_index, std::span<const std::uint32_t> times) {
  struct Score {
    float score;
    std::uint32_t positives, negatives;
  };
  std::vector<Score> scores;
  ScoreTotals totals;
  for (std::size_t i = 0; i < table.pictures.size(); ++i) {
    const PictureRow& row = table.pictures[i];
    if (row.class_index != class_index || times[i] == 0) continue;
    scores.push_back({row.score, row.is_anomalous ? times[i] : 0, row.is_anomalous ? 0 : times[i]});
    totals.positives += scores.back().positives, totals.negatives += scores.back().negatives;
  }
  lists::sort(scores, [](const Score& a, const Score& b) { return a.score > b.score; });
  MetricSums sums(totals);
  for (std::size_t i = 0; i < scores.size();) {
    ScoreRow row;
    row.lowest = row.highest = scores[i].score;
    for (; i < scores.size() && scores[i].score == row.lowest; ++i)
      row.positives += scores[i].positives, row.negatives += scores[i].negatives;
    sums.add(row);
  }
  return sums.result();
}

/// What p anomalous and n normal pixels of one bin add to the sum of precisions, if they are mixed evenly: the i-th
/// anomalous one has n i / (p + 1) normal ones before it. Many are taken in sixteen steps.
inline double mixed_precision(double above, double below, double p, double n) {
  constexpr double kSteps = 16;
  const double steps = (std::min)(p, kSteps), width = p / steps;
  double sum = 0;
  for (double k = 0; k < steps; ++k) {
    const double i = p <= kSteps ? k + 1 : (k + 0.5) * width + 0.5;
    sum += width * (above + i) / (above + i + below + n * i / (p + 1));
  }
  return p > 0 ? sum : 0;
}

/// Metrics of the pixels of a class.
inline Metrics resampled_pixel(const PictureTable& table, index_t class_index, std::span<const std::uint32_t> times) {
  std::array<std::uint64_t, kPictureBins> normal{}, anomalous{};
  std::array<double, kPictureBins> weight{};
  ScoreTotals totals;
  for (std::size_t i = 0; i < table.pictures.size(); ++i) {
    const PictureRow& row = table.pictures[i];
    if (row.class_index != class_index || times[i] == 0) continue;
    for (std::size_t b = 0; b < normal.size(); ++b) normal[b] += std::uint64_t{times[i]} * row.normal[b];
    for (const AnomalousBin& bin : row.anomalous) {
      anomalous[bin.bin] += std::uint64_t{times[i]} * bin.count;
      weight[bin.bin] += times[i] * bin.weight;
    }
    totals.regions += std::uint64_t{times[i]} * row.regions;
  }
  for (std::size_t b = 0; b < normal.size(); ++b) totals.positives += anomalous[b], totals.negatives += normal[b];
  MetricSums sums(totals);
  double precision = 0, above = 0, below = 0;  // anomalous and normal pixels so far
  for (std::size_t b = normal.size(); b-- > 0;) {
    if (normal[b] + anomalous[b] == 0) continue;
    const auto place = static_cast<float>(b);  // only the order of scores counts
    sums.add({place, place + 0.5f, anomalous[b], normal[b], fixed_sum(weight[b])});
    const auto p = static_cast<double>(anomalous[b]), n = static_cast<double>(normal[b]);
    precision += mixed_precision(above, below, p, n);
    above += p;
    below += n;
  }
  Metrics metrics = sums.result();
  // the middle between the best and the worst order is far from all likely ones where few pixels are anomalous
  if (metrics.average_precision.is_defined())
    metrics.average_precision = Metric(precision / above, 2 * metrics.average_precision.error);
  return metrics;
}

}  // namespace detail

MOECLIP_FUNC ComparedMetrics resampled_metrics(const PictureTable& table, index_t class_index,
                                               std::span<const std::uint32_t> times, ComparedMetrics* errors) {
  MOECLIP_EXPECT(times.size() == table.pictures.size(), times.size(), " numbers came for ", table.pictures.size(),
                 " pictures");
  ClassResult row;
  row.image = detail::resampled_image(table, class_index, times);
  row.pixel = detail::resampled_pixel(table, class_index, times);
  if (errors != nullptr)
    *errors = {0, 0, row.pixel.auroc.error, row.pixel.average_precision.error, row.pixel.aupro.error};
  return compared_metrics(row);
}

MOECLIP_FUNC void PictureTableMaker::add(Context& context, const Sample& truth, const Finding& found) {
  const index_t height = found.map.extent(0), width = found.map.extent(1), pixels = height * width;
  MOECLIP_EXPECT(found.map.is_contiguous(), "the anomaly map must be contiguous");
  const std::span<const float> scores(found.map.data(), static_cast<std::size_t>(pixels));
  expect_ordered(scores);
  expect_ordered({&found.score, 1});
  Kept kept{truth.label != 0, found.score, 0, truth.class_name, {}, {}};
  if (truth.has_mask()) {
    Arena::Scope scratch(context.arena());
    std::uint32_t* sizes = scratch.take<std::uint32_t>(pixels);
    std::fill_n(sizes, pixels, 0u);
    if (truth.label != 0 && !truth.mask.empty()) {
      auto* mask = scratch.take<std::uint8_t>(pixels);
      resize_nearest(context, truth.mask.view(), width, height, mask);
      kept.regions = static_cast<std::uint32_t>(region_sizes(context, {mask, width, height, 1, width}, sizes));
    }
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (sizes[i] == 0)
        kept.normal.push_back(scores[i]);
      else
        kept.anomalous.push_back({scores[i], sizes[i]});
  }
  kept_.push_back(std::move(kept));
}

MOECLIP_FUNC std::vector<float> PictureTableMaker::edges_of(std::string_view class_name) const {
  std::array<std::vector<float>, 2> scores;  // of normal and of anomalous pixels
  for (const Kept& kept : kept_) {
    if (kept.class_name != class_name) continue;
    scores[0].insert(scores[0].end(), kept.normal.begin(), kept.normal.end());
    for (const Pixel& pixel : kept.anomalous) scores[1].push_back(pixel.score);
  }
  std::vector<float> edges;
  const auto cut = [&](const std::vector<float>& list, double above) {  // such a share of them lies above
    if (list.size() < 2) return;
    const auto size = static_cast<double>(list.size());
    const auto i = std::max<std::size_t>(static_cast<std::size_t>((std::min)((1 - above) * size, size - 1)), 1);
    edges.push_back(list[i - 1] + (list[i] - list[i - 1]) / 2);  // no score at an end of its bin
  };
  for (std::vector<float>& list : scores) lists::sort(list);
  constexpr int kEach = static_cast<int>(kPictureBins) / 5;
  for (int i = 1; i < kEach; ++i) {
    cut(scores[0], static_cast<double>(i) / kEach);
    // precision is decided by the highest scores, where few pixels are normal: ten times half of the last share
    cut(scores[0], std::exp2(-10.0 * i / kEach) / kEach);
  }
  for (int i = 1; i < 2 * kEach; ++i) cut(scores[1], static_cast<double>(i) / (2 * kEach));
  const std::size_t highest = std::min<std::size_t>(scores[1].size(), kEach / 2);  // each in a bin of its own
  for (std::size_t i = scores[1].size() - highest; i < scores[1].size(); ++i) {
    edges.push_back(scores[1][i]);
    edges.push_back(std::nextafter(scores[1][i], std::numeric_limits<float>::infinity()));
  }
  lists::sort(edges);
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

MOECLIP_FUNC PictureTable PictureTableMaker::finish() {
  PictureTable table;
  for (const Kept& kept : kept_) table.classes.push_back(kept.class_name);
  lists::sort(table.classes);
  table.classes.erase(std::unique(table.classes.begin(), table.classes.end()), table.classes.end());
  std::vector<std::vector<float>> edges;
  for (const std::string& name : table.classes) edges.push_back(edges_of(name));
  for (Kept& kept : kept_) {
    const auto number = static_cast<std::size_t>(lists::find(table.classes, kept.class_name) - table.classes.begin());
    const auto bin_of = [&](float score) {  // a score on an edge belongs above it
      return static_cast<std::size_t>(std::upper_bound(edges[number].begin(), edges[number].end(), score) -
                                      edges[number].begin());
    };
    PictureRow row{static_cast<std::uint32_t>(number), kept.is_anomalous, kept.score, kept.regions, {}, {}};
    for (const float score : kept.normal) ++row.normal[bin_of(score)];
    std::map<std::size_t, AnomalousBin> bins;
    for (const Pixel& pixel : kept.anomalous) {
      AnomalousBin& bin = bins[bin_of(pixel.score)];
      ++bin.count;
      bin.weight += 1.0 / pixel.region_size;
    }
    for (auto& [place, bin] : bins) {
      bin.bin = static_cast<std::uint32_t>(place);
      row.anomalous.push_back(bin);
    }
    table.pictures.push_back(std::move(row));
    kept = {};
  }
  kept_.clear();
  return table;
}

}}  // namespace moeclip::abi_v0_1

#endif
