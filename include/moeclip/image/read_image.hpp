// SPDX-License-Identifier: MIT
#pragma once
// Reads a picture of any supported format, or describes one without decoding it.

#include <string>
#include <string_view>
#include <vector>

#include "../io/bytes.hpp"
#include "image.hpp"
#include "image_options.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a picture file is.
struct ImageInfo {
  std::string format;   ///< "PNG", "JPEG", "TIFF", "PPM", ...
  index_t width = 0;    ///< pixels, as stored: before any turn by `orientation`
  index_t height = 0;   ///< pixels, likewise
  std::string mode;     ///< "gray", "gray+alpha", "RGB", "RGBA", "palette", "YCbCr", "CMYK", ...
  int depth = 8;        ///< bits per sample, or per pixel of a palette or bitmap
  std::string note;     ///< "interlaced", "progressive, 4:2:0", "RLE8"; may be empty
  int orientation = 1;  ///< EXIF, 1 to 8; 1 is upright
};

/// Describes a picture without decoding it. Throws as decode_image does, for what the headers show.
ImageInfo describe_image(Bytes bytes, std::string_view source);

/// Decodes a picture held in memory, of one of the formats kReadFormats, recognised by content; pixels as Pillow's
/// Image.open(...).convert('RGB') or ('L') gives them, but for gray of more than 8 bits (DeepGray). `source` is the
/// name in messages. Throws format for damaged or truncated files, limit for more pixels than kMaxPixels or than the
/// file can hold, unsupported for other formats. `remark`, where it is given, says what a person should know of a file
/// that is read although pixels are missing from it; it stays empty for all others.
Image decode_image(Bytes bytes, std::string_view source, ImageOptions options = {}, std::string* remark = nullptr);

/// The EXIF orientation by which read_image turns the picture in a file: 1, not at all, unless the options ask for it.
/// Throws as read_image does.
int applied_orientation(const std::string& path, const ImageOptions& options);

/// The bytes of a picture file or pipe; `path` is UTF-8. Throws io if it cannot be read.
std::vector<std::byte> read_image_file(const std::string& path);

/// Reads a picture file or pipe; `path` is UTF-8. Throws io if it cannot be read, otherwise as decode_image.
Image read_image(const std::string& path, ImageOptions options = {}, std::string* remark = nullptr);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include "../io/file.hpp"
#include "bmp.hpp"
#include "exif.hpp"
#include "gif.hpp"
#include "image_format.hpp"
#include "jpeg.hpp"
#include "png.hpp"
#include "png/chunks.hpp"
#include "pnm.hpp"
#include "tiff.hpp"
#include "webp.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline ImageInfo describe_png(Bytes bytes, std::string_view source) {
  const PngFile png = read_png_chunks(bytes, source);
  constexpr std::array<std::string_view, 7> kModes{"gray", "", "RGB", "palette", "gray+alpha", "", "RGBA"};
  return {.format = "PNG",
          .width = png.header.width,
          .height = png.header.height,
          .mode = std::string(kModes[static_cast<std::size_t>(png.header.color)]),
          .depth = png.header.depth,
          .note = png.header.is_interlaced ? "interlaced" : "",
          .orientation = tiff_orientation(png.exif)};
}

inline ImageInfo describe_jpeg(Bytes bytes, std::string_view source) {
  const JpegInfo jpeg = read_jpeg_info(bytes, source);
  return {.format = "JPEG",
          .width = jpeg.width,
          .height = jpeg.height,
          .mode = to_string(jpeg.color),
          .depth = jpeg.precision,
          .note = concat(jpeg.coding, ", ", jpeg.sampling),
          .orientation = tiff_orientation(jpeg.exif)};
}

inline ImageInfo describe_bmp(Bytes bytes, std::string_view source) {
  const BmpHeader bmp = read_bmp_header(bytes, source);
  std::string note = bmp.is_top_down ? "top-down" : "";
  if (bmp.is_rle()) note = bmp.bits == 8 ? "RLE8" : "RLE4";
  return {.format = "BMP",
          .width = bmp.width,
          .height = bmp.height,
          .mode = bmp.bits <= 8 ? "palette" : "RGB",
          .depth = bmp.bits,
          .note = note};
}

inline ImageInfo describe_pnm(Bytes bytes, std::string_view source) {
  const PnmHeader pnm = read_pnm_header(bytes, source);
  constexpr std::array<std::string_view, 8> kNames{"", "PBM", "PGM", "PPM", "PBM", "PGM", "PPM", "PAM"};
  constexpr std::array<std::string_view, 5> kModes{"", "gray", "gray+alpha", "RGB", "RGBA"};
  return {.format = std::string(kNames[static_cast<std::size_t>(pnm.variant)]),
          .width = pnm.width,
          .height = pnm.height,
          .mode = std::string(kModes[static_cast<std::size_t>(pnm.depth)]),
          .depth = static_cast<int>(std::bit_width(pnm.maxval)),
          .note = pnm.is_text() ? "text" : ""};
}

