// SPDX-License-Identifier: MIT
#pragma once
// Decodes one entropy-coded scan (ITU T.81 F.2 sequential, G.2 progressive) into planes of DCT coefficients, one row of
// MCUs at a time, with restart intervals. Data that ends early, codes that do not exist and restart markers out of
// order are errors; nothing is made up for what is missing.

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "blocks.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Decodes the rows of one scan in order.
class JpegScanDecoder {
 public:
  /// `data`: the entropy-coded bytes and whatever follows them. Tables are built in `header` where needed.
  JpegScanDecoder(JpegHeader& header, const JpegScan& scan, int scan_number, Bytes data, std::string_view source)
      : frame_(header.frame),
        scan_(scan),
        bits_(data),
        data_(data),
        source_(source),
        scan_number_(scan_number),
        restart_interval_(header.restart_interval),
        until_restart_(header.restart_interval) {
    choose_kind();
    for (std::size_t i = 0; i < static_cast<std::size_t>(scan.count); ++i) {
      const bool needs_dc = kind_ == Kind::sequential || kind_ == Kind::dc_first;
      const bool needs_ac = kind_ != Kind::dc_first && kind_ != Kind::dc_refinement;
      if (needs_dc) dc_[i] = table(header.dc, scan.dc_table[i], 15, "DC");
      if (needs_ac) ac_[i] = table(header.ac, scan.ac_table[i], 255, "AC");
    }
  }

  /// MCU rows of this scan. A scan of one component has a row for each of its rows of blocks.
  [[nodiscard]] index_t rows() const { return scan_.count > 1 ? frame_.mcus_high : component(0).blocks_high; }

  /// Decodes MCU row `row` into `planes` (one per component of the frame).
  void decode_row(index_t row, std::span<JpegPlane> planes) {
    row_ = row;
    const index_t mcus = scan_.count > 1 ? frame_.mcus_wide : component(0).blocks_wide;
    for (index_t m = 0; m < mcus; ++m) {
      if (restart_interval_ != 0 && until_restart_-- == 0) restart();
      if (scan_.count == 1)
        decode(0, planes[plane_index(0)].block(row, m));
      else
        decode_mcu(row, m, planes);
    }
    check();
  }

  /// Bytes of the data that were used, up to the next marker.
  [[nodiscard]] std::uint64_t used() const { return static_cast<std::uint64_t>(bits_.position() - data_.data()); }

 private:
  enum class Kind { sequential, dc_first, dc_refinement, ac_first, ac_refinement };

  void choose_kind() {
    if (!frame_.is_progressive())
      kind_ = Kind::sequential;
    else if (scan_.first == 0)
      kind_ = scan_.high == 0 ? Kind::dc_first : Kind::dc_refinement;
    else
      kind_ = scan_.high == 0 ? Kind::ac_first : Kind::ac_refinement;
  }

  const HuffmanTable* table(std::array<JpegHuffmanSlot, 4>& slots, int index, int most, const char* name) const {
    const auto at = static_cast<std::size_t>(index);
    if (index > 3 || !slots[at].is_defined)
      reject(concat("it needs ", name, " Huffman table ", index, ", which is missing"));
    if (!slots[at].is_built && !slots[at].table.build(slots[at].code, most))
      reject(concat(name, " Huffman table ", index, " is not a possible code"));
    slots[at].is_built = true;
    return &slots[at].table;
  }

  [[nodiscard]] std::size_t plane_index(std::size_t i) const { return static_cast<std::size_t>(scan_.component[i]); }
  [[nodiscard]] const JpegComponent& component(std::size_t i) const { return frame_.components[plane_index(i)]; }

  // Blocks to the right of the picture only fill up the last MCU; they are decoded and dropped. Those below it are
  // kept: the planes have room for whole MCU rows, and the smoothing of unfinished images looks at them.
  void decode_mcu(index_t row, index_t m, std::span<JpegPlane> planes) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(scan_.count); ++i) {
      const JpegComponent& part = component(i);
      JpegPlane& plane = planes[plane_index(i)];
      for (int y = 0; y < part.v; ++y) {
        for (int x = 0; x < part.h; ++x) {
          const index_t column = m * part.h + x;
          if (column < part.blocks_wide) {
            decode(i, plane.block(row * part.v + y, column));
          } else {
            std::int16_t dropped[kBlockSize] = {};
            decode(i, dropped);
          }
        }
      }
    }
  }

  void decode(std::size_t i, std::int16_t* block) {
    switch (kind_) {
      case Kind::sequential: return decode_block(bits_, *dc_[i], *ac_[i], predictors_[i], block);
      case Kind::dc_first: return decode_dc_first(bits_, *dc_[i], predictors_[i], scan_.low, block);
      case Kind::dc_refinement: return decode_dc_refinement(bits_, scan_.low, block);
      case Kind::ac_first: return decode_ac_first(bits_, *ac_[i], scan_, block_run_, block);
      case Kind::ac_refinement: return decode_ac_refinement(bits_, *ac_[i], scan_, block_run_, block);
    }
  }

  // T.81 F.2.1.3.1: the decoder starts afresh after the marker. Stray bytes before it are passed over.
  void restart() {
    check();
    Bytes rest = data_.subspan(static_cast<std::size_t>(used()));
    std::size_t at = 0;
    while (at + 1 < rest.size() &&
           !(rest[at] == std::byte{0xFF} && rest[at + 1] != std::byte{0} && rest[at + 1] != std::byte{0xFF}))
      ++at;
    if (at + 1 >= rest.size()) reject("the data ends early");
    if (rest[at + 1] != static_cast<std::byte>(0xD0 + next_restart_)) reject("a restart marker is missing");
    bits_ = JpegBits(rest.subspan(at + 2));
    next_restart_ = (next_restart_ + 1) & 7;
    until_restart_ = restart_interval_ - 1;
    predictors_ = {};
    block_run_ = 0;
  }

  void check() const {
    if (bits_.is_overrun()) reject("the data ends early");
    if (bits_.is_bad()) reject("the data holds a code that does not exist");
  }

  [[noreturn]] void reject(const std::string& what) const {
    fail(ErrorCode::format, concat(source_, ": damaged JPEG, scan ", scan_number_, ", row ", row_ + 1, " of ", rows(),
                                   ": ", what, "; the picture is not complete", kCutAdvice));
  }

  const JpegFrame& frame_;
  const JpegScan scan_;
  Kind kind_ = Kind::sequential;
  JpegBits bits_;
  Bytes data_;
  std::string_view source_;
  int scan_number_;
  int restart_interval_;
  int until_restart_;
  int next_restart_ = 0;
  index_t row_ = 0;
  std::array<const HuffmanTable*, 4> dc_ = {};
  std::array<const HuffmanTable*, 4> ac_ = {};
  std::array<int, 4> predictors_ = {};
  int block_run_ = 0;
};

}  // namespace detail
}}  // namespace moeclip::abi_v0_1
