// SPDX-License-Identifier: MIT
#pragma once
// Decompresses deflate data (RFC 1951), bare or in a zlib (RFC 1950) or gzip (RFC 1952) wrapping. What zlib accepts is
// accepted and what it refuses is refused. Memory grows with what has really been decoded, not with the size that a
// header promises.

#include <algorithm>
#include <cstring>
#include <vector>

#include "../../base/lists.hpp"
#include "../checksum.hpp"
#include "format.hpp"
#include "huffman.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// The bits of a byte sequence, lowest first. Beyond the end come zeros, which `is_overrun` tells from real ones.
struct BitSource {
  const std::byte* next;
  const std::byte* end;
  std::uint64_t bits = 0;     // those that come next, lowest first
  unsigned count = 0;         // how many of them are there; the ones above are right too, but not all that follow
  std::uint64_t missing = 0;  // bytes of zeros that were added after the end

  explicit BitSource(Bytes bytes) : next(bytes.data()), end(bytes.data() + bytes.size()) {}

  /// Makes at least 56 bits available.
  void refill() {
    if (end - next >= 8) [[likely]] {
      bits |= load_u64le(next) << count;
      next += (63 - count) >> 3;
      count |= 56;
      return;
    }
    for (; count < 56; count += 8) {
      if (next == end) {
        ++missing;
      } else {
        bits |= std::to_integer<std::uint64_t>(*next++) << count;
      }
    }
  }

  void drop(unsigned number) {
    bits >>= number;
    count -= number;
  }

  std::uint32_t take(unsigned number) {
    const auto value = static_cast<std::uint32_t>(bits & ((std::uint64_t{1} << number) - 1));
    drop(number);
    return value;
  }

  /// Value of an entry plus the extra bits that follow its code; both are dropped.
  std::uint32_t take_value(std::uint32_t entry) {
    const unsigned code_bits = entry >> 8 & 15;
    return (entry >> 16) + (take(entry & 63) >> code_bits);
  }

  /// Value of an entry without extra bits: a byte.
  std::byte take_literal(std::uint32_t entry) {
    drop(entry & 63);
    return static_cast<std::byte>(entry >> 16);
  }

  /// True once bits beyond the end have been taken.
  [[nodiscard]] bool is_overrun() const { return missing * 8 > count; }

  /// Goes on at the next whole byte, giving back those that were loaded in advance. Not after an overrun.
  void align() {
    next -= count / 8 - missing;
    bits = 0;
    count = 0;
    missing = 0;
  }
};

using LengthDecoder = HuffmanDecoder<11, 15, 288>;  // literals, lengths and the end of block
using DistanceDecoder = HuffmanDecoder<8, 15, 32>;
using MetaDecoder = HuffmanDecoder<7, 7, 19>;  // the code that the code lengths of the other two are written in

/// The two codes of a block.
struct BlockCodes {
  LengthDecoder lengths;
  DistanceDecoder distances;

  /// The fixed ones of section 3.2.6, made once.
  static const BlockCodes& fixed() {
    static const BlockCodes codes = [] {
      BlockCodes made;
      made.lengths.build(kFixedLengthBits, kLengthMeanings, false);
      made.distances.build(kFixedDistanceBits, kDistanceMeanings, false);
      return made;
    }();
    return codes;
  }
};

/// Copies `length` bytes from `distance` before `to`. They may overlap: what is written is then read again. Up to 15
/// bytes beyond may be written too.
inline void copy_match(std::byte* to, std::size_t distance, std::size_t length) {
  constexpr std::size_t kStep = 16;
  std::byte* const end = to + length;
  if (distance < kStep) {
    // The first bytes one by one; then the pattern stands often enough to be copied from a multiple of its length away.
    for (std::size_t i = 0; i < kStep; ++i) to[i] = (to - distance)[i];
    to += kStep;
    distance *= (kStep + distance - 1) / distance;
  }
  for (; to < end; to += kStep) std::memcpy(to, to - distance, kStep);
}

/// Decodes one deflate stream after the other from one input into one output.
class Inflater {
 public:
  Inflater(Bytes in, std::uint64_t max_output, std::string_view source)
      : all_(in), in_(in), max_output_(max_output), source_(source) {
    constexpr std::uint64_t kSmallest = 1 << 12;
    resize(std::max<std::uint64_t>(kSmallest, std::uint64_t{2} * in.size()));
  }

