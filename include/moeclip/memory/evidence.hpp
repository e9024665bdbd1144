// SPDX-License-Identifier: MIT
#pragma once
// Why a memory calls a picture abnormal: the patch that is least like all that is remembered, and what comes nearest to
// it in the good pictures, which have to be shown once more, since a memory keeps no pixels.

#include <limits>
#include <span>
#include <string>

#include "../image/figure.hpp"
#include "patch_memory.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A patch, and a piece of its picture with the patch in the middle.
struct PatchCut {
  double x = 0, y = 0;  ///< middle of the patch, from 0 to 1 across and down the picture
  Image picture;        ///< RGB: the patch, in a frame, and what surrounds it
};

/// The most abnormal patch of a picture.
template <class T>
struct Evidence {
  Tensor<T> descriptor;                               ///< (F) of the patch
  T distance = 0;                                     ///< d, from the memory; e without one
  PatchCut found;                                     ///< where it is
  T good_distance = (std::numeric_limits<T>::max)();  ///< from the nearest patch of the good pictures shown so far
  std::string good_name;                              ///< of the picture with that patch; "": none was shown
  PatchCut good;                                      ///< that patch
};

/// The patch of `image` that is farthest from `memory`, and from its own picture where that counts. `detector` as for
/// detect_by_memory.
template <class T>
Evidence<T> find_evidence(Context& context, const BasicDetector<T>& detector, const PatchMemory<T>& memory,
                          ImageView image);

/// Shows a good picture to evidence of the same memory: where one of its patches is nearer than any before, it is kept.
template <class T>
void show_good_picture(Context& context, const BasicDetector<T>& detector, const PatchMemory<T>& memory,
                       const std::string& name, ImageView good, std::span<Evidence<T>> evidence);

/// Both patches side by side; the one alone where no good picture was shown.
template <class T>
Figure evidence_figure(const Evidence<T>& evidence);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "../explain/panels.hpp"
#include "../image/draw.hpp"
#include "../image/resize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Patch `which` of a grid of `grid` x `grid` and those around it, cut out of the whole picture, the patch in a frame.
inline PatchCut cut_patch(ImageView image, index_t which, index_t grid) {
  constexpr index_t kSide = 256, kSeen = 7;  // pixels; patches a side, so that one sees what it is a part of
  const index_t row = which / grid, column = which % grid, seen = (std::min)(kSeen, grid);
  const auto first = [&](index_t place) { return std::clamp<index_t>(place - kSeen / 2, 0, grid - seen); };
  const index_t left = first(column) * image.width / grid, top = first(row) * image.height / grid;
  const ImageView part{image.row(top) + left * image.channels, (std::max)(index_t{1}, seen * image.width / grid),
                       (std::max)(index_t{1}, seen * image.height / grid), image.channels, image.row_stride};
  PatchCut cut{0, 0, Image(kSide, kSide, 3)};
  Context context({.threads = 1});
  resize_to_rgb(context, part, cut.picture);
  draw_box(cut.picture,
           {(column - first(column)) * kSide / seen, (row - first(row)) * kSide / seen, kSide / seen, kSide / seen},
           {255, 255, 255}, 2);
  cut.x = (static_cast<double>(column) + 0.5) / static_cast<double>(grid);
  cut.y = (static_cast<double>(row) + 0.5) / static_cast<double>(grid);
  return cut;
}

inline std::string place_text(const PatchCut& cut) {
  return concat(fixed(100 * cut.x, 0), " % across, ", fixed(100 * cut.y, 0), " % down");
}

}  // namespace detail

template <class T>
Evidence<T> find_evidence(Context& context, const BasicDetector<T>& detector, const PatchMemory<T>& memory,
                          ImageView image) {
  const FloatScope floats;
  const DescriptorShape shape = descriptor_shape(detector, memory.record.features);
  auto descriptors = Tensor<T>::uninitialised({shape.patches, shape.width});
  describe_patches<T>(context, detector, memory.record.features, image, descriptors.template view<2>());
  std::vector<index_t> nearest(static_cast<std::size_t>(shape.patches));
  std::vector<T> distances(nearest.size());
  memory_distances<T>(context, memory, descriptors.template view<2>(), nearest, distances);
  const auto which = std::max_element(distances.begin(), distances.end()) - distances.begin();
  Evidence<T> evidence;
  evidence.descriptor = Tensor<T>::uninitialised({shape.width});
  std::copy_n(descriptors.data() + which * shape.width, shape.width, evidence.descriptor.data());
  evidence.distance =
      memory.is_alone() ? distances[static_cast<std::size_t>(which)]
                        : memory.patches.distance(evidence.descriptor.data(), nearest[static_cast<std::size_t>(which)]);
  evidence.found = detail::cut_patch(image, which, detail::grid_side(shape.patches));
  return evidence;
}

template <class T>
void show_good_picture(Context& context, const BasicDetector<T>& detector, const PatchMemory<T>& memory,
                       const std::string& name, ImageView good, std::span<Evidence<T>> evidence) {
  const FloatScope floats;
  const DescriptorShape shape = descriptor_shape(detector, memory.record.features);
  auto descriptors = Tensor<T>::uninitialised({shape.patches, shape.width});
  describe_patches<T>(context, detector, memory.record.features, good, descriptors.template view<2>());
  for (Evidence<T>& each : evidence) {
    index_t best = -1;
    for (index_t i = 0; i < shape.patches; ++i) {
      const T distance = std::sqrt(
          detail::squared_distance(each.descriptor.data(), descriptors.data() + i * shape.width, shape.width));
      if (!(distance < each.good_distance)) continue;
      each.good_distance = distance;
      best = i;
    }
    if (best < 0) continue;
    each.good_name = name;
    each.good = detail::cut_patch(good, best, detail::grid_side(shape.patches));
  }
}

template <class T>
Figure evidence_figure(const Evidence<T>& evidence) {
  const auto number = [](T value) { return fixed(static_cast<double>(value), 2); };
  std::vector<Panel> panels;
  panels.push_back({"least like good ones", evidence.found.picture});
  std::string text =
      concat("The patch that is least like the good pictures, in a white frame, ", detail::place_text(evidence.found),
             ", at a distance of ", number(evidence.distance), " from all that is remembered.");
  if (!evidence.good_name.empty()) {
    panels.push_back({concat("nearest good, d ", number(evidence.good_distance)), evidence.good.picture});
    text += concat(" Beside it what comes nearest to it in the good pictures: in ", evidence.good_name, ", ",
                   detail::place_text(evidence.good), ", at a distance of ", number(evidence.good_distance), ".");
  }
  return {"What it was compared with", std::move(text), arrange(panels, 2)};
}

MOECLIP_INSTANTIATE(find_evidence)
MOECLIP_INSTANTIATE(show_good_picture)
MOECLIP_INSTANTIATE(evidence_figure)

}}  // namespace moeclip::abi_v0_1

#endif
