// SPDX-License-Identifier: MIT
#pragma once
// Decodes JPEG (ITU T.81): baseline, extended sequential and progressive Huffman files of 8 bits become the very bytes
// that libjpeg-turbo 2.1.5 gives through Pillow's Image.open(f).convert("RGB") (tests/golden/jpeg).
//
// Damage is not painted over. A picture that is inspected must not hold invented pixels, so data that ends early, codes
// that do not exist, missing restart markers and contradictory scans are errors, also where libjpeg would warn and fill
// the gap. One thing cannot be told from data for certain: zeros, which a camera or card that fails leaves up to the
// end of the file, are codes that exist. Where they serve as data and no end-of-image marker follows, a remark says so.
// Accepted, as they cost no pixel: stray bytes between segments, anything after the last scan, no end-of-image
// marker after complete data, absent Huffman tables where the standard ones serve. A progressive file that properly
// ends before all bits are sent is a lesser picture, not a damaged one, and is smoothed as libjpeg does. Arithmetic
// coding, lossless and hierarchical files and 12-bit samples are refused by name.
//
// Sizes are checked against the data before memory is taken; a sequential image is streamed in MCU rows, others keep 2
// bytes per coefficient. Scans that are too many for the size of the file are refused (`charge_work`).

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "markers.hpp"
#include "render.hpp"
#include "scan.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

class JpegDecoder {
 public:
  JpegDecoder(Bytes bytes, std::string_view source) : segments_(bytes, source), file_size_(bytes.size()) {
    progress_.fill(kNothingSent);
    while (zeros_ < bytes.size() && bytes[bytes.size() - 1 - zeros_] == std::byte{0}) ++zeros_;
  }

  /// The picture with 3 channels (RGB) or 1 (gray). `remark` may be null.
  Image decode(index_t channels, std::string* remark) {
    JpegScan scan;
    segments_.refuse_coding();
    if (segments_.next(header_, scan) != JpegStop::scan) reject("it holds no picture");
    require_decodable(frame(), segments_.rest().size(), source());
    if (!frame().is_progressive()) supply_standard_codes();
    Image image(frame().width, frame().height, channels);
    JpegRenderer renderer(frame(), color_of(header_), image);
    if (!frame().is_progressive() && scan.count == frame().count)
      decode_streaming(scan, renderer);
    else
      decode_buffered(scan, renderer);
    if (first_of_zeros_ >= 0 && remark != nullptr)
      *remark = concat("its last ", counted(zeros_, "byte"), " of ", file_size_,
                       " are zeros, as a crash of the camera or card leaves them: its pixels from row ",
                       first_of_zeros_ + 1, " of ", frame().height, " on are most likely not from the picture");
    return image;
  }