  /// Decodes the stream that starts at byte `offset` of the input; gives the offset of what follows it.
  std::uint64_t run(std::uint64_t offset) {
    in_ = BitSource(all_.subspan(static_cast<std::size_t>(offset)));
    stream_start_ = filled_;
    for (bool is_last = false; !is_last;) {
      in_.refill();
      is_last = in_.take(1) != 0;
      switch (in_.take(2)) {
        case 0: stored_block(); break;
        case 1: compressed_block(BlockCodes::fixed()); break;
        case 2:
          read_codes();
          compressed_block(codes_);
          break;
        default: fail_here("a block of the unknown type 3");
      }
      if (filled_ > max_output_) fail_limit();
    }
    in_.align();
    return static_cast<std::uint64_t>(in_.next - all_.data());
  }

  /// What has been decoded so far.
  [[nodiscard]] Bytes output() const { return Bytes(out_).first(filled_); }

  /// The same, to keep.
  std::vector<std::byte> release() {
    out_.resize(filled_);
    return std::move(out_);
  }

 private:
  // One turn of the decoding loop writes two literals and a match of 258, which is copied in steps of 16.
  static constexpr std::size_t kSlack = 288;

  [[noreturn]] void fail_here(std::string_view what) const {
    if (in_.is_overrun()) what = "truncated";
    fail(ErrorCode::format, concat(source_, ": compressed data: ", what, ", at byte ", in_.next - all_.data(),
                                   " of it and after ", counted(filled_, "byte"), " of output", kCutAdvice));
  }

  [[noreturn]] void fail_limit() const {
    fail(ErrorCode::limit, concat(source_, ": compressed data: more comes out than the ", counted(max_output_, "byte"),
                                  " that are allowed here"));
  }

  /// Room for `capacity` bytes, at most as many as are allowed, and the slack.
  void resize(std::uint64_t capacity) {
    out_.resize(static_cast<std::size_t>((std::min)(capacity, max_output_)) + kSlack);
  }

  /// Room for `more` bytes and the slack. Doubling keeps the cost of moving in proportion to the output; the last step
  /// goes to the limit at once, so that old and new room together are at most one and a half times the limit.
  void make_room(std::size_t more) {
    if (filled_ > max_output_ || more > max_output_ - filled_) fail_limit();
    if (out_.size() - filled_ >= more + kSlack) return;
    const std::uint64_t capacity = std::max<std::uint64_t>(filled_ + more, 2 * out_.size());
    resize(capacity > max_output_ / 2 ? max_output_ : capacity);
  }

  void stored_block() {
    if (in_.is_overrun()) fail_here("truncated");
    in_.align();
    const Bytes left(in_.next, in_.end);
    if (left.size() < 4) fail_here("truncated");
    const std::size_t length = load_u16le(left.data());
    if (length != (load_u16le(left.data() + 2) ^ 0xFFFFu)) fail_here("a stored block whose two lengths disagree");
    if (left.size() - 4 < length) fail_here("truncated");
    make_room(length);
    std::copy_n(left.data() + 4, length, out_.data() + filled_);
    filled_ += length;
    in_.next += 4 + length;
  }

  /// Reads the codes of a dynamic block (section 3.2.7) into codes_.
  void read_codes() {
    const std::size_t length_symbols = in_.take(5) + 257;
    const std::size_t distance_symbols = in_.take(5) + 1;
    const std::size_t meta_symbols = in_.take(4) + 4;
    if (length_symbols > 286 || distance_symbols > 30) fail_here("too many length or distance codes");
    std::array<std::uint8_t, 19> meta_lengths{};
    for (std::size_t i = 0; i < meta_symbols; ++i) {
      in_.refill();
      meta_lengths[kMetaOrder[i]] = static_cast<std::uint8_t>(in_.take(3));
    }
    MetaDecoder meta;
    if (!meta.build(meta_lengths, kMetaMeanings, false)) fail_here("the code lengths have no valid code");

    std::array<std::uint8_t, 286 + 30> storage{};
    const auto lengths = std::span(storage).first(length_symbols + distance_symbols);
    read_code_lengths(meta, lengths);
    if (lengths[256] == 0) fail_here("a block without a code for its end");
    if (!codes_.lengths.build(lengths.first(length_symbols), kLengthMeanings, true))
      fail_here("the literals and lengths have no valid code");
    if (!codes_.distances.build(lengths.subspan(length_symbols), kDistanceMeanings, true))
      fail_here("the distances have no valid code");
  }

