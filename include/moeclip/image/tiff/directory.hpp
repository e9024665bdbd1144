// SPDX-License-Identifier: MIT
#pragma once
// The directory of a TIFF page (TIFF 6.0, section 2) is a list of fields: tag, type, count, and values or their place.
// Here it becomes a TiffHeader, and what is not read is refused by its name.

#include <algorithm>
#include <string>
#include <vector>

#include "../../base/checked.hpp"
#include "../pixel_store.hpp"
#include "header.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

class TiffDirectory {
 public:
  TiffDirectory(Bytes bytes, std::string_view source) : bytes_(bytes), source_(source) {}

  TiffHeader header() {
    read_fields();
    expect_whole_page();
    read_size();
    read_samples();
    read_coding();
    read_segments();
    if (header_.color == TiffColor::palette) read_palette();
    const std::uint64_t turned = number(kOrientation, 1);
    header_.orientation = turned >= 1 && turned <= 8 ? static_cast<int>(turned) : 1;
    return std::move(header_);
  }

 private:
  enum Tag : std::uint16_t {
    kPageKind = 254,
    kInnerPages = 330,
    kWidth = 256,
    kHeight = 257,
    kBits = 258,
    kCompression = 259,
    kPhotometric = 262,
    kFillOrder = 266,
    kStripOffsets = 273,
    kOrientation = 274,
    kSamples = 277,
    kRowsPerStrip = 278,
    kStripSizes = 279,
    kPlanar = 284,
    kPredictor = 317,
    kColorMap = 320,
    kTileWidth = 322,
    kTileHeight = 323,
    kTileOffsets = 324,
    kTileSizes = 325,
    kExtraSamples = 338,
    kSampleFormat = 339
  };

  struct Field {
    std::uint16_t tag = 0, type = 0;
    std::uint64_t count = 0, offset = 0;  // of its values
  };

  [[noreturn]] void reject(const std::string& what) const {
    fail(ErrorCode::format, concat(source_, ": damaged TIFF: ", what, kCutAdvice));
  }
  [[noreturn]] void refuse(const std::string& what) const {
    fail(ErrorCode::unsupported, concat(source_, ": a TIFF file with ", what,
                                        ", which is not supported; save it as 8 or 16-bit gray or RGB, uncompressed or "
                                        "with LZW or deflate, or as PNG"));
  }

  /// Throws format unless [offset, offset + size) lies in the file.
  const std::byte* at(std::uint64_t offset, std::uint64_t size) const {
    if (!range_fits(offset, size, bytes_.size())) reject(concat("it ends before byte ", offset, " + ", size));
    return bytes_.data() + offset;
  }
  std::uint16_t u16(std::uint64_t offset) const {
    const std::byte* const p = at(offset, 2);
    return header_.is_little ? load_u16le(p) : load_u16be(p);
  }
  std::uint32_t u32(std::uint64_t offset) const {
    const std::byte* const p = at(offset, 4);
    return header_.is_little ? load_u32le(p) : load_u32be(p);
  }

