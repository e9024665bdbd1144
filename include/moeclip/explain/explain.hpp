// SPDX-License-Identifier: MIT
#pragma once
// Puts an inspection into words: where the picture is most abnormal, which word that resembles most and how certain
// that is, and which expert contributed most.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "../anomaly/detector.hpp"
#include "../base/lists.hpp"
#include "explanation.hpp"
#include "inspection.hpp"
#include "word_readout.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The area around the highest place of a map, at least half as high above the map's middle value: whatever the scale
/// of a model's scores is, there is one.
struct PeakArea {
  Region region;                     // in pixels of the map
  std::vector<std::uint8_t> inside;  // (S * S)
};
inline PeakArea peak_area(Context& context, const Tensor<float>& map) {
  const index_t pixels = map.size();
  const auto peak = std::max_element(map.begin(), map.end());
  std::vector<float> values(map.begin(), map.end());
  std::nth_element(values.begin(), values.begin() + pixels / 2, values.end());
  const float level = (*peak + values[static_cast<std::size_t>(pixels / 2)]) / 2;
  PeakArea area;
  area.inside.assign(static_cast<std::size_t>(pixels), 0);
  Arena::Scope scratch(context.arena());
  area.region =
      grow_region<float>(map.view<2>(), level, peak - map.begin(), area.inside.data(), scratch.take<index_t>(pixels));
  return area;
}

/// Which patches have a pixel inside: (L).
inline std::vector<bool> patches_inside(const PeakArea& area, index_t size, index_t grid) {
  std::vector<bool> inside(static_cast<std::size_t>(grid * grid), false);
  for (index_t i = 0; i < size * size; ++i)
    if (area.inside[static_cast<std::size_t>(i)] != 0)
      inside[static_cast<std::size_t>(i / size * grid / size * grid + i % size * grid / size)] = true;
  return inside;
}

/// How strong the edges of each patch of a picture (S, S) are: mean absolute difference of neighbouring pixels.
inline std::vector<double> patch_edges(const Image& picture, index_t grid) {
  const index_t side = picture.width() / grid, channels = picture.channels();
  std::vector<double> edges;
  for (index_t patch = 0; patch < grid * grid; ++patch) {
    const index_t left = patch % grid * side, top = patch / grid * side;
    double sum = 0;
    for (index_t y = top; y + 1 < top + side; ++y)
      for (index_t i = left * channels; i < (left + side - 1) * channels; ++i) {
        const int here = picture.row(y)[i];
        sum += std::abs(picture.row(y)[i + channels] - here) + std::abs(picture.row(y + 1)[i] - here);
      }
    edges.push_back(sum);
  }
  return edges;
}

/// CAR-1 and EDG-1 of one expert of a block.
template <class T>
ExpertShare share_of(const BlockInspection<T>& block, index_t expert, const std::vector<bool>& inside,
                     const std::vector<double>& edges) {
  const index_t patches = std::ssize(inside);
  double area = 0, own = 0, all = 0, edge = 0, mean_edge = 0;
  ExpertShare share;
  for (index_t i = 0; i < patches; ++i) {
    const auto weight = static_cast<double>(block.weight(1 + i, expert));
    const auto at = static_cast<std::size_t>(i);
    area += inside[at] ? 1 : 0;
    (inside[at] ? share.weight_inside : share.weight_outside) += weight;
    if (inside[at]) own += static_cast<double>(block.cams[expert * patches + i]);
    edge += inside[at] ? 0 : weight * edges[at];
    mean_edge += inside[at] ? 0 : edges[at];
  }
  for (const T cam : block.cams.values()) all += static_cast<double>(cam);
  const double outside = static_cast<double>(patches) - area;
  share.cam = all > 0 ? own / all : 0;
  if (share.weight_outside > 0 && mean_edge > 0) share.edges = edge / share.weight_outside / (mean_edge / outside);
  share.weight_inside /= (std::max)(1.0, area);
  share.weight_outside /= (std::max)(1.0, outside);
  return share;
}