inline ImageInfo describe_gif(Bytes bytes, std::string_view source) {
  const GifHeader gif = read_gif_header(bytes, source);
  return {.format = "GIF",
          .width = gif.width,
          .height = gif.height,
          .mode = gif.palette.empty() ? "gray" : "palette",
          .depth = gif.code_bits,
          .note = gif.is_interlaced ? "interlaced" : ""};
}

inline const char* name_of(TiffCompression compression) {
  switch (compression) {
    case TiffCompression::none: return "uncompressed";
    case TiffCompression::lzw: return "LZW";
    case TiffCompression::deflate:
    case TiffCompression::old_deflate: return "deflate";
    case TiffCompression::packbits: return "PackBits";
  }
  return "";
}

/// The pixels of a TIFF file are always turned by its orientation, as Pillow does, so they are described upright.
inline ImageInfo describe_tiff(Bytes bytes, std::string_view source) {
  const TiffHeader tiff = read_tiff_header(bytes, source);
  const bool is_turned = tiff.orientation >= 5;
  std::string mode = tiff.color == TiffColor::rgb       ? "RGB"
                     : tiff.color == TiffColor::palette ? "palette"
                     : tiff.color == TiffColor::cmyk    ? "CMYK"
                                                        : "gray";
  return {.format = "TIFF",
          .width = is_turned ? tiff.height : tiff.width,
          .height = is_turned ? tiff.width : tiff.height,
          .mode = std::move(mode),
          .depth = tiff.depth,
          .note = concat(name_of(tiff.compression), tiff.is_tiled ? ", tiles" : "", tiff.is_planar ? ", planes" : "",
                         tiff.has_more_pages ? ", the first of several pages" : "")};
}

inline ImageInfo describe_webp(Bytes bytes, std::string_view source) {
  const WebpHeader webp = read_webp_header(bytes, source);
  return {.format = "WebP",
          .width = webp.width,
          .height = webp.height,
          .mode = concat(webp.is_lossless ? "RGB" : "YCbCr", webp.has_alpha ? " with alpha" : ""),
          .note = concat(webp.is_lossless ? "lossless" : "lossy", webp.is_animated ? ", animated" : ""),
          .orientation = tiff_orientation(webp.exif)};
}

}  // namespace detail

MOECLIP_FUNC ImageInfo describe_image(Bytes bytes, std::string_view source) {
  switch (image_format(bytes)) {
    case ImageFormat::png: return detail::describe_png(bytes, source);
    case ImageFormat::jpeg: return detail::describe_jpeg(bytes, source);
    case ImageFormat::bmp: return detail::describe_bmp(bytes, source);
    case ImageFormat::pnm: return detail::describe_pnm(bytes, source);
    case ImageFormat::gif: return detail::describe_gif(bytes, source);
    case ImageFormat::tiff: return detail::describe_tiff(bytes, source);
    case ImageFormat::webp: return detail::describe_webp(bytes, source);
    case ImageFormat::unknown: break;
  }
  fail_image_format(bytes, source);
}

MOECLIP_FUNC Image decode_image(Bytes bytes, std::string_view source, ImageOptions options, std::string* remark) {
  const PixelKind kind = options.gray ? PixelKind::gray : PixelKind::rgb;
  Image image;
  Bytes exif;
  switch (image_format(bytes)) {
    case ImageFormat::png:
      image = decode_png(bytes, source, kind, options.deep_gray);
      if (options.apply_exif_orientation) exif = read_png_chunks(bytes, source).exif;
      break;
    case ImageFormat::jpeg:
      image = options.gray ? decode_jpeg_gray(bytes, source, remark) : decode_jpeg(bytes, source, remark);
      if (options.apply_exif_orientation) exif = read_jpeg_info(bytes, source).exif;
      break;
    case ImageFormat::bmp: image = decode_bmp(bytes, source, kind, remark); break;
    case ImageFormat::pnm: image = decode_pnm(bytes, source, kind, options.deep_gray); break;
    case ImageFormat::gif: image = decode_gif(bytes, source, kind); break;
    case ImageFormat::tiff: image = decode_tiff(bytes, source, kind, options.deep_gray); break;
    case ImageFormat::webp:
      image = decode_webp(bytes, source, kind);
      if (options.apply_exif_orientation) exif = read_webp_header(bytes, source).exif;
      break;
    case ImageFormat::unknown: fail_image_format(bytes, source);
  }
  return apply_orientation(std::move(image), tiff_orientation(exif));
}

MOECLIP_FUNC int applied_orientation(const std::string& path, const ImageOptions& options) {
  if (!options.apply_exif_orientation) return 1;
  return describe_image(MappedFile::open(path)->bytes(), path).orientation;
}

MOECLIP_FUNC std::vector<std::byte> read_image_file(const std::string& path) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;  // more than kMaxPixels need in any format
  return read_file(path, kMostBytes);
}

MOECLIP_FUNC Image read_image(const std::string& path, ImageOptions options, std::string* remark) {
  return decode_image(read_image_file(path), path, options, remark);
}

}}  // namespace moeclip::abi_v0_1

#endif
