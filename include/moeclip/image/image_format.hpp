// SPDX-License-Identifier: MIT
#pragma once
// Tells what kind of picture some bytes are, judged by their content, never by a file name. Formats that this library
// does not read are recognised too, so that the message can say what the file is and what to do.

#include <string_view>

#include "../base/checked.hpp"
#include "../io/bytes.hpp"
#include "../io/foreign_files.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The formats that this library reads; pnm is PBM, PGM, PPM or PAM.
enum class ImageFormat { unknown, png, jpeg, bmp, pnm, gif, tiff, webp };

/// The formats that are read, for messages and help.
inline constexpr std::string_view kReadFormats = "PNG, JPEG, BMP, TIFF, WebP, GIF and Netpbm";

/// Format of a file by its first bytes; unknown if this library does not read it.
ImageFormat image_format(Bytes bytes);

/// Throws the error for bytes whose format is unknown: empty, a format that is not read, or no picture at all.
[[noreturn]] void fail_image_format(Bytes bytes, std::string_view source);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

using namespace std::string_view_literals;

/// A file that has `magic` at `offset` is of the format `name`.
struct ImageSignature {
  std::string_view name;
  std::size_t offset;
  std::string_view magic;
};

inline constexpr std::array kUnreadFormats{
    ImageSignature{"BigTIFF", 0, "II+\0"sv},
    ImageSignature{"BigTIFF", 0, "MM\0+"sv},
    ImageSignature{"AVIF", 4, "ftypavif"sv},
    ImageSignature{"AVIF", 4, "ftypavis"sv},
    ImageSignature{"HEIC", 4, "ftyphei"sv},
    ImageSignature{"HEIC", 4, "ftyphev"sv},
    ImageSignature{"HEIC", 4, "ftypmif1"sv},
    ImageSignature{"HEIC", 4, "ftypmsf1"sv},
    ImageSignature{"Canon CR3 raw", 4, "ftypcrx"sv},
    ImageSignature{"JPEG 2000", 4, "jP  \r\n\x87\n"sv},
    ImageSignature{"JPEG 2000", 0, "\xFF\x4F\xFF\x51"sv},
    ImageSignature{"JPEG XL", 0, "\xFF\x0A"sv},
    ImageSignature{"JPEG XL", 4, "JXL \r\n\x87\n"sv},
    ImageSignature{"JPEG XR", 0, "II\xBC"sv},
    ImageSignature{"JNG", 0, "\x8BJNG\r\n"sv},
    ImageSignature{"MNG", 0, "\x8AMNG\r\n"sv},
    ImageSignature{"Photoshop (PSD)", 0, "8BPS"sv},
    ImageSignature{"PDF", 0, "%PDF"sv},
    ImageSignature{"PostScript", 0, "%!PS"sv},
    ImageSignature{"SVG", 0, "<svg"sv},
    ImageSignature{"OpenEXR", 0, "\x76\x2F\x31\x01"sv},
    ImageSignature{"Radiance HDR", 0, "#?RADIANCE"sv},
    ImageSignature{"DDS", 0, "DDS "sv},
    ImageSignature{"QOI", 0, "qoif"sv},
    ImageSignature{"FITS", 0, "SIMPLE  ="sv},
    ImageSignature{"DICOM", 128, "DICM"sv},
    ImageSignature{"farbfeld", 0, "farbfeld"sv},
    ImageSignature{"PFM", 0, "PF\n"sv},
    ImageSignature{"PFM", 0, "Pf\n"sv},
    ImageSignature{"XPM", 0, "/* XPM */"sv},
    ImageSignature{"XCF (GIMP)", 0, "gimp xcf"sv},
    ImageSignature{"OS/2 bitmap array", 0, "BA"sv},
};

inline bool has_signature(Bytes bytes, std::size_t offset, std::string_view magic) {
  return range_fits(offset, magic.size(), bytes.size()) && as_text(bytes.subspan(offset, magic.size())) == magic;
}