/// The expert with the largest share of its block's Grad-CAM inside the area. Nobody without Grad-CAM.
template <class T>
CarrierEvidence find_carrier(const std::vector<BlockInspection<T>>& blocks, const std::vector<bool>& inside,
                             const std::vector<double>& edges) {
  CarrierEvidence best;
  for (const BlockInspection<T>& block : blocks) {
    if (block.cams.empty()) continue;
    CarrierEvidence own;
    own.block = block.block;
    own.expert = 1;
    own.area_share =
        static_cast<double>(std::count(inside.begin(), inside.end(), true)) / static_cast<double>(inside.size());
    for (index_t e = 0; e < block.experts(); ++e) {
      own.experts.push_back(share_of(block, e, inside, edges));
      if (own.experts.back().cam > own.own().cam) own.expert = e + 1;
    }
    if (best.block == 0 || own.own().cam > best.own().cam) best = std::move(own);
  }
  return best;
}

/// Fills words, no_defect, promise, is_calibrated and is_certain of `e`.
inline void name_words(const WordEvidence& evidence, const std::vector<std::string>& words, const WordReadout* readout,
                       Explanation& e) {
  e.is_calibrated = readout != nullptr && readout->is_about(words);
  std::vector<double> probabilities(words.size() + 1, 0);
  if (e.is_calibrated) {
    probabilities = word_probabilities(*readout, evidence);
    e.promise = {readout->threshold, readout->record.certain, readout->record.certain_right};
  }
  e.no_defect = probabilities[0];
  for (std::size_t k = 0; k < words.size(); ++k)
    e.words.push_back({words[k], evidence.cosines[k + 1], probabilities[k + 1]});
  lists::stable_sort(e.words, [&](const WordScore& a, const WordScore& b) {
    return e.is_calibrated ? a.probability > b.probability : a.cosine > b.cosine;
  });
  e.is_certain = e.is_calibrated && e.is_anomalous && e.words[0].probability >= e.promise.threshold;
}

}  // namespace detail

/// The middle of the area around the highest place of a detection's map, in pixels of the picture: where explanations
/// look for the kind of a defect.
Place abnormal_place(Context& context, const Detection& detection);

/// Says where `seen` is most abnormal, which of `words` that is, and which expert saw it. Without a read-out about
/// these very words, nothing is certain and words stand as plain CLIP orders them. Throws contract with fewer than two
/// words, mismatch if the read-out is for another CLIP.
template <class T>
Explanation explain(Context& context, const BasicDetector<T>& detector, const Inspection<T>& seen,
                    const DefectWords<T>& words, const WordReadout* readout = nullptr);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
/// The middle of an area, in shares of a map (S, S).
inline Place middle_of(const Region& region, index_t size) {
  const auto share = [&](index_t from, index_t length) {
    return (static_cast<double>(from) + static_cast<double>(length) / 2) / static_cast<double>(size);
  };
  return {share(region.x, region.width), share(region.y, region.height)};
}
}  // namespace detail

MOECLIP_FUNC Place abnormal_place(Context& context, const Detection& detection) {
  const detail::PeakArea area = detail::peak_area(context, detection.map);
  const Place middle = detail::middle_of(area.region, detection.map.extent(0));
  return {middle.x * static_cast<double>(detection.width), middle.y * static_cast<double>(detection.height)};
}

template <class T>
Explanation explain(Context& context, const BasicDetector<T>& detector, const Inspection<T>& seen,
                    const DefectWords<T>& words, const WordReadout* readout) {
  const FloatScope floats;
  const Detection& detection = seen.detection;
  MOECLIP_EXPECT(words.words.size() >= 2, "an explanation needs at least two words to choose between, not ",
                 words.words.size());
  const index_t size = detection.map.extent(0);
  const detail::PeakArea area = detail::peak_area(context, detection.map);
  const Place middle = detail::middle_of(area.region, size);
  Explanation e;
  e.is_anomalous = detection.is_anomalous;
  e.score = static_cast<double>(detection.score);
  e.threshold = static_cast<double>(detection.threshold);
  e.place = detail::place_words(middle.x, middle.y);
  e.region = scaled_region(area.region, {size, size}, {detection.width, detection.height});
  e.area = static_cast<double>(area.region.area) / static_cast<double>(size * size);
  const WordEvidence evidence =
      word_evidence<T>(context, detector.clip(), seen.picture, abnormal_place(context, detection), words);
  detail::name_words(evidence, words.words, readout, e);
  e.carrier = detail::find_carrier(seen.blocks, detail::patches_inside(area, size, seen.grid),
                                   detail::patch_edges(detection.picture, seen.grid));
  e.sentence = detail::explanation_words(e);
  return e;
}

MOECLIP_INSTANTIATE(explain)

}}  // namespace moeclip::abi_v0_1

#endif
