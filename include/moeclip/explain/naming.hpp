// SPDX-License-Identifier: MIT
#pragma once
// Finds the word that a place in a picture is nearest to (WRD-1, NSE-1 in this folder's README). CLIP sees the window
// around the place, and windows of the same size all over the picture; what the place has and the rest has not is
// compared with the words. How much the rest varies among itself says how much of that is chance.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "../anomaly/heads.hpp"
#include "../base/lists.hpp"
#include "../clip/clip.hpp"
#include "../image/draw.hpp"
#include "defect_words.hpp"
#include "explanation.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The windows that CLIP sees.
struct NamingOptions {
  double window = 0.5;  ///< side of the windows, share of the picture's shorter side; chosen by measurement (README)
  index_t steps = 4;    ///< windows along each side that the place's own is compared with
};

/// A point of a picture, in its pixels.
struct Place {
  double x = 0, y = 0;  ///< from the upper left corner
};

namespace detail {

/// Squares of one size in a picture: the first around the place, then those on a grid that do not look at it.
inline std::vector<Box> naming_windows(const Image& picture, Place middle, const NamingOptions& options) {
  const index_t shorter = (std::min)(picture.width(), picture.height());
  const index_t side = std::clamp<index_t>(std::lround(options.window * static_cast<double>(shorter)), 1, shorter);
  const index_t room_x = picture.width() - side, room_y = picture.height() - side;
  const auto corner = [&](double at, index_t room) {
    return std::clamp<index_t>(std::lround(at - static_cast<double>(side) / 2), 0, room);
  };
  std::vector<Box> windows{{corner(middle.x, room_x), corner(middle.y, room_y), side, side}};
  const index_t last = std::max<index_t>(1, options.steps - 1);
  for (index_t j = 0; j < options.steps; ++j)
    for (index_t i = 0; i < options.steps; ++i) {
      const Box box{room_x * i / last, room_y * j / last, side, side};
      const double x = middle.x - static_cast<double>(box.x), y = middle.y - static_cast<double>(box.y);
      const bool shows_place = x >= 0 && y >= 0 && x <= static_cast<double>(side) && y <= static_cast<double>(side);
      if (!shows_place) windows.push_back(box);
    }
  return windows;
}

/// Unit vectors (N, C) of windows of a picture. CLIP sees a window in the resolution in which it would see the
/// whole picture, on as many patches as the window covers of it.
template <class T>
Tensor<T> encode_windows(Context& context, const Clip<T>& clip, const Image& picture, const std::vector<Box>& windows,
                         double share) {
  const VisionTower<T>& tower = clip.vision();
  const index_t patch = tower.config.patch_size, count = std::ssize(windows);
  const index_t grid = std::max<index_t>(1, std::lround(share * static_cast<double>(tower.config.grid())));
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

/// WRD-1 and NSE-1 from the vectors (1 + N, C) of the place and of N other windows, into `e`.
template <class T>
void name_difference(const Tensor<T>& vectors, const DefectWords<T>& words, Explanation& e) {
  const index_t others = vectors.extent(0) - 1, embed = vectors.extent(1), count = std::ssize(words.words);
  std::vector<double> mean(static_cast<std::size_t>(embed), 0.0);
  for (index_t n = 1; n <= others; ++n)
    for (index_t c = 0; c < embed; ++c)
      mean[static_cast<std::size_t>(c)] += static_cast<double>(vectors[n * embed + c]) / static_cast<double>(others);
  const auto along = [&](index_t n, index_t word) {  // (e_n - mean) . t_word
    double sum = 0;
    for (index_t c = 0; c < embed; ++c)
      sum += (static_cast<double>(vectors[n * embed + c]) - mean[static_cast<std::size_t>(c)]) *
             static_cast<double>(words.directions[word * embed + c]);
    return sum;
  };
  std::vector<std::pair<double, index_t>> order;
  for (index_t k = 1; k <= count; ++k) order.emplace_back(-along(0, k), k);
  lists::sort(order);
  for (const auto& [score, k] : order) e.words.push_back({words.words[static_cast<std::size_t>(k - 1)], -score});
  const index_t first = order[0].second, second = order[1].second;
  e.lead = e.words[0].score - e.words[1].score;
  e.over_normal = e.words[0].score - along(0, 0);
  e.windows = others;
  double square = 0;
  for (index_t n = 1; n <= others; ++n) {
    const double other = along(n, first) - along(n, second);
    square += other * other;
  }
  e.noise = others > 1 ? std::sqrt(square / static_cast<double>(others - 1)) : 0;
}

}  // namespace detail

/// Fills words, lead, over_normal, noise and windows of `e` for a place in `picture`. Throws contract with fewer than
/// two words.
template <class T>
void name_place(Context& context, const Clip<T>& clip, const Image& picture, Place place, const DefectWords<T>& words,
                Explanation& e);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <cstdlib>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void name_place(Context& context, const Clip<T>& clip, const Image& picture, Place place, const DefectWords<T>& words,
                Explanation& e) {
  const FloatScope floats;
  MOECLIP_EXPECT(words.words.size() >= 2, "a place is named by at least two words to choose between, not by ",
                 words.words.size());
  const NamingOptions options;
  const std::vector<Box> windows = detail::naming_windows(picture, place, options);
  detail::name_difference<T>(detail::encode_windows<T>(context, clip, picture, windows, options.window), words, e);
}

MOECLIP_INSTANTIATE(name_place)

}}  // namespace moeclip::abi_v0_1

#endif