/// Formats without a magic number: what stands in their headers is checked as far as it must be so.
inline std::string_view format_by_fields(Bytes bytes) {
  constexpr std::size_t kTgaHeader = 18, kIconEntry = 6 + 16;
  if (bytes.size() < kTgaHeader) return {};
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
  const auto pair = [&](std::size_t i) { return at(i) + 256 * at(i + 1); };
  const bool has_entry = bytes.size() >= kIconEntry && pair(4) > 0 && at(9) == 0;
  if (has_entry && has_signature(bytes, 0, "\0\0\1\0"sv)) return "Windows icon";
  if (has_entry && has_signature(bytes, 0, "\0\0\2\0"sv)) return "Windows cursor";
  const unsigned kind = at(2) & ~8u, depth = at(16);  // 8: run-length codes
  const bool has_map = kind == 1 && at(1) == 1 && pair(5) > 0;
  const bool has_no_map = (kind == 2 || kind == 3) && at(1) == 0 && pair(3) == 0 && pair(5) == 0;
  const bool has_depth = depth == 8 || depth == 15 || depth == 16 || depth == 24 || depth == 32;
  return (has_map || has_no_map) && has_depth && pair(12) > 0 && pair(14) > 0 && at(17) < 64 ? "TGA" : "";
}

/// Name of a format that is recognised but not read, or an empty string.
inline std::string_view unread_format(Bytes bytes) {
  for (const auto& signature : kUnreadFormats)
    if (has_signature(bytes, signature.offset, signature.magic)) return signature.name;
  const std::string_view start = as_text(bytes.first(std::min<std::size_t>(bytes.size(), 1024)));
  if (start.find("<svg") != start.npos && start.find("<html") == start.npos) return "SVG";
  return format_by_fields(bytes);
}

/// The first bytes, for a message: "3c 21 44 4f".
inline std::string first_bytes(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), 8))) {
    const auto value = std::to_integer<unsigned>(byte);
    text += concat(text.empty() ? "" : " ", kDigits[value / 16], kDigits[value % 16]);
  }
  return text;
}

}  // namespace detail

MOECLIP_FUNC ImageFormat image_format(Bytes bytes) {
  using namespace std::string_view_literals;
  if (detail::has_signature(bytes, 0, "\x89PNG\r\n\x1A\n"sv)) return ImageFormat::png;
  if (detail::has_signature(bytes, 0, "\xFF\xD8"sv)) return ImageFormat::jpeg;
  if (detail::has_signature(bytes, 0, "BM"sv)) return ImageFormat::bmp;
  if (detail::has_signature(bytes, 0, "GIF87a"sv) || detail::has_signature(bytes, 0, "GIF89a"sv))
    return ImageFormat::gif;
  if (detail::has_signature(bytes, 0, "II*\0"sv) || detail::has_signature(bytes, 0, "MM\0*"sv))
    return ImageFormat::tiff;
  if (detail::has_signature(bytes, 0, "RIFF"sv) && detail::has_signature(bytes, 8, "WEBP"sv)) return ImageFormat::webp;
  if (bytes.size() >= 3 && bytes[0] == std::byte{'P'}) {
    const auto digit = std::to_integer<char>(bytes[1]), space = std::to_integer<char>(bytes[2]);
    const bool is_separated = space == '#' || space == ' ' || (space >= '\t' && space <= '\r');
    if (digit >= '1' && digit <= '7' && is_separated) return ImageFormat::pnm;
  }
  return ImageFormat::unknown;
}

MOECLIP_FUNC void fail_image_format(Bytes bytes, std::string_view source) {
  if (bytes.empty()) fail(ErrorCode::format, concat(source, ": the file is empty"));
  if (const std::string_view name = detail::unread_format(bytes); !name.empty())
    fail(ErrorCode::unsupported, concat(source, ": the format is ", name, "; ", kReadFormats,
                                        " are read. Convert it, for example: magick \"", source, "\" out.png"));
  if (detail::has_signature(bytes, 0, "\x89PNG"))
    fail(ErrorCode::format, concat(source, ": damaged PNG: its signature was changed, as by a transfer in text mode"));
  std::string_view foreign = foreign_file(bytes);
  if (detail::has_signature(bytes, 0, "PK\3\4")) foreign = "a zip archive; unpack it first";
  if (!foreign.empty()) fail(ErrorCode::format, concat(source, ": is ", foreign, ". A picture is wanted here"));
  fail(ErrorCode::format, concat(source, ": not a picture (it begins with ", detail::first_bytes(bytes), "); ",
                                 kReadFormats, " are read"));
}

}}  // namespace moeclip::abi_v0_1

#endif
