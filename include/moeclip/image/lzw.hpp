// SPDX-License-Identifier: MIT
#pragma once
// Undoes the LZW compression of GIF and TIFF: each code stands for a string of bytes, and after each code the table
// gets the string before it with one byte more. The two formats differ in the order of bits and in when codes grow.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

enum class LzwKind { gif, tiff };

/// Reads codes of 3 to 12 bits: GIF fills bytes from the lowest bit on, TIFF from the highest.
class LzwBits {
 public:
  LzwBits(Bytes in, LzwKind kind) : in_(in), kind_(kind) {}

  /// The next code, or -1 at the end of the data.
  int read(int width) {
    while (held_ < width) {
      if (at_ == in_.size()) return -1;
      const auto byte = std::to_integer<std::uint32_t>(in_[at_++]);
      bits_ = kind_ == LzwKind::gif ? bits_ | byte << held_ : bits_ << 8 | byte;
      held_ += 8;
    }
    held_ -= width;
    const std::uint32_t mask = (1u << width) - 1;
    if (kind_ == LzwKind::tiff) return static_cast<int>(bits_ >> held_ & mask);
    const std::uint32_t code = bits_ & mask;
    bits_ >>= width;
    return static_cast<int>(code);
  }

 private:
  Bytes in_;
  LzwKind kind_;
  std::size_t at_ = 0;
  std::uint32_t bits_ = 0;
  int held_ = 0;
};

/// The strings that codes stand for, each as the string of another code and a last byte.
class LzwTable {
 public:
  static constexpr int kMost = 4096;

  explicit LzwTable(int literal_bits) : clear_(1 << literal_bits) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(clear_); ++i)
      last_[i] = first_[i] = static_cast<std::uint8_t>(i), length_[i] = 1;
    forget();
  }

  [[nodiscard]] int clear_code() const { return clear_; }
  [[nodiscard]] int end_code() const { return clear_ + 1; }
  [[nodiscard]] int size() const { return size_; }
  void forget() { size_ = clear_ + 2; }

  /// Whether `code` has a string, or gets one by following `before` (-1: nothing).
  [[nodiscard]] bool has(int code, int before) const {
    return code < size_ ? code < clear_ || code > clear_ + 1 : code == size_ && before >= 0 && size_ < kMost;
  }

  /// Adds the string of `before` and the first byte of that of `code`, if there is room.
  void add(int before, int code) {
    if (size_ == kMost) return;
    const auto at = static_cast<std::size_t>(size_), from = static_cast<std::size_t>(before);
    prefix_[at] = static_cast<std::uint16_t>(before);
    first_[at] = first_[from];
    last_[at] = code == size_ ? first_[from] : first_[static_cast<std::size_t>(code)];
    length_[at] = static_cast<std::uint16_t>(length_[from] + 1);
    ++size_;
  }

  /// Writes the string of `code`, as far as it fits, and returns its length so far.
  std::size_t write(int code, std::span<std::uint8_t> out) const {
    auto at = static_cast<std::size_t>(code);
    std::size_t length = length_[at];
    for (; length > out.size(); --length) at = prefix_[at];
    for (std::size_t i = length; i-- > 0; at = prefix_[at]) out[i] = last_[at];
    return length;
  }

 private:
  int clear_, size_ = 0;
  std::array<std::uint16_t, kMost> prefix_ = {}, length_ = {};
  std::array<std::uint8_t, kMost> first_ = {}, last_ = {};
};

/// Expands the codes in `in` into `out` and returns how many bytes there were for it; what is more is left. Throws
/// format, naming `source`, for a code that cannot stand where it does.
MOECLIP_COLD inline std::size_t expand_lzw(Bytes in, int literal_bits, LzwKind kind, std::span<std::uint8_t> out,
                                           std::string_view source) {
  LzwTable table(literal_bits);
  LzwBits bits(in, kind);
  const int early = kind == LzwKind::tiff ? 1 : 0;  // TIFF's codes grow one sooner
  int before = -1, width = literal_bits + 1;
  std::size_t filled = 0;
  while (filled < out.size()) {
    const int code = bits.read(width);
    if (code < 0 || code == table.end_code()) break;
    if (code == table.clear_code()) {
      table.forget();
      before = -1, width = literal_bits + 1;
      continue;
    }
    if (!table.has(code, before))
      fail(ErrorCode::format, concat(source,
                                     ": damaged picture: its compressed data (LZW) hold a code that does not "
                                     "exist, after ",
                                     counted(filled, "byte"), "; get the file again"));
    if (before >= 0) table.add(before, code);
    filled += table.write(code, out.subspan(filled));
    before = code;
    if (table.size() + early >= 1 << width && width < 12) ++width;
  }
  return filled;
}

}}}  // namespace moeclip::abi_v0_1::detail
