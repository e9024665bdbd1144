// SPDX-License-Identifier: MIT
#pragma once
// What figures are made up of: small pictures with a line of text, in columns on a dark ground. Sizes are such that two
// columns of the usual panels, shown 320 pixels wide on a phone, still have letters 8 pixels high.

#include <string>
#include <vector>

#include "../image/resize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A picture with a line of text below it.
struct Panel {
  std::string label;  ///< the line of text
  Image picture;      ///< RGB
};

/// Panels in `columns`, row by row, each with its label below.
Image arrange(const std::vector<Panel>& panels, index_t columns);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <algorithm>
#include <utility>
#include <vector>

#include "../image/colormap.hpp"
#include "../image/draw.hpp"
#include "../image/upsample.hpp"

namespace moeclip { inline namespace abi_v0_1 {
namespace detail {

inline constexpr index_t kPanelSide = 256;  // pixels
inline constexpr index_t kPanelText = 2;    // scale of the font: 21 letters on a panel
inline constexpr index_t kPanelGap = 8;
inline constexpr index_t kPanelLine = 9 * kPanelText;  // height of a line of text
inline constexpr std::uint8_t kPanelGround = 24;
inline constexpr Rgb kPanelInk{235, 235, 235}, kPanelFaint{150, 150, 150};

/// An empty picture in the colour of the ground.
inline Image ground(index_t width, index_t height) {
  Image image(width, height, 3);
  image.fill(kPanelGround);
  return image;
}

/// `text`, cut to what `width` pixels hold.
inline std::string fitting_text(const std::string& text, index_t width) {
  const auto letters = static_cast<std::size_t>(std::max<index_t>(0, (width + kPanelText) / (6 * kPanelText)));
  return text.size() <= letters ? text : text.substr(0, letters);
}

/// Several pictures below each other.
inline Image stack(const std::vector<Image>& pictures) {
  index_t width = 0, height = 0;
  for (const Image& picture : pictures) {
    width = (std::max)(width, picture.width());
    height += picture.height();
  }
  Image page = ground(width, height);
  index_t y = 0;
  for (const Image& picture : pictures) {
    paste(page, picture.view(), 0, y);
    y += picture.height();
  }
  return page;
}

/// Lines of text on the ground, `width` pixels wide, broken between words.
inline Image text_block(const std::string& text, index_t width) {
  std::vector<std::string> lines(1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = (std::min)(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    const std::string longer = lines.back().empty() ? word : lines.back() + " " + word;
    if (text_width(longer, kPanelText) <= width - 2 * kPanelGap || lines.back().empty()) {
      lines.back() = longer;
    } else {
      lines.push_back(word);
    }
    at = end + 1;
  }
  Image block = ground(width, kPanelGap + std::ssize(lines) * kPanelLine);
  for (index_t i = 0; i < std::ssize(lines); ++i)
    draw_text(block, kPanelGap, kPanelGap + i * kPanelLine,
              fitting_text(lines[static_cast<std::size_t>(i)], width - 2 * kPanelGap), kPanelInk, kPanelText);
  return block;
}

/// The picture in dim gray, a ground on which colours are seen. Few levels of gray: half the bytes as a file.
inline Image dim_picture(const Image& picture, index_t width, index_t height) {
  Image image = resize_bicubic(picture.view(), width, height);
  for (index_t i = 0; i < width * height; ++i) {
    std::uint8_t* pixel = image.data() + 3 * i;
    const std::uint8_t gray = luma(pixel[0], pixel[1], pixel[2]);
    std::fill_n(pixel, 3, static_cast<std::uint8_t>(20 + gray / 8 * 4));
  }
  return image;
}

/// Lays a colour over pixel i of an RGB picture.
inline void cover_pixel(Image& image, index_t i, Rgb color, double alpha) {
  std::uint8_t* pixel = image.data() + 3 * i;
  pixel[0] = mix(pixel[0], color.red, alpha);
  pixel[1] = mix(pixel[1], color.green, alpha);
  pixel[2] = mix(pixel[2], color.blue, alpha);
}

/// Outlines of where is_inside(x, y) on a grid of columns x rows cells that covers the picture: a line in `color` with
/// a dark one beside it.
template <class Inside>
void outline_cells(Image& picture, index_t columns, index_t rows, const Inside& is_inside, Rgb color, index_t line) {
  const auto draw_edges = [&](Rgb ink, index_t grow) {
    for (index_t y = 0; y < rows; ++y)
      for (index_t x = 0; x < columns; ++x) {
        if (!is_inside(x, y)) continue;
        const index_t left = x * picture.width() / columns, right = (x + 1) * picture.width() / columns;
        const index_t top = y * picture.height() / rows, bottom = (y + 1) * picture.height() / rows;
        const auto is_edge = [&](index_t i, index_t j) {
          return i >= 0 && j >= 0 && i < columns && j < rows && !is_inside(i, j);
        };
        const index_t t = line + grow;
        if (is_edge(x - 1, y)) fill_box(picture, {left - grow, top - grow, t, bottom - top + 2 * grow}, ink);
        if (is_edge(x + 1, y)) fill_box(picture, {right - line, top - grow, t, bottom - top + 2 * grow}, ink);
        if (is_edge(x, y - 1)) fill_box(picture, {left - grow, top - grow, right - left + 2 * grow, t}, ink);
        if (is_edge(x, y + 1)) fill_box(picture, {left - grow, bottom - line, right - left + 2 * grow, t}, ink);
      }
  };
  draw_edges({10, 10, 10}, 1);
  draw_edges(color, 0);
}

}  // namespace detail

MOECLIP_FUNC Image arrange(const std::vector<Panel>& panels, index_t columns) {
  index_t width = 0, height = 0;
  for (const Panel& panel : panels) {
    width = (std::max)(width, panel.picture.width());
    height = (std::max)(height, panel.picture.height());
  }
  const index_t rows = (std::ssize(panels) + columns - 1) / columns,
                step = height + detail::kPanelLine + detail::kPanelGap;
  Image page =
      detail::ground(detail::kPanelGap + columns * (width + detail::kPanelGap), detail::kPanelGap + rows * step);
  for (index_t i = 0; i < std::ssize(panels); ++i) {
    const Panel& panel = panels[static_cast<std::size_t>(i)];
    const index_t x = detail::kPanelGap + i % columns * (width + detail::kPanelGap),
                  y = detail::kPanelGap + i / columns * step;
    paste(page, panel.picture.view(), x, y);
    draw_text(page, x, y + panel.picture.height() + detail::kPanelText + 2, detail::fitting_text(panel.label, width),
              detail::kPanelInk, detail::kPanelText);
  }
  return page;
}

}}  // namespace moeclip::abi_v0_1

#endif
