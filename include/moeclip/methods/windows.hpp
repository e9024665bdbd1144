// SPDX-License-Identifier: MIT
#pragma once
// Windows of patches. The image tower sees a window alone: of all tokens of a picture, only the class token and the
// window's patches go through its blocks, and the class token becomes the embedding of the window (WCL-2 in this
// folder's README). Windows overlap, so that each patch has the opinions of all that cover it, and their harmonic mean
// is the patch's (WCL-3): where one of them is sure that all is well, so is the mean.

#include <algorithm>
#include <span>

#include "../clip/vision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The square windows of `side` patches a side at every place of a grid of `grid` patches a side, in raster order.
struct PatchWindows {
  index_t grid;  ///< g, at least `side`
  index_t side;  ///< patches along a side of a window

  /// Places along a side.
  [[nodiscard]] index_t places() const { return grid - side + 1; }
  /// W, the number of windows.
  [[nodiscard]] index_t count() const { return places() * places(); }
  /// Tokens of a window, its class token included.
  [[nodiscard]] index_t tokens() const { return 1 + side * side; }
};

/// Rows of tokens that windows are batched up to: many enough that the products of matrices run at full speed, few
/// enough that what a block needs of memory (about 11 D numbers a row) stays below some tens of megabytes.
inline constexpr index_t kWindowRows = 512;

/// The embedding of each window, of unit length: out (W, C). x (1 + g g, D) is the input of the first block
/// (vision_embedding_forward). `most_rows` bounds the memory that is taken; the results have the same bits for any.
template <class T>
void windows_forward(Context& context, const VisionTower<T>& tower, PatchWindows windows, View<const T, 2> x,
                     View<T, 2> out, index_t most_rows = kWindowRows);

/// map (g, g): the harmonic mean of the scores of the windows that cover each patch, from `scores` (W), none below 0.
/// A score of 0 makes the mean 0.
template <class T>
void harmonic_map(PatchWindows windows, std::span<const T> scores, View<T, 2> map);

namespace detail {

/// A harmonic mean while it is being taken. Of values of which one is 0, it is 0: 1 / 0 is infinite.
class HarmonicMean {
 public:
  /// Takes in a value, not below 0.
  void add(double value) {
    ++count_;
    sum_ += 1 / value;
  }
  /// The mean of what was taken in; not a number if any of it was none.
  [[nodiscard]] double value() const { return static_cast<double>(count_) / sum_; }

 private:
  index_t count_ = 0;
  double sum_ = 0;  // of reciprocals
};

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Tokens of window `window` into `to` (tokens, D): the class token of x (1 + g g, D), and the window's patches.
template <class T>
void gather_window(PatchWindows windows, index_t window, View<const T, 2> x, T* to) {
  const index_t width = x.extent(1), top = window / windows.places(), left = window % windows.places();
  to = std::copy_n(&x(0, 0), width, to);
  for (index_t y = 0; y < windows.side; ++y)
    for (index_t at = 0; at < windows.side; ++at)
      to = std::copy_n(&x(1 + (top + y) * windows.grid + left + at, 0), width, to);
}

}  // namespace detail

template <class T>
void windows_forward(Context& context, const VisionTower<T>& tower, PatchWindows windows, View<const T, 2> x,
                     View<T, 2> out, index_t most_rows) {
  const FloatScope floats;
  const index_t width = x.extent(1), tokens = windows.tokens(), total = windows.count();
  MOECLIP_EXPECT(windows.side >= 1 && windows.grid >= windows.side, "windows of ", windows.side, " x ", windows.side,
                 " patches do not fit a grid of ", windows.grid, " x ", windows.grid,
                 "; give a larger image size, or a CLIP with smaller patches");
  MOECLIP_EXPECT(x.extent(0) == 1 + windows.grid * windows.grid && out.extent(0) == total, "windows of a grid of ",
                 windows.grid, " were given ", x.extent(0), " tokens and room for ", out.extent(0), " embeddings");
  const index_t batch = std::clamp<index_t>(most_rows / tokens, 1, total);
  const auto& blocks = tower.transformer.blocks;
  MOECLIP_EXPECT(!blocks.empty(), "the image tower has no blocks");
  Arena::Scope scratch(context.arena());
  T* const gathered = scratch.take<T>(batch * tokens * width);
  T* const first = scratch.take<T>(batch * width);
  for (index_t begin = 0; begin < total; begin += batch) {
    const index_t count = (std::min)(batch, total - begin);
    const View<T, 2> rows(gathered, {count * tokens, width});
    for (index_t i = 0; i < count; ++i) detail::gather_window<T>(windows, begin + i, x, &rows(i * tokens, 0));
    const TokenLayout layout{count, tokens, false};
    for (std::size_t n = 0; n + 1 < blocks.size(); ++n)
      block_forward<T>(context, blocks[n], tower.activation, layout, rows);
    const View<T, 2> classes(first, {count, width});
    block_forward_first<T>(context, blocks.back(), tower.activation, layout, rows, classes);
    layer_norm_forward<T>(context, tower.ln_post, classes, classes);
    project_forward<T>(context, tower.projection, classes, out.rows(begin, begin + count));
  }
  kernels::normalize_rows<T>(context, total, out.extent(1), out.data(), out.stride(0), T(1e-12));
}

template <class T>
void harmonic_map(PatchWindows windows, std::span<const T> scores, View<T, 2> map) {
  const index_t places = windows.places(), side = windows.side;
  MOECLIP_EXPECT(
      std::ssize(scores) == windows.count() && map.extent(0) == windows.grid && map.extent(1) == windows.grid,
      "a map (", map.extent(0), ",", map.extent(1), ") of ", scores.size(), " windows, where a grid of ", windows.grid,
      " has ", windows.count());
  const auto first = [&](index_t at) { return (std::max)(index_t{0}, at - side + 1); };
  const auto last = [&](index_t at) { return (std::min)(at, places - 1); };
  for (index_t y = 0; y < windows.grid; ++y)
    for (index_t x = 0; x < windows.grid; ++x) {
      detail::HarmonicMean mean;
      for (index_t top = first(y); top <= last(y); ++top)
        for (index_t left = first(x); left <= last(x); ++left)
          mean.add(static_cast<double>(scores[static_cast<std::size_t>(top * places + left)]));
      map(y, x) = static_cast<T>(mean.value());
    }
}

MOECLIP_INSTANTIATE(windows_forward)
MOECLIP_INSTANTIATE(harmonic_map)

}}  // namespace moeclip::abi_v0_1

#endif
