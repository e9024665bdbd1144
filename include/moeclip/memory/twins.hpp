// SPDX-License-Identifier: MIT
#pragma once
// Which good pictures are of the same thing (TWI-1 in this folder's README): shots of a burst, copies, frames of a
// film. A picture that is judged by a memory of its own twins looks better than a new one will, so twins are held out
// together. What patches are known by is of no use here, since it is made not to see which thing it is. Pixels are: of
// thumbnails that are moved against each other a little,
//
//   d(a, b) = 1 - max over moves of the correlation of a and the moved b
//   d'(a, b) = the same of a turned by quarters or mirrored, max over these seven positions too
//
// are nearly 0 for two shots of one thing, whatever the light, and far from it for two things, unless all of them look
// alike. So a and b are twins where d or d' is less than a tenth of what it is for most pairs.

#include <cstdint>
#include <vector>

#include "../base/context.hpp"
#include "../image/image.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Collects pictures and says which of them are of the same thing. It keeps a thumbnail of 2.3 kB of each.
class TwinFinder {
 public:
  static constexpr index_t kSize = 48;  ///< pixels a side of a thumbnail

  /// One more picture, gray or RGB, any size.
  void add(Context& context, ImageView picture);

  /// The number of the thing that each picture shows; things are numbered from 0 in the order of their first pictures,
  /// and twins of twins are twins. Up to 2,000 pictures are all compared; of more, only those that were added soon
  /// after another. The same for any number of threads.
  [[nodiscard]] std::vector<index_t> things(Context& context) const;

 private:
  [[nodiscard]] index_t count() const { return std::ssize(thumbnails_) / (kSize * kSize); }
  /// d of picture i, in the positions from `first` to before `end`, and picture i + 1 + j at (i, j) of the result;
  /// above every d where there is no such picture.
  [[nodiscard]] Tensor<float> distances(Context& context, index_t first, index_t end) const;
  void cut_window(index_t picture, index_t y, index_t x, float* window) const;

  Image squeezed_{kSize, kSize, 3};
  std::vector<std::uint8_t> thumbnails_;  // brightness
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <cmath>
#include <numeric>

#include "../image/resize.hpp"
#include "../kernels/gemm.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr index_t kTwinReach = 2;                   // pixels of a move: a twentieth of the picture
inline constexpr index_t kTwinMoves = 2 * kTwinReach + 1;  // along one axis
inline constexpr index_t kTwinWindow = TwinFinder::kSize - 2 * kTwinReach;  // pixels a side that are compared
inline constexpr index_t kTwinPairs = 4'000'000;                            // that are compared at most
inline constexpr float kNoPair = 3;                                         // above every d, which is at most 2
inline constexpr float kCopies = 1e-5f;       // d of copies, where nothing else is there to compare with
inline constexpr float kTwinShare = 0.1f;     // of d of most pairs
inline constexpr double kMostPairs = 0.9;     // below that share of all d, bursts may be most of a folder
inline constexpr index_t kTwinPositions = 8;  // four turns, mirrored or not

/// A window in another of the eight positions: mirrored up to down, left to right and along the diagonal, or not.
inline void turn_window(const float* window, index_t position, float* turned) {
  constexpr index_t last = kTwinWindow - 1;
  for (index_t row = 0; row <= last; ++row)
    for (index_t column = 0; column <= last; ++column) {
      const index_t y = (position & 1) != 0 ? last - row : row, x = (position & 2) != 0 ? last - column : column;
      *turned++ = (position & 4) != 0 ? window[x * kTwinWindow + y] : window[y * kTwinWindow + x];
    }
}

}  // namespace detail

MOECLIP_FUNC void TwinFinder::add(Context& context, ImageView picture) {
  resize_to_rgb(context, picture, squeezed_);
  const std::uint8_t* const rgb = squeezed_.data();
  for (index_t i = 0; i < kSize * kSize; ++i)
    thumbnails_.push_back(static_cast<std::uint8_t>((rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2]) / 3));
}

/// The window of a thumbnail that begins at (y, x), less its mean and of length 1; one without contrast is 0.
MOECLIP_FUNC void TwinFinder::cut_window(index_t picture, index_t y, index_t x, float* window) const {
  constexpr index_t side = detail::kTwinWindow;
  const std::uint8_t* const from = thumbnails_.data() + picture * kSize * kSize + y * kSize + x;
  std::int64_t sum = 0, squares = 0;
  for (index_t row = 0; row < side; ++row)
    for (index_t column = 0; column < side; ++column) {
      const int value = from[row * kSize + column];
      sum += value;
      squares += value * value;
    }
  constexpr double kPixels = side * side;
  const double mean = static_cast<double>(sum) / kPixels;
  const double square = static_cast<double>(squares) - static_cast<double>(sum) * mean;
  const double scale = square > 0.5 ? 1 / std::sqrt(square) : 0;
  for (index_t row = 0; row < side; ++row)
    for (index_t column = 0; column < side; ++column)
      window[row * side + column] =
          static_cast<float>((static_cast<double>(from[row * kSize + column]) - mean) * scale);
}

