// SPDX-License-Identifier: MIT
#pragma once
// The tiles of big pictures as samples of their own (image/tile_grid.hpp), so that an adapter learns at the scale at
// which it will judge.

#include "../image/tile_grid.hpp"
#include "source.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A tile of a sample's picture and mask: defective if anything in it is marked. A sample that is defective without a
/// mask has no tiles of its own: which of them are, nobody knows.
Sample tile_of(const Sample& sample, const TileGrid& grid, index_t tile);

/// The samples of `whole`, those in files being read as `images` say: of a picture of more than one tile, the tiles in
/// its place. Defective pictures without a mask and samples that are drawn stay whole. Each sample reads its picture.
/// Throws as describe_image does.
SampleSource tile_source(const SampleSource& whole, const TileOptions& tiles, const ImageOptions& images = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <algorithm>

#include "../image/resize.hpp"
#include "../io/file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// A tile of a picture in a file.
struct TileOrder {
  DatasetEntry entry;
  TileOptions tiles;
  index_t tile = 0;
};

inline Sample draw_tile(const void* order, const DrawRequest& request) {
  const auto& wanted = *static_cast<const TileOrder*>(order);
  const Sample whole = load_sample(wanted.entry, request.images);
  return tile_of(whole, TileGrid(whole.picture.width(), whole.picture.height(), wanted.tiles), wanted.tile);
}

/// Size of the picture of an entry as `images` read it.
inline std::pair<index_t, index_t> picture_size(const DatasetEntry& entry, const ImageOptions& images) {
  const auto file = MappedFile::open(entry.image_path);
  const ImageInfo info = describe_image(file->bytes(), entry.image_path);
  const bool is_turned = images.apply_exif_orientation && info.orientation >= 5;  // lies on its side
  return is_turned ? std::pair(info.height, info.width) : std::pair(info.width, info.height);
}

}  // namespace detail

MOECLIP_FUNC Sample tile_of(const Sample& sample, const TileGrid& grid, index_t tile) {
  Sample part;
  part.class_name = sample.class_name;
  part.path = sample.path;
  part.picture = copy_image(grid.view(sample.picture.view(), tile));
  if (sample.label == 0 || sample.mask.empty()) {
    part.label = sample.label;
    return part;
  }
  const bool fits = sample.mask.width() == sample.picture.width() && sample.mask.height() == sample.picture.height();
  const Image mask =
      fits ? sample.mask : resize_nearest(sample.mask.view(), sample.picture.width(), sample.picture.height());
  part.mask = copy_image(grid.view(mask.view(), tile));
  part.label =
      std::any_of(part.mask.data(), part.mask.data() + part.mask.size(), [](auto v) { return v != 0; }) ? 1 : 0;
  part.defect = part.label != 0 ? sample.defect : "";
  return part;
}

MOECLIP_FUNC SampleSource tile_source(const SampleSource& whole, const TileOptions& tiles, const ImageOptions& images) {
  SampleSource source;
  for (index_t i = 0; i < whole.size(); ++i) {
    const DatasetEntry* const entry = whole.entry(i);
    const bool can_be_cut = entry != nullptr && (entry->label == 0 || !entry->mask_path.empty());
    index_t count = 1;
    if (can_be_cut && tiles.is_on()) {
      const auto [width, height] = detail::picture_size(*entry, images);
      count = TileGrid(width, height, tiles).count();
    }
    std::vector<DrawnSample> parts;
    for (index_t tile = 0; count > 1 && tile < count; ++tile)
      parts.push_back({entry->class_name,
                       concat(entry->class_name, " tile ", tile, " of ", tiles.size, " ", tiles.overlap, " ",
                              entry->label, " ", file_name(entry->mask_path)),
                       std::make_shared<const detail::TileOrder>(detail::TileOrder{*entry, tiles, tile}),
                       detail::draw_tile, entry->image_path});
    source.add(parts.empty() ? whole.part(std::span(&i, 1)) : SampleSource(std::move(parts)));
  }
  return source;
}

}}  // namespace moeclip::abi_v0_1

#endif