  /// Reads code lengths, which are written as themselves (0 to 15) or as repetitions (16 to 18).
  void read_code_lengths(const MetaDecoder& meta, std::span<std::uint8_t> lengths) {
    for (std::size_t i = 0; i < lengths.size();) {
      in_.refill();
      const std::uint32_t symbol = in_.take_value(meta.find(in_.bits));
      if (in_.is_overrun()) fail_here("truncated");
      if (symbol < 16) {
        lengths[i++] = static_cast<std::uint8_t>(symbol);
        continue;
      }
      if (symbol == 16 && i == 0) fail_here("a code length that repeats nothing");
      const std::uint8_t repeated = symbol == 16 ? lengths[i - 1] : std::uint8_t{0};
      const std::size_t times = symbol == 16 ? 3 + in_.take(2) : symbol == 17 ? 3 + in_.take(3) : 11 + in_.take(7);
      if (times > lengths.size() - i) fail_here("more code lengths than were announced");
      lists::fill(lengths.subspan(i, times), repeated);
      i += times;
    }
  }

  /// Decodes until the end of the block. The state is kept in locals, that is, in registers.
  void compressed_block(const BlockCodes& codes) {
    using Entry = HuffmanEntry;
    BitSource in = in_;
    std::byte* out = out_.data();
    std::size_t filled = filled_;
    const char* problem = nullptr;
    while (!in.is_overrun()) {
      if (out_.size() - filled < kSlack) [[unlikely]] {
        filled_ = filled;
        make_room(0);
        out = out_.data();
      }
      in.refill();  // enough for three literals (45 bits), or for a length and its distance (48)
      std::uint32_t entry = codes.lengths.find(in.bits);
      if ((entry & Entry::kLiteral) != 0) {
        out[filled++] = in.take_literal(entry);
        entry = codes.lengths.find(in.bits);
        if ((entry & Entry::kLiteral) != 0) {
          out[filled++] = in.take_literal(entry);
          entry = codes.lengths.find(in.bits);
          if ((entry & Entry::kLiteral) != 0) {
            out[filled++] = in.take_literal(entry);
            continue;
          }
        }
        in.refill();
      }
      const std::size_t length = in.take_value(entry);
      if ((entry & (Entry::kEnd | Entry::kInvalid)) != 0) [[unlikely]] {
        if ((entry & Entry::kInvalid) != 0) problem = "a length code without meaning";
        break;
      }
      entry = codes.distances.find(in.bits);
      const std::size_t distance = in.take_value(entry);
      if ((entry & Entry::kInvalid) != 0 || distance > filled - stream_start_) [[unlikely]] {
        problem = "a distance without meaning, or beyond the start";
        break;
      }
      copy_match(out + filled, distance, length);
      filled += length;
    }
    in_ = in;
    filled_ = filled;
    if (problem != nullptr || in_.is_overrun()) fail_here(problem != nullptr ? problem : "truncated");
  }

  Bytes all_;
  BitSource in_;
  std::uint64_t max_output_;
  std::string_view source_;
  std::vector<std::byte> out_;    // decoded bytes, then room
  std::size_t filled_ = 0;        // decoded bytes
  std::size_t stream_start_ = 0;  // where the output of the present stream begins: no distance reaches further back
  BlockCodes codes_;              // of the present block
};

/// Fails unless `found` is what the end of a stream promises.
inline void expect_trailer(std::string_view source, std::string_view what, std::uint32_t found, std::uint32_t wanted) {
  if (found != wanted)
    fail(ErrorCode::format,
         concat(source, ": compressed data: corrupt: ", what, " is ", found, ", the file says ", wanted));
}

/// Skips the header of a gzip member (RFC 1952, section 2.3).
inline void skip_gzip_header(ByteReader& reader) {
  constexpr unsigned kHeaderCrc = 2, kExtra = 4, kName = 8, kComment = 16, kReserved = 0xE0;
  if (reader.u16le() != 0x8B1F || reader.u8() != 8)
    fail(ErrorCode::format, concat(reader.source(), ": no gzip data before offset ", reader.offset()));
  const unsigned flags = reader.u8();
  if ((flags & kReserved) != 0)
    fail(ErrorCode::unsupported, concat(reader.source(), ": a gzip header with the unknown flags ", flags));
  reader.skip(6);  // time, compression level, system
  if ((flags & kExtra) != 0) reader.skip(reader.u16le());
  for (const unsigned text : {kName, kComment})
    while ((flags & text) != 0 && reader.u8() != 0) {
    }
  if ((flags & kHeaderCrc) != 0) reader.skip(2);
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1
