// SPDX-License-Identifier: MIT
#pragma once
// Figures of one inspection: the anomaly map over the picture and, per adapted block, which patches went to which
// expert, beside how much that expert's answers raised the score.

#include <optional>
#include <vector>

#include "expert_figures.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Which figures are made of an inspection, and on what scale.
struct InspectionFigureOptions {
  ImageView truth;          ///< gray mask of any size, not 0 where there is a defect; without data: unknown
  bool has_blocks = true;   ///< a figure per adapted block
  bool has_cosines = true;  ///< and one of the similarity of the experts, if there are any
  /// Pixels from here on count as abnormal; the colour scale goes to twice that, 1 at most. Unset: the detection's own.
  std::optional<float> pixel_threshold;
};

/// The picture, and the map over it with the outline of the truth.
Figure map_figure(const Detection& detection, const InspectionFigureOptions& options = {});

/// The figures of one picture: the map; each adapted block; the similarity of the experts' answers.
template <class T>
std::vector<Figure> inspection_figures(const Inspection<T>& seen, const InspectionFigureOptions& options = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <algorithm>
#include <cmath>
#include <string>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Sides of a panel in the proportions of the picture.
struct PanelSize {
  index_t width, height;
};
inline PanelSize panel_size(const Detection& detection) {
  constexpr index_t kThinnest = 4;
  const index_t longer = (std::max)(detection.width, detection.height);
  return {(std::max)(kPanelSide * detection.width / longer, kPanelSide / kThinnest),
          (std::max)(kPanelSide * detection.height / longer, kPanelSide / kThinnest)};
}

/// Shares as colours over the patches that chose the expert; a white line around those where it came first.
template <class T>
Image routing_panel(const Detection& detection, const BlockInspection<T>& block, index_t e, index_t grid) {
  const auto [width, height] = panel_size(detection);
  Image panel = dim_picture(detection.picture, width, height);
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x) {
      const index_t token = 1 + y * grid / height * grid + x * grid / width;
      const T weight = block.weight(token, e);
      if (!(weight > T(0))) continue;
      cover_pixel(panel, y * width + x, kEmber[scale_to_byte<T>(weight, T(0), T(1))],
                  0.35 + 0.4 * static_cast<double>(weight));
    }
  const index_t per_token = block.chosen.extent(1);
  outline_cells(
      panel, grid, grid, [&](index_t x, index_t y) { return block.chosen[(1 + y * grid + x) * per_token] == e; },
      {255, 255, 255}, 2);
  return panel;
}

/// CAM-1 over the picture, `top` being the brightest of the block; by its square root, since much of it is often spread
/// thinly.
template <class T>
Image cam_panel(const Detection& detection, const BlockInspection<T>& block, index_t e, index_t grid, T top) {
  const auto [width, height] = panel_size(detection);
  Image panel = dim_picture(detection.picture, width, height);
  Tensor<T> map({height, width});
  upsample_bilinear<T>(View<const T, 2>(block.cams.data() + e * grid * grid, {grid, grid}), map.template view<2>());
  for (index_t i = 0; i < map.size(); ++i) {
    const T part = top > T(0) ? std::sqrt(map[i] / top) : T(0);
    const std::uint8_t level = scale_to_byte<T>(part, T(0), T(1));
    cover_pixel(panel, i, kEmber[level], 0.85 * level / 255.0);
  }
  return panel;
}

/// Share of a sum, for a label.
inline std::string percent_of(double part, double whole) {
  return concat(fixed(whole > 0 ? 100 * part / whole : 0.0, 0), "%");
}

