// SPDX-License-Identifier: MIT
#pragma once
// Reading bytes: a span of them, integers assembled from them, and a cursor that checks every read against the end and
// names its source when something is missing.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "../base/error.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A run of bytes that may only be read and belongs to someone else, who must keep it.
using Bytes = std::span<const std::byte>;

/// The bytes of `text`, which must outlive the result.
inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

/// `bytes` as characters; they must outlive the result. Nothing is checked: it need not be UTF-8.
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// The 2 bytes at `p` as an integer, low byte first (le), whatever its alignment and the machine's byte order.
/// Compilers make one load of this, and of each of the following.
inline std::uint16_t load_u16le(const std::byte* p) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(p[0]) | std::to_integer<unsigned>(p[1]) << 8);
}
/// The 2 bytes at `p`, high byte first (be).
inline std::uint16_t load_u16be(const std::byte* p) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(p[0]) << 8 | std::to_integer<unsigned>(p[1]));
}
/// The 4 bytes at `p`, low byte first.
inline std::uint32_t load_u32le(const std::byte* p) {
  return std::to_integer<std::uint32_t>(p[0]) | std::to_integer<std::uint32_t>(p[1]) << 8 |
         std::to_integer<std::uint32_t>(p[2]) << 16 | std::to_integer<std::uint32_t>(p[3]) << 24;
}
/// The 4 bytes at `p`, high byte first.
inline std::uint32_t load_u32be(const std::byte* p) {
  return std::to_integer<std::uint32_t>(p[0]) << 24 | std::to_integer<std::uint32_t>(p[1]) << 16 |
         std::to_integer<std::uint32_t>(p[2]) << 8 | std::to_integer<std::uint32_t>(p[3]);
}
/// The 8 bytes at `p`, low byte first.
inline std::uint64_t load_u64le(const std::byte* p) {
  return std::to_integer<std::uint64_t>(p[0]) | std::to_integer<std::uint64_t>(p[1]) << 8 |
         std::to_integer<std::uint64_t>(p[2]) << 16 | std::to_integer<std::uint64_t>(p[3]) << 24 |
         std::to_integer<std::uint64_t>(p[4]) << 32 | std::to_integer<std::uint64_t>(p[5]) << 40 |
         std::to_integer<std::uint64_t>(p[6]) << 48 | std::to_integer<std::uint64_t>(p[7]) << 56;
}
/// The 8 bytes at `p`, high byte first.
inline std::uint64_t load_u64be(const std::byte* p) {
  return static_cast<std::uint64_t>(load_u32be(p)) << 32 | load_u32be(p + 4);
}

/// What to do about a file that ends too early, to follow what is missing in a message.
inline constexpr std::string_view kCutAdvice =
    "; the file is cut off (an interrupted copy or download?) or damaged: get it again";

/// A cursor on the bytes of a named source. Every read is checked; one that goes beyond the end throws format:
/// "<source>: truncated: 4 bytes wanted at offset 12, 2 left" and kCutAdvice.
class ByteReader {
 public:
  /// `bytes` must outlive the reader; `source` is the name that messages begin with, usually a path.
  ByteReader(Bytes bytes, std::string_view source) : bytes_(bytes), source_(source) {}

  std::uint8_t u8() { return std::to_integer<std::uint8_t>(*advance(1)); }  ///< the next byte
  std::uint16_t u16le() { return load_u16le(advance(2)); }                  ///< the next 2 bytes, low byte first
  std::uint16_t u16be() { return load_u16be(advance(2)); }                  ///< the next 2 bytes, high byte first
  std::uint32_t u32le() { return load_u32le(advance(4)); }                  ///< the next 4 bytes, low byte first
  std::uint32_t u32be() { return load_u32be(advance(4)); }                  ///< the next 4 bytes, high byte first
  std::uint64_t u64le() { return load_u64le(advance(8)); }                  ///< the next 8 bytes, low byte first
  std::uint64_t u64be() { return load_u64be(advance(8)); }                  ///< the next 8 bytes, high byte first

  /// The next `count` bytes, which stay where they are.
  Bytes take(std::uint64_t count) {
    const std::byte* first = advance(count);
    return {first, static_cast<std::size_t>(count)};
  }

  /// Passes over the next `count` bytes.
  void skip(std::uint64_t count) { advance(count); }

  /// Moves to `offset` bytes from the start; the end itself is allowed. Throws format beyond it.
  void seek(std::uint64_t offset) {
    if (offset > size()) [[unlikely]]
      fail_beyond(offset);
    offset_ = static_cast<std::size_t>(offset);
  }

  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }      ///< bytes from the start to the cursor
  [[nodiscard]] std::uint64_t size() const noexcept { return bytes_.size(); }  ///< bytes in all
  [[nodiscard]] std::uint64_t left() const noexcept { return bytes_.size() - offset_; }  ///< bytes not read yet
  /// The name that messages begin with.
  [[nodiscard]] const std::string& source() const noexcept { return source_; }

 private:
  [[noreturn]] MOECLIP_COLD void fail_truncated(std::uint64_t count) const {
    fail(ErrorCode::format, concat(source_, ": truncated: ", counted(count, "byte"), " wanted at offset ", offset_,
                                   ", ", left(), " left", kCutAdvice));
  }
  [[noreturn]] MOECLIP_COLD void fail_beyond(std::uint64_t offset) const {
    fail(ErrorCode::format,
         concat(source_, ": offset ", offset, " lies beyond the end, which is at ", size(), kCutAdvice));
  }

  const std::byte* advance(std::uint64_t count) {
    if (count > left()) [[unlikely]]
      fail_truncated(count);
    const std::byte* here = bytes_.data() + offset_;
    offset_ += static_cast<std::size_t>(count);
    return here;
  }

  Bytes bytes_;
  std::string source_;
  std::size_t offset_ = 0;
};

}}  // namespace moeclip::abi_v0_1
