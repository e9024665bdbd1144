// SPDX-License-Identifier: MIT
#pragma once
// Draws boxes, lines, text and other pictures on a picture. What lies outside of the picture is cut off. On a gray
// picture a colour becomes its luma. `alpha` is how much of the colour covers what is below, from 0 to 1.

#include <cmath>
#include <string_view>

#include "font.hpp"
#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline std::uint8_t mix(std::uint8_t below, std::uint8_t above, double alpha) {
  return static_cast<std::uint8_t>(std::lround((1 - alpha) * below + alpha * above));
}

}  // namespace detail

/// Pixels [x, x + width) of rows [y, y + height).
struct Box {
  index_t x = 0;       // column of the left edge, from 0; may lie outside of the picture
  index_t y = 0;       // row of the top edge, from 0; may lie outside of the picture
  index_t width = 0;   // pixels
  index_t height = 0;  // pixels
};

/// Fills `box` with `color`.
void fill_box(Image& image, const Box& box, Rgb color, double alpha = 1.0);

/// Draws the outline of `box`, `thickness` pixels wide, inside of it.
void draw_box(Image& image, const Box& box, Rgb color, index_t thickness = 1, double alpha = 1.0);

/// Draws a line of single pixels from (x0, y0) to (x1, y1), both included. Coordinates within +-2^20.
void draw_line(Image& image, index_t x0, index_t y0, index_t x1, index_t y1, Rgb color);

/// Width in pixels of `text` at `scale`; the height is 7 * scale.
constexpr index_t text_width(std::string_view text, index_t scale = 1) {
  return text.empty() ? 0 : (static_cast<index_t>(text.size()) * (detail::kGlyphWidth + 1) - 1) * scale;
}

/// Writes `text` (ASCII; other bytes appear as question marks) with its upper left corner at (x, y), each pixel of the
/// 5 x 7 font `scale` pixels wide.
void draw_text(Image& image, index_t x, index_t y, std::string_view text, Rgb color, index_t scale = 1);

/// Copies `picture` onto `image` with its upper left corner at (x, y). A gray picture may go onto an RGB image.
void paste(Image& image, ImageView picture, index_t x, index_t y);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The part of `box` that lies in `image`; its width and height may be zero, never negative.
inline Box clip_box(const Image& image, const Box& box) {
  constexpr index_t kFar = index_t{1} << 40;  // beyond every picture, and sums of two of them still fit
  const auto bounded = [=](index_t value) { return std::clamp(value, -kFar, kFar); };
  const index_t x = std::clamp<index_t>(bounded(box.x), 0, image.width());
  const index_t y = std::clamp<index_t>(bounded(box.y), 0, image.height());
  const index_t right = std::clamp<index_t>(bounded(box.x) + bounded(box.width), x, image.width());
  const index_t bottom = std::clamp<index_t>(bounded(box.y) + bounded(box.height), y, image.height());
  return {x, y, right - x, bottom - y};
}

}  // namespace detail

MOECLIP_FUNC void fill_box(Image& image, const Box& box, Rgb color, double alpha) {
  MOECLIP_EXPECT(alpha >= 0 && alpha <= 1, "an alpha of ", alpha, " is not in [0, 1]");
  const Box part = detail::clip_box(image, box);
  const bool is_gray = image.channels() == 1;
  const Rgb ink = is_gray ? Rgb{luma(color.red, color.green, color.blue), 0, 0} : color;
  for (index_t y = part.y; y < part.y + part.height; ++y) {
    std::uint8_t* pixel = image.row(y) + part.x * image.channels();
    for (index_t x = 0; x < part.width; ++x) {
      pixel[0] = detail::mix(pixel[0], ink.red, alpha);
      if (!is_gray) {
        pixel[1] = detail::mix(pixel[1], ink.green, alpha);
        pixel[2] = detail::mix(pixel[2], ink.blue, alpha);
      }
      pixel += image.channels();
    }
  }
}

MOECLIP_FUNC void draw_box(Image& image, const Box& box, Rgb color, index_t thickness, double alpha) {
  const index_t t = (std::min)({thickness, box.width, box.height});
  fill_box(image, {box.x, box.y, box.width, t}, color, alpha);
  if (box.height > t) fill_box(image, {box.x, box.y + box.height - t, box.width, t}, color, alpha);
  const index_t inner = box.height - 2 * t;  // what the horizontal sides leave
  fill_box(image, {box.x, box.y + t, t, inner}, color, alpha);
  if (box.width > t) fill_box(image, {box.x + box.width - t, box.y + t, t, inner}, color, alpha);
}

MOECLIP_FUNC void draw_line(Image& image, index_t x0, index_t y0, index_t x1, index_t y1, Rgb color) {
  constexpr index_t kMost = index_t{1} << 20;
  for (const index_t coordinate : {x0, y0, x1, y1})
    MOECLIP_EXPECT(std::abs(coordinate) <= kMost, "a line through ", coordinate, " is too long to draw");
  const index_t steps = std::max<index_t>({std::abs(x1 - x0), std::abs(y1 - y0), 1});
  for (index_t i = 0; i <= steps; ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(steps);
    const auto x = static_cast<index_t>(std::lround(static_cast<double>(x0) + part * static_cast<double>(x1 - x0)));
    const auto y = static_cast<index_t>(std::lround(static_cast<double>(y0) + part * static_cast<double>(y1 - y0)));
    fill_box(image, {x, y, 1, 1}, color);
  }
}

MOECLIP_FUNC void draw_text(Image& image, index_t x, index_t y, std::string_view text, Rgb color, index_t scale) {
  MOECLIP_EXPECT(scale >= 1 && scale <= 1000, "a text scale of ", scale);
  for (const char letter : text) {
    const std::string_view rows = detail::glyph_rows(letter);
    for (index_t row = 0; row < detail::kGlyphHeight; ++row)
      for (index_t column = 0; column < detail::kGlyphWidth; ++column)
        if (detail::has_glyph_pixel(rows[static_cast<std::size_t>(row)], column))
          fill_box(image, {x + column * scale, y + row * scale, scale, scale}, color);
    x += (detail::kGlyphWidth + 1) * scale;
  }
}

MOECLIP_FUNC void paste(Image& image, ImageView picture, index_t x, index_t y) {
  MOECLIP_EXPECT(picture.channels == image.channels() || picture.channels == 1,
                 "an RGB picture cannot be pasted onto a gray one");
  const Box part = detail::clip_box(image, {x, y, picture.width, picture.height});
  for (index_t v = part.y; v < part.y + part.height; ++v) {
    const std::uint8_t* source = picture.row(v - y) + (part.x - x) * picture.channels;
    std::uint8_t* target = image.row(v) + part.x * image.channels();
    for (index_t i = 0; i < part.width * image.channels(); ++i)
      target[i] = picture.channels == image.channels() ? source[i] : source[i / image.channels()];
  }
}

}}  // namespace moeclip::abi_v0_1

#endif