/// One block: a row per expert, routing on the left, Grad-CAM on the right.
template <class T>
Figure block_figure(const Detection& detection, const BlockInspection<T>& block, index_t grid) {
  const index_t experts = block.experts(), patches = grid * grid, per_token = block.chosen.extent(1);
  const T top = block.cams.empty() ? T(0) : *std::max_element(block.cams.begin(), block.cams.end());
  double all = 0;
  for (index_t i = 0; i < block.cams.size(); ++i) all += static_cast<double>(block.cams[i]);
  std::vector<Panel> panels;
  std::string words;
  for (index_t e = 0; e < experts; ++e) {
    double first = 0, raised = 0;
    for (index_t n = 1; n <= patches; ++n) first += block.chosen[n * per_token] == e ? 1 : 0;
    panels.push_back({concat("expert ", e + 1, ": ", percent_of(first, static_cast<double>(patches)), " first"),
                      routing_panel(detection, block, e, grid)});
    words += concat(words.empty() ? "Expert " : "; expert ", e + 1, " comes first on ",
                    percent_of(first, static_cast<double>(patches)), " of the patches");
    if (block.cams.empty()) continue;
    for (index_t i = 0; i < patches; ++i) raised += static_cast<double>(block.cams[e * patches + i]);
    panels.push_back({concat("Grad-CAM: ", percent_of(raised, all)), cam_panel(detection, block, e, grid, top)});
    words += concat(" and has ", percent_of(raised, all), " of the Grad-CAM");
  }
  return {concat("Experts after block ", block.block),
          concat("Left: patches that were sent to each expert, brighter for a larger share, a white line around those "
                 "where it came first. ",
                 block.cams.empty() ? "" : "Right: where its answers raised the anomaly score. ", words, "."),
          arrange(panels, 2)};
}

/// The picture with the map over it, `top` and above being brightest.
inline Image map_panel(const Detection& detection, float top) {
  const auto [width, height] = panel_size(detection);
  Image panel = resize_bicubic(detection.picture.view(), width, height);
  Tensor<float> map({height, width});
  upsample_bilinear<float>(detection.map.view<2>(), map.view<2>());
  for (index_t i = 0; i < map.size(); ++i) {
    const std::uint8_t level = scale_to_byte<float>(map[i], 0.0f, top);
    cover_pixel(panel, i, kEmber[level], 0.15 + 0.6 * level / 255.0);
  }
  return panel;
}

}  // namespace detail

MOECLIP_FUNC Figure map_figure(const Detection& detection, const InspectionFigureOptions& options) {
  const auto [width, height] = detail::panel_size(detection);
  const ImageView truth = options.truth;
  Image picture = resize_bicubic(detection.picture.view(), width, height);
  Image covered = detail::map_panel(detection, options.pixel_threshold ? (std::min)(1.0f, 2 * *options.pixel_threshold)
                                                                       : 2 * detection.pixel_threshold);
  const bool has_truth = truth.data != nullptr;
  if (has_truth) {
    const Image mask = resize_nearest(truth, width, height);
    detail::outline_cells(
        covered, width, height, [&](index_t x, index_t y) { return mask.row(y)[x * mask.channels()] != 0; },
        {64, 224, 255}, 2);
  }
  const std::string peak = fixed(static_cast<double>(*std::max_element(detection.map.begin(), detection.map.end())), 2);
  std::vector<Panel> panels;
  panels.push_back({concat("score ", fixed(static_cast<double>(detection.score), 2)), std::move(picture)});
  panels.push_back({concat("map, peak ", peak), std::move(covered)});
  return {"Where the picture looks abnormal",
          concat("The picture, and the anomaly map over it: the brighter, the more abnormal, up to ", peak, ".",
                 has_truth ? " The light blue line goes around what is really wrong." : ""),
          arrange(panels, 2)};
}

template <class T>
std::vector<Figure> inspection_figures(const Inspection<T>& seen, const InspectionFigureOptions& options) {
  std::vector<Figure> figures;
  figures.push_back(map_figure(seen.detection, options));
  if (options.has_blocks)
    for (const BlockInspection<T>& block : seen.blocks)
      figures.push_back(detail::block_figure(seen.detection, block, seen.grid));
  if (!options.has_cosines || seen.blocks.empty()) return figures;
  ExpertStatistics statistics;
  statistics.add(seen);
  figures.push_back(cosine_figure(statistics.blocks()));
  return figures;
}

MOECLIP_INSTANTIATE(inspection_figures)

}}  // namespace moeclip::abi_v0_1

#endif