MOECLIP_FUNC Tensor<float> TwinFinder::distances(Context& context, index_t first, index_t end) const {
  constexpr index_t kRows = 64, kPixels = detail::kTwinWindow * detail::kTwinWindow;
  const index_t all = count(), reach = std::min<index_t>(all - 1, detail::kTwinPairs / all + 1), turns = end - first;
  Tensor<float> result({all, reach});
  std::fill(result.begin(), result.end(), detail::kNoPair);
  for (index_t begin = 0; begin < all; begin += kRows) {
    const index_t rows = (std::min)(kRows, all - begin), columns = (std::min)(all - begin, rows + reach);
    Arena::Scope scratch(context.arena());
    float* const upright = scratch.take<float>(kPixels);
    float* const turned = scratch.take<float>(rows * turns * kPixels);
    float* const moved = scratch.take<float>(columns * kPixels);
    const View<float, 3> products(scratch.take<float>(rows * turns * columns), {rows, turns, columns});
    for (index_t i = 0; i < rows; ++i) {
      cut_window(begin + i, detail::kTwinReach, detail::kTwinReach, upright);
      for (index_t turn = 0; turn < turns; ++turn)
        detail::turn_window(upright, first + turn, turned + (i * turns + turn) * kPixels);
    }
    for (index_t move = 0; move < detail::kTwinMoves * detail::kTwinMoves; ++move) {
      context.parallel_for(columns, [&](index_t i, int) {
        cut_window(begin + i, move / detail::kTwinMoves, move % detail::kTwinMoves, moved + i * kPixels);
      });
      kernels::gemm<float>(context, {rows * turns, columns, kPixels}, kernels::row_major<float>(turned, kPixels),
                           kernels::transposed(kernels::row_major<float>(moved, kPixels)), products.data(), columns);
      for (index_t i = 0; i < rows; ++i)
        for (index_t turn = 0; turn < turns; ++turn)
          for (index_t j = 0; j < (std::min)(reach, columns - i - 1); ++j) {
            float& least = result[(begin + i) * reach + j];
            least = (std::min)(least, 1 - products(i, turn, i + 1 + j));
          }
    }
  }
  return result;
}

namespace detail {

/// Below which d is that of twins.
inline float twin_limit(const Tensor<float>& distances) {
  std::vector<float> sorted;
  std::copy_if(distances.begin(), distances.end(), std::back_inserter(sorted), [](float d) { return d < kNoPair; });
  const auto most = sorted.begin() + static_cast<std::ptrdiff_t>(kMostPairs * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), most, sorted.end());
  return (std::max)(kCopies, kTwinShare * *most);
}

}  // namespace detail

MOECLIP_FUNC std::vector<index_t> TwinFinder::things(Context& context) const {
  std::vector<index_t> thing(static_cast<std::size_t>(count()));
  std::iota(thing.begin(), thing.end(), index_t{0});
  if (count() < 2) return thing;
  const auto first_of = [&](index_t i) {  // of the chain that begins at picture i
    while (thing[static_cast<std::size_t>(i)] != i) i = thing[static_cast<std::size_t>(i)];
    return i;
  };
  const auto join = [&](const Tensor<float>& found) {
    const float limit = detail::twin_limit(found);
    for (index_t i = 0; i < count(); ++i)
      for (index_t j = 0; j < found.extent(1); ++j) {
        if (!(found[i * found.extent(1) + j] < limit)) continue;
        const index_t a = first_of(i), b = first_of(i + 1 + j);
        thing[static_cast<std::size_t>((std::max)(a, b))] = (std::min)(a, b);
      }
  };
  join(distances(context, 0, 1));                       // upright
  join(distances(context, 1, detail::kTwinPositions));  // which are less alike, and have a limit of their own
  index_t things = 0;  // every chain leads to an earlier picture, which has its number already
  for (index_t i = 0; i < count(); ++i) {
    index_t& own = thing[static_cast<std::size_t>(i)];
    own = own == i ? things++ : thing[static_cast<std::size_t>(own)];
  }
  return thing;
}

}}  // namespace moeclip::abi_v0_1

#endif
