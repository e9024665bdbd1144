// SPDX-License-Identifier: MIT
#pragma once
// A big picture is cut into tiles that overlap, and what is known of each pixel of a tile is weighted, so that there
// are no seams (TIL-1 and TIL-2 in anomaly/README.md). Along one axis of L pixels, with tiles of S that share at least
// N:
//
//   n = 1 + ceil((L - S) / (S - N)),    a_i = floor(i (L - S) / (n - 1))                          where tiles begin
//   v_i(x) = min(1, (x - a_i + 1/2) / N_i, (a_i + S - x - 1/2) / N_(i+1)),  N_i = a_(i-1) + S - a_i
//   w_i(x) = v_i(x) / sum over j of v_j(x)
//
// The weight falls to nothing where a tile ends inside the picture, and stays 1 at the border of the picture. There are
// as many pixels in all tiles as in the picture, times about (S / (S - N))^2.

#include <span>
#include <string_view>

#include "../base/types.hpp"
#include "../io/json.hpp"
#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How pictures are cut. The two numbers are of pixels of the picture.
struct TileOptions {
  index_t size = 0;     ///< side of a tile; 0: pictures are not cut
  index_t overlap = 0;  ///< that neighbours share at least, at most half of `size`; 0: seams may be seen

  /// Whether pictures are cut at all.
  [[nodiscard]] bool is_on() const { return size > 0; }
  friend bool operator==(const TileOptions&, const TileOptions&) = default;
};

/// The tiles along one axis of a picture.
class TileAxis {
 public:
  /// `length` pixels. Throws contract for options out of range.
  TileAxis(index_t length, const TileOptions& options);

  [[nodiscard]] index_t count() const { return count_; }  ///< n
  [[nodiscard]] index_t size() const { return size_; }    ///< S, or `length` if that is less
  [[nodiscard]] index_t start(index_t i) const {          ///< a_i
    return count_ == 1 ? 0 : i * (length_ - size_) / (count_ - 1);
  }
  /// w_i(a_i), w_i(a_i + 1), ... into `weights` (S).
  void weights(index_t i, std::span<float> weights) const;

 private:
  [[nodiscard]] float ramps(index_t i, index_t x) const;

  index_t length_, size_, count_;
};

/// The tiles of a picture, row by row.
struct TileGrid {
  TileAxis columns;  ///< along x
  TileAxis rows;     ///< along y

  /// Of a picture of width x height pixels. Throws as TileAxis does.
  TileGrid(index_t width, index_t height, const TileOptions& options)
      : columns(width, options), rows(height, options) {}

  [[nodiscard]] index_t count() const { return columns.count() * rows.count(); }       ///< of tiles
  [[nodiscard]] index_t column(index_t tile) const { return tile % columns.count(); }  ///< of a tile
  [[nodiscard]] index_t row(index_t tile) const { return tile / columns.count(); }     ///< of a tile
  [[nodiscard]] index_t x(index_t tile) const { return columns.start(column(tile)); }  ///< where it begins
  [[nodiscard]] index_t y(index_t tile) const { return rows.start(row(tile)); }        ///< where it begins
  /// The pixels of a tile of `image`, which has the size of this grid and keeps them.
  [[nodiscard]] ImageView view(ImageView image, index_t tile) const {
    return {image.row(y(tile)) + x(tile) * image.channels, columns.size(), rows.size(), image.channels,
            image.row_stride};
  }
};

/// The pixels of `image`, owned.
Image copy_image(ImageView image);

inline constexpr const char* kTilesKey = "tiles";  ///< in records

/// {"size": 256, "overlap": 64}
Json to_json(const TileOptions& tiles);

/// What the member `tiles` of a record says; without one, pictures were not cut. Throws format or missing, naming
/// `source`.
TileOptions recorded_tiles(const Json& record, std::string_view source);

/// For messages: "as a whole", "in tiles of 256 pixels that share 64".
std::string describe_tiles(const TileOptions& tiles);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC TileAxis::TileAxis(index_t length, const TileOptions& options)
    : length_(length), size_((std::min)(length, options.size)), count_(1) {
  MOECLIP_EXPECT(length > 0 && options.size > 0 && options.overlap >= 0 && options.overlap <= options.size / 2,
                 "tiles of ", options.size, " pixels that share ", options.overlap, " on ", length,
                 "; a size above 0 and an overlap of at most half of it was wanted");
  const index_t step = options.size - options.overlap;
  if (length > size_) count_ = 1 + (length - size_ + step - 1) / step;
}

/// v_i(a_i + x)
MOECLIP_FUNC float TileAxis::ramps(index_t i, index_t x) const {
  const auto ramp = [](index_t place, index_t shared) {  // (place + 1/2) / shared, at most 1
    return shared <= place ? 1.0f : static_cast<float>(2 * place + 1) / static_cast<float>(2 * shared);
  };
  const index_t before = i > 0 ? start(i - 1) + size_ - start(i) : 0;
  const index_t after = i + 1 < count_ ? start(i) + size_ - start(i + 1) : 0;
  return (std::min)(ramp(x, before), ramp(size_ - 1 - x, after));
}

MOECLIP_FUNC void TileAxis::weights(index_t i, std::span<float> weights) const {
  MOECLIP_EXPECT(i >= 0 && i < count_ && std::ssize(weights) == size_, "tile ", i, " of ", count_, " has ", size_,
                 " weights, not ", weights.size());
  index_t first = i;  // of the tiles that share a pixel
  for (index_t x = 0; x < size_; ++x) {
    const index_t place = start(i) + x;
    while (first > 0 && start(first - 1) + size_ > place) --first;
    while (start(first) + size_ <= place) ++first;
    float sum = 0;
    for (index_t j = first; j < count_ && start(j) <= place; ++j) sum += ramps(j, place - start(j));
    weights[static_cast<std::size_t>(x)] = ramps(i, x) / sum;
  }
}

MOECLIP_FUNC Image copy_image(ImageView image) {
  Image copy(image.width, image.height, image.channels);
  for (index_t y = 0; y < image.height; ++y) std::copy_n(image.row(y), image.width * image.channels, copy.row(y));
  return copy;
}

MOECLIP_FUNC Json to_json(const TileOptions& tiles) {
  return Json::object().set("size", tiles.size).set("overlap", tiles.overlap);
}

MOECLIP_FUNC TileOptions recorded_tiles(const Json& record, std::string_view source) {
  const Json* const found = record.find(kTilesKey);
  if (found == nullptr) return {};
  const TileOptions tiles{member<index_t>(*found, "size", source), member<index_t>(*found, "overlap", source)};
  if (tiles.size < 0 || tiles.size > kMaxPixels || tiles.overlap < 0 || tiles.overlap > tiles.size / 2)
    fail(ErrorCode::format, concat(source, ": tiles of ", counted(tiles.size, "pixel"), " that share ", tiles.overlap));
  return tiles;
}

MOECLIP_FUNC std::string describe_tiles(const TileOptions& tiles) {
  return tiles.is_on() ? concat("in tiles of ", counted(tiles.size, "pixel"), " that share ", tiles.overlap)
                       : "as a whole";
}

}}  // namespace moeclip::abi_v0_1

#endif
