// SPDX-License-Identifier: MIT
#pragma once
// The header of a VP8 key frame (RFC 6386, sections 9 and 19.2): how macroblocks are quantised and filtered, the
// chances of their coefficients, and the partitions that hold them.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "bool_bits.hpp"
#include "header.hpp"
#include "lossy_tables.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Steps of the first coefficient of a block and of the others.
struct Vp8Steps {
  int first = 0, others = 0;
};

/// What the macroblocks of a segment share.
struct Vp8Segment {
  Vp8Steps luma, luma_dc, chroma;
  std::array<int, 2> filter_level{};  // of macroblocks predicted as a whole, and in blocks
};

struct Vp8Header {
  bool has_segments = false, has_segment_map = false;
  std::array<int, 3> segment_chances{255, 255, 255};
  std::array<Vp8Segment, 4> segments;
  bool has_filter = false, is_simple_filter = false;
  int sharpness = 0;
  int skip_chance = -1;  // of a macroblock having coefficients; -1: all have
  std::array<std::uint8_t, kVp8TokenChances.size()> token_chances = kVp8TokenChances;
  Vp8Bits modes;                // the rest of the first partition
  std::vector<Vp8Bits> tokens;  // the other partitions, whose rows take turns
};

class Vp8HeaderReader {
 public:
  Vp8HeaderReader(Bytes data, std::string_view source) : data_(data), source_(source) {}

  Vp8Header read() {
    ByteReader reader(data_, source_);
    const std::uint32_t tag = reader.u16le() | static_cast<std::uint32_t>(reader.u8()) << 16;
    if ((tag >> 1 & 7u) > 3) reject(concat("its lossy picture is of the version ", tag >> 1 & 7u));
    if ((tag >> 4 & 1u) == 0) reject("its lossy picture is not to be shown");
    reader.skip(3 + 4);  // signature, size
    const std::uint64_t size = tag >> 5;
    if (size > reader.left())
      reject(concat("its first partition has ", counted(size, "byte"), ", of which ", reader.left(), " are there"));
    Vp8Bits bits(reader.take(size));
    bits.number(2);  // colour space, clamping
    read_segments(bits);
    read_filter(bits);
    const int partitions = 1 << bits.number(2);
    read_quantizers(bits);
    bits.number(1);  // whether later frames begin with these chances
    for (std::size_t i = 0; i < kVp8TokenUpdates.size(); ++i)
      if (bits.bit(kVp8TokenUpdates[i])) header_.token_chances[i] = static_cast<std::uint8_t>(bits.number(8));
    if (bits.bit(128)) header_.skip_chance = bits.number(8);
    if (bits.is_overrun()) reject("its header ends early");
    header_.modes = bits;
    read_partitions(reader, partitions);
    return std::move(header_);
  }

 private:
  [[noreturn]] void reject(const std::string& what) const {
    fail(ErrorCode::format, concat(source_, ": damaged WebP: ", what, kCutAdvice));
  }

  void read_segments(Vp8Bits& bits) {
    header_.has_segments = bits.bit(128);
    if (!header_.has_segments) return;
    header_.has_segment_map = bits.bit(128);
    if (bits.bit(128)) {
      are_absolute_ = bits.bit(128);
      for (int& quantizer : quantizers_) quantizer = bits.optional(7);
      for (int& level : levels_) level = bits.optional(6);
    }
    if (header_.has_segment_map)
      for (int& chance : header_.segment_chances) chance = bits.bit(128) ? bits.number(8) : 255;
  }

  void read_filter(Vp8Bits& bits) {
    header_.is_simple_filter = bits.bit(128);
    const int level = bits.number(6);
    header_.has_filter = level != 0;
    header_.sharpness = bits.number(3);
    std::array<int, 4> by_frame{}, by_mode{};
    const bool has_deltas = bits.bit(128);
    if (has_deltas && bits.bit(128))
      for (std::array<int, 4>* const deltas : {&by_frame, &by_mode})
        for (int& delta : *deltas)
          if (bits.bit(128)) delta = bits.with_sign(6);
    for (std::size_t s = 0; s < 4; ++s) {
      int base = level;
      if (header_.has_segments) base = levels_[s] + (are_absolute_ ? 0 : level);
      for (int in_blocks = 0; in_blocks < 2; ++in_blocks) {
        const int delta = has_deltas ? by_frame[0] + (in_blocks != 0 ? by_mode[0] : 0) : 0;
        header_.segments[s].filter_level[static_cast<std::size_t>(in_blocks)] = std::clamp(base + delta, 0, 63);
      }
    }
  }

  void read_quantizers(Vp8Bits& bits) {
    const int base = bits.number(7);
    std::array<int, 5> deltas{};  // of luma's first, luma's DC block, chroma
    for (int& delta : deltas) delta = bits.optional(4);
    const auto dc = [](int q, int most = 127) {
      return int{kVp8DcSteps[static_cast<std::size_t>(std::clamp(q, 0, most))]};
    };
    const auto ac = [](int q) { return int{kVp8AcSteps[static_cast<std::size_t>(std::clamp(q, 0, 127))]}; };
    for (std::size_t s = 0; s < 4; ++s) {
      int q = base;
      if (header_.has_segments) q = quantizers_[s] + (are_absolute_ ? 0 : base);
      Vp8Segment& segment = header_.segments[s];
      segment.luma = {dc(q + deltas[0]), ac(q)};
      segment.luma_dc = {2 * dc(q + deltas[1]), (std::max)(8, ac(q + deltas[2]) * 155 / 100)};
      constexpr int kMostChroma = 117;
      segment.chroma = {dc(q + deltas[3], kMostChroma), ac(q + deltas[4])};
    }
  }

  /// The sizes of all partitions but the last, and then the partitions.
  void read_partitions(ByteReader& reader, int count) {
    std::vector<std::uint64_t> sizes;
    for (int i = 0; i + 1 < count; ++i) {
      const std::uint64_t low = reader.u16le();
      sizes.push_back(low | static_cast<std::uint64_t>(reader.u8()) << 16);
    }
    for (const std::uint64_t size : sizes) header_.tokens.emplace_back(reader.take((std::min)(size, reader.left())));
    if (reader.left() == 0) reject("its coefficients are missing");
    header_.tokens.emplace_back(reader.take(reader.left()));
  }

  Bytes data_;
  std::string source_;
  Vp8Header header_;
  bool are_absolute_ = false;
  std::array<int, 4> quantizers_{}, levels_{};
};

}}}  // namespace moeclip::abi_v0_1::detail