  void read_fields() {
    header_.is_little = as_text({at(0, 2), 2}) == "II";
    const std::uint64_t place = u32(4);
    const std::uint64_t count = u16(place);
    if (count == 0) reject("its directory is empty");
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t entry = place + 2 + 12 * i;
      Field field{u16(entry), u16(entry + 2), u32(entry + 4), entry + 8};
      if (size_of_type(field.type) * field.count > 4) field.offset = u32(entry + 8);
      fields_.push_back(field);
    }
    const std::uint64_t next = place + 2 + 12 * count;
    header_.has_more_pages = range_fits(next, 4, bytes_.size()) && u32(next) != 0;
  }

  static std::uint64_t size_of_type(std::uint16_t type) {
    constexpr std::array<std::uint8_t, 14> kSizes{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};
    return type < kSizes.size() ? kSizes[type] : 0;
  }

  [[nodiscard]] const Field* find(Tag tag) const {
    for (const Field& field : fields_)
      if (field.tag == tag && field.count > 0) return &field;
    return nullptr;
  }

  /// Value `i` of a field of natural numbers.
  [[nodiscard]] std::uint64_t value(const Field& field, std::uint64_t i) const {
    constexpr std::uint16_t kByte = 1, kShort = 3, kLong = 4, kIfd = 13;
    if (field.type == kByte) return std::to_integer<std::uint64_t>(*at(field.offset + i, 1));
    if (field.type == kShort) return u16(field.offset + 2 * i);
    if (field.type == kLong || field.type == kIfd) return u32(field.offset + 4 * i);
    reject(concat("field ", field.tag, " has the type ", field.type, ", which holds no natural numbers"));
  }

  [[nodiscard]] std::uint64_t number(Tag tag, std::uint64_t otherwise) const {
    const Field* const field = find(tag);
    return field == nullptr ? otherwise : value(*field, 0);
  }

  [[nodiscard]] std::uint64_t needed(Tag tag, const char* name) const {
    const Field* const field = find(tag);
    if (field == nullptr) reject(concat("it does not say its ", name));
    return value(*field, 0);
  }

  /// Raw files of cameras, and others, begin with a preview.
  void expect_whole_page() const {
    constexpr std::uint64_t kReduced = 1;
    if ((number(kPageKind, 0) & kReduced) != 0 && (header_.has_more_pages || find(kInnerPages) != nullptr))
      refuse("a small preview of another page in front, as a camera's raw files have");
  }

  void read_size() {
    const std::uint64_t width = needed(kWidth, "width"), height = needed(kHeight, "height");
    expect_image_size(width, height, source_);
    header_.width = static_cast<index_t>(width);
    header_.height = static_cast<index_t>(height);
  }

  void read_samples() {
    constexpr std::uint64_t kMostSamples = 64;
    const std::uint64_t samples = number(kSamples, 1), color = number(kPhotometric, 0);
    if (samples < 1 || samples > kMostSamples) reject(concat("a pixel of ", counted(samples, "sample")));
    header_.samples = static_cast<int>(samples);
    const Field* const bits = find(kBits);
    const std::uint64_t depth = bits == nullptr ? 1 : value(*bits, 0);
    for (std::uint64_t i = 1; bits != nullptr && i < (std::min)(samples, bits->count); ++i)
      if (value(*bits, i) != depth) refuse("samples of different depths");
    if (number(kSampleFormat, 1) != 1) refuse("samples that are signed or floating-point numbers");
    if (depth != 1 && depth != 2 && depth != 4 && depth != 8 && depth != 16) refuse(concat(depth, " bits per sample"));
    header_.depth = static_cast<int>(depth);
    header_.color = static_cast<TiffColor>(color);
    const int colors = color == 2 ? 3 : color == 5 ? 4 : 1;
    if (color == 4 || color > 5) refuse(name_of_color(color));
    if (header_.samples < colors)
      reject(concat("a pixel of ", counted(header_.samples, "sample"), " cannot be a colour of ", colors));
    if ((colors > 1 || header_.samples > 1) && depth < 8) refuse(concat("several samples of ", depth, " bits"));
    if (color == 3 && depth > 8) refuse("a palette for 16 bits");
    constexpr std::uint64_t kAssociated = 1;
    header_.is_premultiplied = color == 2 && header_.samples > 3 && number(kExtraSamples, 0) == kAssociated;
  }

  static std::string name_of_color(std::uint64_t color) {
    if (color == 6) return "YCbCr colours";
    if (color == 8 || color == 9 || color == 10) return "L*a*b* colours";
    if (color == 32803 || color == 34892) return "the raw values of a camera's sensor";
    return concat("pixels of the kind ", color);
  }

  static std::string name_of_compression(std::uint64_t code) {
    switch (code) {
      case 2:
      case 3:
      case 4: return "fax compression (CCITT)";
      case 6:
      case 7: return "JPEG compression";
      case 34925: return "LZMA compression";
      case 50000: return "Zstandard compression";
      case 50001: return "WebP compression";
      default: return concat("compression ", code);
    }
  }

  void read_coding() {
    const std::uint64_t code = number(kCompression, 1);
    if (code != 1 && code != 5 && code != 8 && code != 32773 && code != 32946) refuse(name_of_compression(code));
    header_.compression = static_cast<TiffCompression>(code);
    const std::uint64_t predictor = number(kPredictor, 1);
    const bool is_predicted = code == 5 || code == 8 || code == 32946;
    if (is_predicted && predictor != 1 && predictor != 2) refuse(concat("the predictor ", predictor));
    header_.is_differenced = is_predicted && predictor == 2;
    if (header_.is_differenced && header_.depth < 8) refuse(concat("differences of ", header_.depth, " bits"));
    header_.is_planar = number(kPlanar, 1) == 2 && header_.samples > 1;
    header_.is_reversed = number(kFillOrder, 1) == 2;
  }

  void read_segments() {
    header_.is_tiled = find(kStripOffsets) == nullptr;
    const Field* const offsets = find(header_.is_tiled ? kTileOffsets : kStripOffsets);
    if (offsets == nullptr) reject("it does not say where its pixels are");
    const std::uint64_t width = header_.is_tiled ? needed(kTileWidth, "tile width") : number(kWidth, 0);
    const std::uint64_t height = header_.is_tiled ? needed(kTileHeight, "tile height")
                                                  : (std::min)(number(kRowsPerStrip, ~0ull), number(kHeight, 0));
    if (width == 0 || height == 0) reject("its strips or tiles hold nothing");
    expect_image_size(width, height, source_);
    header_.segment_width = static_cast<index_t>(width);
    header_.segment_height = static_cast<index_t>(height);
    const auto up = [](index_t all, index_t part) { return static_cast<std::uint64_t>((all + part - 1) / part); };
    const std::uint64_t planes = header_.is_planar ? static_cast<std::uint64_t>(header_.samples) : 1;
    const std::uint64_t count =
        planes * up(header_.width, header_.segment_width) * up(header_.height, header_.segment_height);
    const Field* const sizes = find(header_.is_tiled ? kTileSizes : kStripSizes);
    if (offsets->count < count || (sizes != nullptr && sizes->count < count))
      reject(concat("its pixels lie in ", counted(count, "piece"), ", of which ",
                    sizes == nullptr ? offsets->count : (std::min)(offsets->count, sizes->count), " are given"));
    at(offsets->offset, (offsets->type == 4 ? 4 : 1) * count);  // before memory is taken for them
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t offset = value(*offsets, i);
      if (offset > bytes_.size()) reject(concat("a piece of its pixels begins at byte ", offset, ", beyond its end"));
      header_.offsets.push_back(offset);
      const std::uint64_t rest = bytes_.size() - offset;  // the oldest files do not say how much of it
      header_.sizes.push_back(sizes == nullptr ? rest : (std::min)(rest, value(*sizes, i)));
    }
  }

  void read_palette() {
    const Field* const map = find(kColorMap);
    const std::uint64_t count = std::uint64_t{3} << header_.depth;
    if (map == nullptr || map->count < count) reject("its palette is missing or too short");
    for (std::uint64_t i = 0; i < count; ++i) header_.palette.push_back(static_cast<std::uint16_t>(value(*map, i)));
  }

  Bytes bytes_;
  std::string source_;
  std::vector<Field> fields_;
  TiffHeader header_;
};

}}}  // namespace moeclip::abi_v0_1::detail
