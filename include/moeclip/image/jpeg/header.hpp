// SPDX-License-Identifier: MIT
#pragma once
// Collects everything that the segments of a JPEG file have said up to a scan, finds the colour space that follows from
// it, and refuses what cannot be decoded.

#include <array>
#include <cstdint>

#include "../../io/bytes.hpp"
#include "../image.hpp"
#include "frame.hpp"
#include "huffman.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A Huffman code slot. The decoding table is made when a scan first uses the code.
struct JpegHuffmanSlot {
  HuffmanCode code;
  HuffmanTable table;
  bool is_defined = false;
  bool is_built = false;

  void define(const HuffmanCode& new_code) {
    code = new_code;
    is_defined = true;
    is_built = false;
  }
};

/// Header of a scan (T.81 B.2.3).
struct JpegScan {
  int count = 0;                      // components
  std::array<int, 4> component = {};  // index in the frame
  std::array<int, 4> dc_table = {};   //
  std::array<int, 4> ac_table = {};   //
  int first = 0;                      // spectral selection: zigzag indices first..last
  int last = 63;
  int high = 0;  // successive approximation: bit position of the scan before, 0 if this is the first
  int low = 0;   // and of this one
};

/// Everything the segments read so far have said.
struct JpegHeader {
  JpegFrame frame;
  bool has_frame = false;
  std::array<JpegQuantizer, 4> quantizers = {};
  std::array<bool, 4> has_quantizer = {};
  std::array<JpegHuffmanSlot, 4> dc;
  std::array<JpegHuffmanSlot, 4> ac;
  int restart_interval = 0;  // MCUs; 0: none
  bool has_jfif = false;
  bool has_adobe = false;
  int adobe_transform = 0;
  Bytes exif;  // TIFF structure of the first Exif segment; empty if there is none
};

/// Colour space of a frame by libjpeg's rules: JFIF means YCbCr, an Adobe segment says what it is, component ids "RGB"
/// mean RGB; without any of these three components are YCbCr and four are CMYK.
inline JpegColor color_of(const JpegHeader& header) {
  const auto& components = header.frame.components;
  if (header.frame.count == 1) return JpegColor::gray;
  if (header.frame.count == 4)
    return header.has_adobe && header.adobe_transform != 0 ? JpegColor::ycck : JpegColor::cmyk;
  if (header.has_jfif) return JpegColor::ycbcr;
  if (header.has_adobe) return header.adobe_transform == 0 ? JpegColor::rgb : JpegColor::ycbcr;
  const bool is_rgb = components[0].id == 'R' && components[1].id == 'G' && components[2].id == 'B';
  return is_rgb ? JpegColor::rgb : JpegColor::ycbcr;
}

/// Refuses frames that are not decoded here (unsupported), and sizes that are beyond the limits or that `data_bytes`
/// bytes cannot hold (limit), before anything is allocated for them.
inline void require_decodable(const JpegFrame& frame, std::uint64_t data_bytes, std::string_view source) {
  const auto refuse = [&](const std::string& what) {
    fail(ErrorCode::unsupported,
         concat(source, ": this JPEG file is ", what, ", which is not supported; convert it to baseline JPEG or PNG"));
  };
  if (frame.count == 2) refuse("of 2 components");
  if (frame.height == 0) refuse("one that gives its height after the first scan (DNL)");
  std::uint64_t blocks = 0;
  for (int c = 0; c < frame.count; ++c) {
    const JpegComponent& component = frame.components[static_cast<std::size_t>(c)];
    if (frame.max_h % component.h != 0 || frame.max_v % component.v != 0)
      refuse(concat("subsampled by a fraction (", sampling_name(frame), ")"));
    blocks += static_cast<std::uint64_t>(component.blocks_wide) * static_cast<std::uint64_t>(component.blocks_high);
  }
  if (frame.height > kMaxPixels / frame.width)
    fail(ErrorCode::limit,
         concat(source, ": an image of ", frame.width, "x", frame.height, " pixels is larger than the ",
                index_t{kMaxPixels}, " pixels that are allowed: scale it down, or cut it into pieces"));
  // Each block takes at least a code of one bit for its DC term, and in a sequential file another that ends the block.
  const std::uint64_t least = blocks * (frame.is_progressive() ? 1 : 2) / 8;
  if (least > data_bytes)
    fail(ErrorCode::limit,
         concat(source, ": an image of ", frame.width, "x", frame.height, " pixels takes at least ",
                counted(least, "byte"), " of data, but only ", data_bytes, " follow: the file is cut or damaged"));
}

}  // namespace detail
}}  // namespace moeclip::abi_v0_1
