// SPDX-License-Identifier: MIT
#pragma once
// Puts an inspection into words: where the picture is most abnormal, which word that resembles most and how certain
// that is, and which expert contributed most.

#include <algorithm>
#include <vector>

#include "../anomaly/detector.hpp"
#include "inspection.hpp"
#include "naming.hpp"

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

/// CAR-1 of one expert of a block.
template <class T>
CarrierEvidence carrier_of(const BlockInspection<T>& block, index_t expert, const std::vector<bool>& inside) {
  const index_t patches = std::ssize(inside);
  double area = 0, own = 0, all = 0;
  CarrierEvidence evidence;
  evidence.block = block.block;
  evidence.expert = expert + 1;
  for (index_t i = 0; i < patches; ++i) {
    const bool is_inside = inside[static_cast<std::size_t>(i)];
    area += is_inside ? 1 : 0;
    (is_inside ? evidence.weight_inside : evidence.weight_outside) += static_cast<double>(block.weight(1 + i, expert));
    if (!block.cams.empty() && is_inside) own += static_cast<double>(block.cams[expert * patches + i]);
  }
  for (const T cam : block.cams.values()) all += static_cast<double>(cam);
  evidence.cam_share = all > 0 ? own / all : 0;
  evidence.area_share = area / static_cast<double>(patches);
  evidence.weight_inside /= (std::max)(1.0, area);
  evidence.weight_outside /= (std::max)(1.0, static_cast<double>(patches) - area);
  return evidence;
}

/// The expert with the largest share of its block's Grad-CAM inside the area. Nobody without Grad-CAM.
template <class T>
CarrierEvidence find_carrier(const std::vector<BlockInspection<T>>& blocks, const std::vector<bool>& inside) {
  CarrierEvidence best;
  for (const BlockInspection<T>& block : blocks)
    for (index_t e = 0; e < block.experts() && !block.cams.empty(); ++e)
      if (const CarrierEvidence own = carrier_of(block, e, inside); best.block == 0 || own.cam_share > best.cam_share)
        best = own;
  return best;
}

}  // namespace detail

/// Says where `seen` is most abnormal, which of `words` it resembles there, and which expert carried it.
template <class T>
Explanation explain(Context& context, const BasicDetector<T>& detector, const Inspection<T>& seen,
                    const DefectWords<T>& words);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <string>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
Explanation explain(Context& context, const BasicDetector<T>& detector, const Inspection<T>& seen,
                    const DefectWords<T>& words) {
  const FloatScope floats;
  const Detection& detection = seen.detection;
  MOECLIP_EXPECT(words.words.size() >= 2, "an explanation needs at least two words to choose between");
  const index_t size = detection.map.extent(0);
  const detail::PeakArea area = detail::peak_area(context, detection.map);
  const Region& region = area.region;
  const auto share = [&](index_t from, index_t length) {
    return (static_cast<double>(from) + static_cast<double>(length) / 2) / static_cast<double>(size);
  };
  const double x = share(region.x, region.width), y = share(region.y, region.height);
  Explanation e;
  e.is_anomalous = detection.is_anomalous;
  e.score = static_cast<double>(detection.score);
  e.threshold = static_cast<double>(detection.threshold);
  e.place = detail::place_words(x, y);
  e.region = scaled_region(region, {size, size}, {detection.width, detection.height});
  e.area = static_cast<double>(region.area) / static_cast<double>(size * size);
  const Place place{x * static_cast<double>(detection.width), y * static_cast<double>(detection.height)};
  name_place<T>(context, detector.clip(), seen.picture, place, words, e);
  e.is_certain = e.is_anomalous && e.windows >= kFewestWindows && e.over_normal > 0 && e.lead > kCertainLead * e.noise;
  e.carrier = detail::find_carrier(seen.blocks, detail::patches_inside(area, size, seen.grid));
  e.sentence = detail::explanation_words(e);
  return e;
}

MOECLIP_INSTANTIATE(explain)

}}  // namespace moeclip::abi_v0_1

#endif
