// SPDX-License-Identifier: MIT
#pragma once
// A picture in memory is rows of interleaved 8-bit samples, gray (1 channel) or RGB (3), top row first. `ImageView` is
// a window on somebody's pixels (a camera buffer, a part of an image); `Image` owns them.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "../base/arena.hpp"
#include "../base/error.hpp"
#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Most pixels that one image may have: 2^28, a square of 16384.
inline constexpr index_t kMaxPixels = index_t{1} << 28;

/// A colour of three bytes.
struct Rgb {
  std::uint8_t red = 0, green = 0, blue = 0;  ///< 0 dark, 255 bright
  friend bool operator==(const Rgb&, const Rgb&) = default;
};

/// What a decoder is asked for. Gray is Pillow's convert('L'), ITU-R 601 luma (`luma` below).
enum class PixelKind { rgb, gray };

/// Samples per pixel.
constexpr index_t channels_of(PixelKind kind) { return kind == PixelKind::rgb ? 3 : 1; }

/// Gray of an RGB colour: 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, rounded. luma(v, v, v) is v.
constexpr std::uint8_t luma(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return static_cast<std::uint8_t>((red * 19595u + green * 38470u + blue * 7471u + 0x8000u) >> 16);
}

/// Pixel (x, y) starts at data[y * row_stride + x * channels]. The pixels must outlive the view.
struct ImageView {
  const std::uint8_t* data = nullptr;  // first byte of the top row
  index_t width = 0;                   // pixels
  index_t height = 0;                  // pixels
  index_t channels = 3;                // 1 gray, 3 RGB
  index_t row_stride = 0;              // bytes from one row to the next, at least width * channels

  /// First byte of row y; the top row is row 0.
  [[nodiscard]] const std::uint8_t* row(index_t y) const { return data + y * row_stride; }
};

/// Owns width * height pixels without gaps between rows. Copies are deep.
class Image {
 public:
  /// No pixels.
  Image() = default;

  /// Pixels to be written before they are read. `channels` is 1 or 3. Throws limit beyond kMaxPixels.
  Image(index_t width, index_t height, index_t channels)
      : width_(width), height_(height), channels_(channels), pixels_(checked_size(width, height, channels)) {}

  Image(Image&& other) noexcept
      : width_(std::exchange(other.width_, 0)),
        height_(std::exchange(other.height_, 0)),
        channels_(other.channels_),
        pixels_(std::move(other.pixels_)) {}
  Image& operator=(Image&& other) noexcept {
    std::swap(width_, other.width_);
    std::swap(height_, other.height_);
    std::swap(channels_, other.channels_);
    std::swap(pixels_, other.pixels_);
    return *this;
  }
  Image(const Image& other) : Image(other.width_, other.height_, other.channels_) {
    std::copy_n(other.data(), other.size(), data());
  }
  Image& operator=(const Image& other) {
    if (this != &other) *this = Image(other);
    return *this;
  }
  ~Image() = default;

  [[nodiscard]] index_t width() const noexcept { return width_; }                   ///< pixels
  [[nodiscard]] index_t height() const noexcept { return height_; }                 ///< pixels
  [[nodiscard]] index_t channels() const noexcept { return channels_; }             ///< 1 gray, 3 RGB
  [[nodiscard]] index_t row_stride() const noexcept { return width_ * channels_; }  ///< bytes from one row to the next
  [[nodiscard]] index_t size() const noexcept { return pixels_.size(); }            ///< bytes
  [[nodiscard]] bool empty() const noexcept { return pixels_.empty(); }             ///< no pixels

  /// First byte of the top row; the others follow without gaps.
  [[nodiscard]] std::uint8_t* data() noexcept { return pixels_.data(); }
  [[nodiscard]] const std::uint8_t* data() const noexcept { return pixels_.data(); }
  /// First byte of row y; the top row is row 0.
  [[nodiscard]] std::uint8_t* row(index_t y) noexcept { return data() + y * row_stride(); }
  [[nodiscard]] const std::uint8_t* row(index_t y) const noexcept { return data() + y * row_stride(); }

  /// A view of the whole image, valid while the image lives and is not assigned to.
  [[nodiscard]] ImageView view() const noexcept { return {data(), width_, height_, channels_, row_stride()}; }

  /// Sets every sample of every pixel to `value`.
  void fill(std::uint8_t value) { std::fill_n(data(), size(), value); }

 private:
  static index_t checked_size(index_t width, index_t height, index_t channels) {
    MOECLIP_EXPECT(width >= 0 && height >= 0, "an image of ", width, "x", height, " pixels cannot exist");
    MOECLIP_EXPECT(channels == 1 || channels == 3, "an image has 1 or 3 channels, not ", channels);
    if (width > 0 && height > kMaxPixels / width)
      fail(ErrorCode::limit, concat("an image of ", width, "x", height, " pixels is larger than the ",
                                    index_t{kMaxPixels}, " pixels that are allowed"));
    return width * height * channels;
  }

  index_t width_ = 0;
  index_t height_ = 0;
  index_t channels_ = 3;
  AlignedBuffer<std::uint8_t> pixels_;
};

}}  // namespace moeclip::abi_v0_1