 private:
  [[nodiscard]] const JpegFrame& frame() const { return header_.frame; }
  [[nodiscard]] const std::string& source() const { return segments_.source(); }
  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(frame().count); }

  [[noreturn]] void reject(const std::string& what) const {
    fail(ErrorCode::format, concat(source(), ": damaged JPEG: ", what, kCutAdvice));
  }

  void supply_standard_codes() {
    for (std::size_t i = 0; i < 2; ++i) {
      if (!header_.dc[i].is_defined) header_.dc[i].define(standard_dc_code(i == 1));
      if (!header_.ac[i].is_defined) header_.ac[i].define(standard_ac_code(i == 1));
    }
  }

  /// One scan that holds everything: each MCU row is decoded and rendered while it is in the cache.
  void decode_streaming(const JpegScan& scan, JpegRenderer& renderer) {
    begin_scan(scan);
    std::vector<JpegPlane> planes = make_planes(1);
    JpegScanDecoder decoder(header_, scan, 1, segments_.rest(), source());
    const index_t rows_per_mcu = scan.count == 1 ? frame().components[0].v : 1;
    for (index_t mcu_row = 0, row = 0; mcu_row < frame().mcus_high; ++mcu_row) {
      for (std::size_t c = 0; c < count(); ++c) {
        planes[c].first_row = mcu_row * frame().components[c].v;
        planes[c].clear();
      }
      for (const index_t end = (std::min)(row + rows_per_mcu, decoder.rows()); row < end; ++row)
        decode_row(decoder, row, planes);
      renderer.render(planes, quantizers_);
    }
  }

  /// Several scans: all coefficients are collected first.
  void decode_buffered(JpegScan scan, JpegRenderer& renderer) {
    std::vector<JpegPlane> planes = make_planes(frame().mcus_high);
    JpegStop stop = JpegStop::scan;
    for (int number = 1; stop == JpegStop::scan; ++number) {
      begin_scan(scan);
      JpegScanDecoder decoder(header_, scan, number, segments_.rest(), source());
      for (index_t row = 0; row < decoder.rows(); ++row) decode_row(decoder, row, planes);
      segments_.advance(decoder.used());
      if (is_complete()) break;
      stop = segments_.next(header_, scan);
    }
    if (stop == JpegStop::end_of_data) reject("the file ends before the last scan; the picture is not complete");
    for (std::size_t c = 0; c < count(); ++c)
      if (progress_[c][0] < 0) reject(concat("component ", c + 1, " of ", frame().count, " is not in any scan"));
    std::vector<JpegSmoother> smoothers;
    if (needs_smoothing(frame(), progress_, quantizers_))
      for (std::size_t c = 0; c < count(); ++c)
        smoothers.emplace_back(frame(), frame().components[c], progress_[c], quantizers_[c]);
    for (index_t mcu_row = 0; mcu_row < frame().mcus_high; ++mcu_row) renderer.render(planes, quantizers_, smoothers);
  }

  /// Row `row` of MCUs; notes the first row of pixels that came out of the zeros at the end of the file.
  void decode_row(JpegScanDecoder& decoder, index_t row, std::span<JpegPlane> planes) {
    constexpr std::uint64_t kAhead = 32;  // more than the bits that are kept, and fill up a last byte
    decoder.decode_row(row, planes);
    if (zeros_ <= kAhead || first_of_zeros_ >= 0) return;
    const std::uint64_t left = segments_.rest().size() - decoder.used();
    if (left + kAhead < zeros_) first_of_zeros_ = row * frame().height / decoder.rows();
  }

  [[nodiscard]] std::vector<JpegPlane> make_planes(index_t mcu_rows) const {
    std::vector<JpegPlane> planes;
    for (std::size_t c = 0; c < count(); ++c)
      planes.emplace_back(frame().components[c].blocks_wide, mcu_rows * frame().components[c].v);
    return planes;
  }

  /// Checks that the scan may follow those before it, and notes what it brings.
  void begin_scan(const JpegScan& scan) {
    if (frame().is_progressive()) check_progressive(scan);
    const std::size_t first = frame().is_progressive() ? static_cast<std::size_t>(scan.first) : 0;
    const std::size_t last = frame().is_progressive() ? static_cast<std::size_t>(scan.last) : 63;
    const int high = frame().is_progressive() ? scan.high : 0;
    index_t blocks = 0;
    index_t blocks_per_mcu = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(scan.count); ++i) {
      const auto c = static_cast<std::size_t>(scan.component[i]);
      const JpegComponent& component = frame().components[c];
      blocks += component.blocks_wide * component.blocks_high;
      blocks_per_mcu += component.h * component.v;
      if (progress_[c] == kNothingSent) keep_quantizer(c);
      for (std::size_t k = first; k <= last; ++k) {
        const int known = progress_[c][k];
        if (high == 0 ? known >= 0 : known != high)
          reject(concat("a scan sends bits of component ", c + 1, " that do not follow those sent before"));
        progress_[c][k] = frame().is_progressive() ? scan.low : 0;
      }
    }
    if (scan.count > 1 && blocks_per_mcu > 10)
      reject(concat("a scan has ", counted(blocks_per_mcu, "block"), " per unit, 10 are allowed"));
    charge_work(blocks);
  }

  void check_progressive(const JpegScan& scan) const {
    const bool is_dc = scan.first == 0;
    const bool is_band = is_dc ? scan.last == 0 : scan.first <= scan.last && scan.last < 64 && scan.count == 1;
    const bool is_step = scan.high == 0 || scan.low == scan.high - 1;
    if (!is_band || !is_step || scan.low > 13)
      reject(concat("a progressive scan of ", counted(scan.count, "component"), ", terms ", scan.first, " to ",
                    scan.last, ", bits ", scan.high, " to ", scan.low, " is not possible"));
  }

  /// The table counts that is in force when a component's first scan begins.
  void keep_quantizer(std::size_t c) {
    const auto index = static_cast<std::size_t>(frame().components[c].quantizer);
    if (index > 3 || !header_.has_quantizer[index])
      reject(concat("component ", c + 1, " needs quantisation table ", index, ", which is missing"));
    quantizers_[c] = header_.quantizers[index];
  }

  /// A few bytes can make a scan that visits every block of a huge image. Real files visit each block about ten times;
  /// 32 visits and 128 for each byte of the file keep even odd ones far below the limit, and bound the time.
  void charge_work(index_t blocks) {
    index_t all = 0;
    for (std::size_t c = 0; c < count(); ++c)
      all += frame().components[c].blocks_wide * frame().components[c].blocks_high;
    visited_ += static_cast<std::uint64_t>(blocks);
    if (visited_ > 32 * static_cast<std::uint64_t>(all) + 128 * file_size_)
      fail(ErrorCode::limit, concat(source(),
                                    ": this JPEG file has far more scans than its size explains; it looks made "
                                    "to exhaust the reader and is refused"));
  }

  [[nodiscard]] bool is_complete() const {
    for (std::size_t c = 0; c < count(); ++c)
      if (progress_[c] != JpegProgress{}) return false;
    return true;
  }

  static constexpr JpegProgress kNothingSent = [] {
    JpegProgress progress{};
    progress.fill(-1);
    return progress;
  }();

  JpegSegments segments_;
  std::uint64_t file_size_;
  JpegHeader header_;
  std::array<JpegQuantizer, 4> quantizers_ = {};
  std::array<JpegProgress, 4> progress_;
  std::uint64_t visited_ = 0;    // blocks, by all scans so far
  std::uint64_t zeros_ = 0;      // bytes at the end of the file
  index_t first_of_zeros_ = -1;  // row of pixels that is made of some of them
};

}  // namespace detail

}}  // namespace moeclip::abi_v0_1
