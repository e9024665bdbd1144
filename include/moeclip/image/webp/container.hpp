// SPDX-License-Identifier: MIT
#pragma once
// The container of WebP (RFC 9649, section 2): RIFF chunks. A plain file is one chunk, VP8 (lossy) or VP8L (lossless);
// an extended one begins with VP8X, which gives the size of the whole, and holds either such a chunk or, in an
// animation, frames (ANMF) with one each.

#include <algorithm>
#include <string>
#include <string_view>

#include "../pixel_store.hpp"
#include "header.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

class WebpContainer {
 public:
  WebpContainer(Bytes bytes, std::string_view source) : reader_(bytes, source) {}

  WebpHeader read() {
    reader_.skip(4);  // RIFF
    const std::uint64_t size = reader_.u32le();
    if (size < 4 || size > reader_.left())
      reject(concat("it says that it has ", counted(size + 8, "byte"), ", but it has ", reader_.size()));
    ByteReader chunks(reader_.take(size), reader_.source());
    chunks.skip(4);  // WEBP
    read_chunks(chunks, false);
    if (header_.data.empty()) reject("it holds no picture");
    if (header_.width == 0) header_.width = header_.frame_width, header_.height = header_.frame_height;
    const auto size_of = [](index_t side) { return static_cast<std::uint64_t>(side); };
    expect_image_size(size_of(header_.width), size_of(header_.height), reader_.source());
    if (header_.left + header_.frame_width > header_.width || header_.top + header_.frame_height > header_.height)
      reject("its picture is larger than the whole");
    if (!header_.is_animated && (header_.frame_width != header_.width || header_.frame_height != header_.height))
      reject("its picture has another size than the whole");
    return header_;
  }

 private:
  [[noreturn]] void reject(const std::string& what) const {
    fail(ErrorCode::format, concat(reader_.source(), ": damaged WebP: ", what, kCutAdvice));
  }

  static index_t u24(ByteReader& reader) {
    const index_t low = reader.u16le();
    return low | static_cast<index_t>(reader.u8()) << 16;
  }

  void read_chunks(ByteReader& chunks, bool is_in_frame) {
    while (chunks.left() >= 8) {
      const std::string_view kind = as_text(chunks.take(4));
      const std::uint64_t size = chunks.u32le();
      const Bytes data = chunks.take(size);
      if (size % 2 == 1 && chunks.left() > 0) chunks.skip(1);
      ByteReader chunk(data, reader_.source());
      if (kind == "VP8X" && !is_in_frame) read_extended(chunk);
      if (kind == "EXIF" && header_.exif.empty())
        header_.exif = as_text(data).starts_with("Exif") ? data.subspan((std::min<std::size_t>)(6, data.size())) : data;
      if (!header_.data.empty()) continue;  // only what describes the first picture comes behind it
      if (kind == "ALPH") header_.has_alpha = true;
      if (kind == "ANMF" && !is_in_frame) read_frame(chunk);
      if (kind == "VP8L") read_lossless(data);
      if (kind == "VP8 ") read_lossy(data);
    }
  }

  void read_extended(ByteReader& chunk) {
    const unsigned flags = chunk.u8();
    chunk.skip(3);
    header_.is_animated = (flags & 2u) != 0;
    header_.has_alpha = (flags & 16u) != 0;
    header_.width = u24(chunk) + 1;
    header_.height = u24(chunk) + 1;
  }

  void read_frame(ByteReader& chunk) {
    if (!header_.is_animated) reject("it has a frame of an animation, but says that it is none");
    header_.left = 2 * u24(chunk);
    header_.top = 2 * u24(chunk);
    const index_t width = u24(chunk) + 1, height = u24(chunk) + 1;
    chunk.skip(3 + 1);  // duration, how it is put over the one before
    ByteReader chunks(chunk.take(chunk.left()), reader_.source());
    read_chunks(chunks, true);
    if (header_.data.empty()) reject("a frame holds no picture");
    if (width != header_.frame_width || height != header_.frame_height)
      reject("its first picture has another size than its frame");
  }

  void read_lossless(Bytes data) {
    ByteReader reader(data, reader_.source());
    if (reader.u8() != 0x2F) reject("its lossless picture does not begin with 2F");
    const std::uint32_t bits = reader.u32le();
    header_.frame_width = static_cast<index_t>(bits & 0x3FFFu) + 1;
    header_.frame_height = static_cast<index_t>(bits >> 14 & 0x3FFFu) + 1;
    header_.has_alpha = (bits >> 28 & 1u) != 0;
    if (bits >> 29 != 0) reject(concat("its lossless picture is of the version ", bits >> 29));
    header_.is_lossless = true;
    header_.data = data;
  }

  void read_lossy(Bytes data) {
    ByteReader reader(data, reader_.source());
    const unsigned tag = reader.u8();
    reader.skip(2);
    if ((tag & 1u) != 0) reject("its lossy picture is no key frame");
    if (reader.u8() != 0x9D || reader.u8() != 0x01 || reader.u8() != 0x2A)
      reject("its lossy picture does not begin with 9D 01 2A");
    header_.frame_width = reader.u16le() & 0x3FFF;  // the two bits above are for whoever shows it
    header_.frame_height = reader.u16le() & 0x3FFF;
    if (header_.frame_width == 0 || header_.frame_height == 0) reject("its lossy picture has no pixels");
    header_.data = data;
  }

  ByteReader reader_;
  WebpHeader header_;
};

}}}  // namespace moeclip::abi_v0_1::detail
