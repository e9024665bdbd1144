// SPDX-License-Identifier: MIT
#pragma once
// Reads the marker segments of a JPEG file (ITU T.81 annex B): everything between the entropy-coded scans. Bytes that
// belong to no segment are skipped as libjpeg does; no pixel is lost by it. Any kind of frame is understood here, so
// that an unsupported file can still be described; `refuse_coding` and `require_decodable` refuse what the decoder
// cannot do.

#include <cstdint>
#include <string>

#include "header.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

enum class JpegStop { scan, end_of_image, end_of_data };

/// Reads segments up to and including the next scan header.
class JpegSegments {
 public:
  JpegSegments(Bytes bytes, std::string_view source) : reader_(bytes, source) {
    const auto is = [&](std::size_t at, int byte) { return bytes.size() > at && bytes[at] == std::byte(byte); };
    if (!is(0, 0xFF) || !is(1, 0xD8))
      fail(ErrorCode::format, concat(source, ": not a JPEG file: it does not begin with the bytes FF D8"));
    if (bytes.size() > 2 && !is(2, 0xFF))
      fail(ErrorCode::format, concat(source, ": damaged JPEG: the third byte is ", hex(std::to_integer<int>(bytes[2])),
                                     ", where FF begins the first segment; get the file again"));
    reader_.seek(2);
  }

  /// Throws unsupported, by its name, for a kind of coding that is not read, wherever else the file is damaged or cut.
  void refuse_coding() const {
    JpegSegments ahead = *this;
    while (ahead.reader_.left() >= 2) {
      const int marker = ahead.next_marker();
      if (marker < 0 || marker == 0xD9 || marker == 0xDA) return;
      if (marker >= 0xC0) ahead.refuse_reserved(marker);
      if (marker == 0xCC) refuse("arithmetic coding");
      const bool is_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4;
      if (is_frame && marker > 0xC2) refuse(concat("the process \"", coding_name(marker), "\""));
      if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;
      if (ahead.reader_.left() < 2) return;
      const std::uint64_t length = ahead.reader_.u16be();
      ByteReader segment = ahead.reader_;
      if (is_frame && segment.left() > 0) {
        if (const int precision = segment.u8(); precision != 8) refuse(concat(precision, " bits per sample"));
        return;
      }
      if (length < 2 || length - 2 > ahead.reader_.left()) return;
      ahead.reader_.skip(length - 2);
    }
  }

  [[nodiscard]] const std::string& source() const { return reader_.source(); }
  [[nodiscard]] std::uint64_t offset() const { return reader_.offset(); }

  /// What is left: after `next` returned `scan`, the entropy-coded data and all that follows.
  [[nodiscard]] Bytes rest() const {
    ByteReader reader = reader_;
    return reader.take(reader.left());
  }

  /// Goes on `count` bytes further.
  void advance(std::uint64_t count) { reader_.skip(count); }

