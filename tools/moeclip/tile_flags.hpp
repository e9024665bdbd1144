// SPDX-License-Identifier: MIT
#pragma once
// The options that every command has that judges pictures or learns from them: how big pictures are cut into tiles.

#include <moeclip/image/tile_grid.hpp>
#include <optional>

#include "options.hpp"

namespace cli {

struct TileFlags {
  std::optional<std::int64_t> size, overlap;

  void declare(Options& options) {
    options.value(
        "tile", size, "S",
        "look at big pictures in tiles of S x S of their pixels, each as a picture of its own; the map has the "
        "picture's size");
    options.value("overlap", overlap, "N", "pixels that tiles share, at most S/2; default S/4");
  }

  /// Throws UsageError for values that are none.
  void check() const {
    if (overlap && !size) throw UsageError("--overlap belongs to --tile");
    if (size && (*size < 8 || *size > moeclip::kMaxPixels)) throw UsageError("--tile is a number of pixels, 8 or more");
    if (overlap && (*overlap < 0 || *overlap > *size / 2))
      throw UsageError("--overlap is at most half of --tile, and not negative");
  }

  [[nodiscard]] bool is_given() const { return size.has_value(); }

  [[nodiscard]] moeclip::TileOptions tiles() const {
    return size ? moeclip::TileOptions{*size, overlap.value_or(*size / 4)} : moeclip::TileOptions{};
  }

  /// What was given, or else what `source`, a memory or a calibration, was made with. Throws mismatch if they differ.
  [[nodiscard]] moeclip::TileOptions tiles_like(const moeclip::TileOptions& recorded, const std::string& source) const {
    if (is_given() && !(tiles() == recorded))
      moeclip::fail(
          moeclip::ErrorCode::mismatch,
          moeclip::concat(source, ": was made from pictures that were looked at ", moeclip::describe_tiles(recorded)));
    return recorded;
  }
};

}  // namespace cli
