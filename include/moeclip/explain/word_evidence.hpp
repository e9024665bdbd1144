// SPDX-License-Identifier: MIT
#pragma once
// What is known of a place in a picture before it is named (EVI-1 in this folder's README): what CLIP makes of the
// window around it, of windows all over the picture and of the whole, and what the spot there looks like.

#include <vector>

#include "../clip/clip.hpp"
#include "../image/draw.hpp"
#include "defect_words.hpp"
#include "shape_evidence.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a name is told from.
struct WordEvidence {
  std::vector<double> features;  ///< (3 C + kShapeNumbers) of EVI-1
  std::vector<double> cosines;   ///< (1 + W) of the whole picture with the words, "no defect" first: plain CLIP
};

namespace detail {

inline constexpr double kWordWindow = 0.5;  // side of a window, share of the picture's shorter side
inline constexpr index_t kWordSteps = 4;    // windows along each side

/// Squares of one size in a picture: the first around the place, then those of a grid.
inline std::vector<Box> word_windows(index_t width, index_t height, Place place) {
  const index_t shorter = (std::min)(width, height);
  const index_t side = std::clamp<index_t>(std::lround(kWordWindow * static_cast<double>(shorter)), 1, shorter);
  const auto corner = [&](double at, index_t room) {
    return std::clamp<index_t>(std::lround(at - static_cast<double>(side) / 2), 0, room);
  };
  std::vector<Box> windows{{corner(place.x, width - side), corner(place.y, height - side), side, side}};
  for (index_t j = 0; j < kWordSteps; ++j)
    for (index_t i = 0; i < kWordSteps; ++i)
      windows.push_back({(width - side) * i / (kWordSteps - 1), (height - side) * j / (kWordSteps - 1), side, side});
  return windows;
}

/// Unit vectors (N, C) of windows of a picture. CLIP sees a window in the resolution in which it would see the
/// whole picture, on as many patches as the window covers of it.
template <class T>
Tensor<T> encode_windows(Context& context, const Clip<T>& clip, const Image& picture, const std::vector<Box>& windows) {
  const VisionTower<T>& tower = clip.vision();
  const index_t patch = tower.config.patch_size, count = std::ssize(windows);
  const index_t grid = std::max<index_t>(1, std::lround(kWordWindow * static_cast<double>(tower.config.grid())));
  const index_t size = grid * patch;
  const Tensor<T> positions = resize_positions(tower.positional_embedding, grid);
  Tensor<T> pixels({count, 3, size, size}), vectors({count, clip.config().embed});
  for (index_t i = 0; i < count; ++i) {
    const Box& box = windows[static_cast<std::size_t>(i)];
    const ImageView view{picture.row(box.y) + picture.channels() * box.x, box.width, box.height, picture.channels(),
                         picture.row_stride()};
    preprocess_clip<T>(context, view, size, pixels.data() + i * 3 * size * size);
  }
  encode_image_forward<T>(context, tower, std::as_const(pixels).template view<4>(), positions,
                          vectors.template view<2>());
  normalize_tokens<T>(context, vectors.template view<2>());
  return vectors;
}

}  // namespace detail

/// EVI-1 of a place of a picture, and plain CLIP's cosines with `words`.
template <class T>
WordEvidence word_evidence(Context& context, const Clip<T>& clip, const Image& picture, Place place,
                           const DefectWords<T>& words);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "../anomaly/heads.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
WordEvidence word_evidence(Context& context, const Clip<T>& clip, const Image& picture, Place place,
                           const DefectWords<T>& words) {
  const FloatScope floats;
  const Tensor<T> vectors =
      detail::encode_windows<T>(context, clip, picture, detail::word_windows(picture.width(), picture.height(), place));
  const Tensor<T> whole = clip.encode_image(context, picture.view());
  const index_t embed = whole.size(), windows = vectors.extent(0) - 1;
  WordEvidence evidence;
  for (index_t c = 0; c < embed; ++c) evidence.features.push_back(static_cast<double>(vectors[c]));
  for (index_t c = 0; c < embed; ++c) {
    double sum = 0;
    for (index_t n = 1; n <= windows; ++n) sum += static_cast<double>(vectors[n * embed + c]);
    evidence.features.push_back(sum / static_cast<double>(windows));
  }
  for (index_t c = 0; c < embed; ++c) evidence.features.push_back(static_cast<double>(whole[c]));
  for (const double number : shape_evidence(picture.view(), place)) evidence.features.push_back(number);
  for (index_t k = 0; k < words.directions.extent(0); ++k)
    evidence.cosines.push_back(
        static_cast<double>(detail::dot_product(whole.data(), words.directions.data() + k * embed, embed)));
  return evidence;
}

MOECLIP_INSTANTIATE(word_evidence)

}}  // namespace moeclip::abi_v0_1

#endif