  /// Updates `header` with what the segments say; fills `scan` if one begins.
  JpegStop next(JpegHeader& header, JpegScan& scan) {
    while (true) {
      const int marker = next_marker();
      if (marker < 0) return JpegStop::end_of_data;
      if (marker == 0xD9) return JpegStop::end_of_image;
      if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) continue;  // TEM, RSTn: no content
      if (marker == 0xD8) reject("a second image begins inside the first");
      refuse_reserved(marker);
      const std::uint64_t length = reader_.u16be();
      if (length < 2) reject(concat("segment FF", hex(marker), " has length ", length));
      ByteReader segment(reader_.take(length - 2), source());
      if (marker == 0xDA) {
        scan = read_scan(segment, header);
        return JpegStop::scan;
      }
      read_segment(marker, segment, header);
    }
  }

 private:
  [[noreturn]] void reject(const std::string& what) const {
    fail(ErrorCode::format,
         concat(source(), ": damaged JPEG near offset ", offset(), ": ", what, "; get the file again"));
  }

  static std::string hex(int byte) {
    constexpr const char* kDigits = "0123456789ABCDEF";
    return {kDigits[byte >> 4 & 15], kDigits[byte & 15]};
  }

  /// Second byte of the next marker, or -1 at the end of the data. Skips whatever is not a marker.
  int next_marker() {
    while (reader_.left() >= 2) {
      if (reader_.u8() != 0xFF) continue;
      int code = 0xFF;
      while (code == 0xFF && reader_.left() > 0) code = reader_.u8();
      if (code != 0 && code != 0xFF) return code;
    }
    return -1;
  }

  void refuse_reserved(int marker) const {
    const char* what = nullptr;
    if (marker == 0xDE || marker == 0xDF) what = "hierarchical coding";
    if (marker == 0xF7 || marker == 0xF8) what = "JPEG-LS";
    if (marker == 0xC8 || (marker >= 0xF0 && marker <= 0xF6) || (marker >= 0xF9 && marker <= 0xFD))
      what = "an extension of JPEG (ITU T.84)";
    if (what != nullptr) refuse(what);
    if (marker < 0xC0) reject(concat("reserved marker FF", hex(marker)));
  }

  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorCode::unsupported, concat(source(), ": this JPEG file uses ", what,
                                        ", which is not supported; convert it to baseline JPEG or PNG"));
  }

  void read_segment(int marker, ByteReader& segment, JpegHeader& header) {
    switch (marker) {
      case 0xC4: return read_huffman(segment, header);
      case 0xDB: return read_quantizers(segment, header);
      case 0xDC: return check_line_count(segment, header);
      case 0xDD:
        if (segment.size() != 2) reject("the restart interval segment has a wrong length");
        header.restart_interval = segment.u16be();
        return;
      case 0xE0:
        if (segment.size() >= 14 && starts_with(segment, "JFIF\0")) header.has_jfif = true;
        return;
      case 0xE1:
        if (header.exif.empty() && segment.size() > 6 && starts_with(segment, "Exif\0")) {
          segment.seek(6);
          header.exif = segment.take(segment.left());
        }
        return;
      case 0xEE:
        if (segment.size() >= 12 && starts_with(segment, "Adobe")) {
          header.has_adobe = true;
          segment.seek(11);
          header.adobe_transform = segment.u8();
        }
        return;
      default:
        if (marker >= 0xC0 && marker <= 0xCF && marker != 0xCC) read_frame(marker, segment, header);
    }
  }

  static bool starts_with(ByteReader segment, const char (&five)[6]) {
    segment.seek(0);
    return as_text(segment.take(5)) == std::string_view(five, 5);
  }

  void read_quantizers(ByteReader& segment, JpegHeader& header) {
    while (segment.left() > 0) {
      const unsigned kind = segment.u8();
      const unsigned index = kind & 15u;
      if (index > 3) reject(concat("quantisation table ", index, " does not exist"));
      if (segment.left() < (kind >= 16 ? 128u : 64u)) reject("a quantisation table is cut short");
      for (std::size_t k = 0; k < static_cast<std::size_t>(kBlockSize); ++k)
        header.quantizers[index][kZigzag[k]] = kind >= 16 ? segment.u16be() : segment.u8();
      header.has_quantizer[index] = true;
    }
  }

  void read_huffman(ByteReader& segment, JpegHeader& header) {
    while (segment.left() > 0) {
      if (segment.left() < 17) reject("a Huffman table is cut short");
      const unsigned kind = segment.u8();
      const unsigned index = kind & 15u;
      if (kind > 0x13 || index > 3) reject(concat("Huffman table ", kind, " does not exist"));
      HuffmanCode code;
      std::size_t count = 0;
      for (std::size_t n = 1; n <= 16; ++n) count += code.lengths[n] = segment.u8();
      if (count > 256 || count > segment.left()) reject("a Huffman table has more codes than symbols");
      for (std::size_t i = 0; i < count; ++i) code.symbols[i] = segment.u8();
      (kind >= 16 ? header.ac : header.dc)[index].define(code);
    }
  }

  void check_line_count(ByteReader& segment, const JpegHeader& header) {
    if (segment.size() == 2 && segment.u16be() == header.frame.height) return;
    reject("the number of lines is changed after the first scan");
  }

  void read_frame(int marker, ByteReader& segment, JpegHeader& header) {
    if (header.has_frame) reject("a second frame header");
    if (segment.size() < 6) reject("the frame header is cut short");
    JpegFrame frame;
    frame.marker = marker;
    frame.precision = segment.u8();
    frame.height = segment.u16be();
    frame.width = segment.u16be();
    frame.count = segment.u8();
    if (frame.count == 0 || segment.left() != 3 * static_cast<std::uint64_t>(frame.count))
      reject(concat("the frame header has a wrong length for ", counted(frame.count, "component")));
    if (frame.width == 0) reject("the image has width 0");
    if (frame.count > 4) refuse_components(frame.count);
    for (int c = 0; c < frame.count; ++c) {
      JpegComponent& component = frame.components[static_cast<std::size_t>(c)];
      component.id = segment.u8();
      const int sampling = segment.u8();
      component.h = sampling >> 4;
      component.v = sampling & 15;
      component.quantizer = segment.u8();
      if (component.h < 1 || component.h > 4 || component.v < 1 || component.v > 4)
        reject(concat("component ", c + 1, " has sampling factors ", component.h, "x", component.v));
    }
    complete_frame(frame);
    header.frame = frame;
    header.has_frame = true;
  }

  [[noreturn]] void refuse_components(int count) const {
    fail(ErrorCode::unsupported, concat(source(), ": this JPEG file has ", counted(count, "component"),
                                        "; 1 (gray), 3 (colour) and 4 (CMYK) are supported"));
  }

  JpegScan read_scan(ByteReader& segment, const JpegHeader& header) {
    if (!header.has_frame) reject("a scan comes before the frame header");
    JpegScan scan;
    scan.count = segment.size() > 0 ? segment.u8() : 0;
    if (scan.count < 1 || scan.count > 4 || segment.left() != 2 * static_cast<std::uint64_t>(scan.count) + 3)
      reject(concat("the scan header has a wrong length for ", counted(scan.count, "component")));
    for (std::size_t i = 0; i < static_cast<std::size_t>(scan.count); ++i) {
      scan.component[i] = find_component(header.frame, segment.u8(), scan, i);
      const int tables = segment.u8();
      scan.dc_table[i] = tables >> 4;
      scan.ac_table[i] = tables & 15;
    }
    scan.first = segment.u8();
    scan.last = segment.u8();
    const int approximation = segment.u8();
    scan.high = approximation >> 4;
    scan.low = approximation & 15;
    return scan;
  }

  // Components of a scan come in the order of the frame. Searching from the i-th on serves files that give all
  // components the same id, too.
  int find_component(const JpegFrame& frame, int id, const JpegScan& scan, std::size_t i) const {
    for (int c = static_cast<int>(i); c < frame.count; ++c) {
      if (frame.components[static_cast<std::size_t>(c)].id != id) continue;
      for (std::size_t j = 0; j < i; ++j)
        if (scan.component[j] == c) reject(concat("component ", id, " is twice in one scan"));
      return c;
    }
    reject(concat("a scan names component ", id, ", which the frame does not have"));
  }

  ByteReader reader_;
};

}  // namespace detail
}}  // namespace moeclip::abi_v0_1
