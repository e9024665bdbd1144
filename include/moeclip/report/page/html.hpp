// SPDX-License-Identifier: MIT
#pragma once
// Writing HTML: text that cannot become markup, pictures as inline PNG or JPEG, and a page that is written piece by
// piece, so that it need not be in memory as a whole.

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "../../base/function_ref.hpp"
#include "../../base/text.hpp"
#include "../../image/figure.hpp"
#include "../../image/jpeg.hpp"
#include "../../image/png.hpp"
#include "../../image/resize.hpp"
#include "../../io/utf8.hpp"
#include "../contents.hpp"
#include "base64.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// `text` as HTML text or attribute value: the five letters that mean something are spelled out, and what is not UTF-8
/// or a control character becomes U+FFFD.
inline std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto letter = static_cast<unsigned char>(text.front());
    const bool is_control = (letter < 0x20 && letter != '\n' && letter != '\t') || letter == 0x7F;
    switch (text.front()) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        if (length == 0 || is_control) {
          append_utf8(out, 0xFFFD);
        } else {
          out += text.substr(0, length);
        }
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

/// A path as HTML text that breaks into lines after its slashes.
inline std::string escape_path(std::string_view path) {
  std::string out;
  for (std::size_t end = 0; !path.empty(); path.remove_prefix(end)) {
    end = (std::min)(path.find('/'), path.size() - 1) + 1;
    out += escape_html(path.substr(0, end));
    if (end < path.size()) out += "<wbr>";
  }
  return out;
}

/// Takes a page piece by piece and hands it on in larger ones.
class HtmlWriter {
 public:
  explicit HtmlWriter(function_ref<void(std::string_view)> out) : out_(out) {}

  /// Markup of ours, numbers, and text that went through escape_html.
  template <class... Pieces>
  void write(const Pieces&... pieces) {
    for (const detail::Piece& piece : {detail::Piece(pieces)...}) piece.append_to(buffer_);
    if (buffer_.size() >= kPiece) flush();
  }

  void base64(Bytes bytes) {
    constexpr std::size_t kStep = 3 * 8192;  // whole groups, so that pieces fit together
    for (std::size_t at = 0; at < bytes.size(); at += kStep) {
      append_base64(buffer_, bytes.subspan(at, (std::min)(kStep, bytes.size() - at)));
      if (buffer_.size() >= kPiece) flush();
    }
  }

  void flush() {
    if (!buffer_.empty()) out_(buffer_);
    buffer_.clear();
  }

 private:
  static constexpr std::size_t kPiece = std::size_t{1} << 16;

  function_ref<void(std::string_view)> out_;
  std::string buffer_;
};

/// Sides of `picture` inside of `limit`; never larger than it is.
inline PictureLimit shrunk_size(const Image& picture, const PictureLimit& limit) {
  const double scale = (std::min)({1.0, static_cast<double>(limit.width) / static_cast<double>(picture.width()),
                                   static_cast<double>(limit.height) / static_cast<double>(picture.height())});
  const auto side = [&](index_t pixels) {
    return std::max<index_t>(static_cast<index_t>(std::lround(static_cast<double>(pixels) * scale)), 1);
  };
  return {side(picture.width()), side(picture.height())};
}

/// True for drawings and masks: PNG makes few bytes of few colours, and keeps their edges. Photographs become JPEG.
inline bool has_few_colors(const Image& picture) {
  constexpr std::size_t kFew = 256;
  std::vector<std::uint32_t> colors;  // sorted
  const std::uint8_t* pixel = picture.data();
  for (index_t i = 0; i < picture.size(); i += picture.channels()) {
    std::uint32_t color = 0;
    for (index_t c = 0; c < picture.channels(); ++c) color = color << 8 | pixel[i + c];
    const auto place = std::lower_bound(colors.begin(), colors.end(), color);
    if (place != colors.end() && *place == color) continue;
    if (colors.size() == kFew) return false;
    colors.insert(place, color);
  }
  return true;
}

/// `picture` as an <img>. A picture without pixels is left out.
inline void write_image(HtmlWriter& page, const Image& picture, std::string_view description,
                        const PictureLimit& limit) {
  constexpr int kQuality = 85;
  if (picture.width() == 0 || picture.height() == 0) return;
  const auto [width, height] = shrunk_size(picture, limit);
  const bool is_drawing = has_few_colors(picture);
  const bool has_size = width == picture.width() && height == picture.height();
  const Image shrunk = has_size ? Image() : resize_bicubic(picture.view(), width, height);
  const ImageView shown = has_size ? picture.view() : shrunk.view();
  page.write("<img width=\"", width, "\" height=\"", height, "\" alt=\"", escape_html(description),
             "\" loading=\"lazy\" decoding=\"async\" src=\"data:image/", is_drawing ? "png" : "jpeg", ";base64,");
  page.base64(is_drawing ? encode_png(shown) : encode_jpeg(shown, kQuality));
  page.write("\">");
}

/// A picture and its title. What is wider than a column of the page is marked, and takes two.
inline void write_figure(HtmlWriter& page, const Figure& figure, const PictureLimit& limit) {
  constexpr index_t kColumn = 420;
  page.write((std::min)(figure.picture.width(), limit.width) > kColumn ? "<figure class=\"wide\">" : "<figure>");
  write_image(page, figure.picture, figure.description.empty() ? figure.title : figure.description, limit);
  page.write("<figcaption>", escape_html(figure.title), "</figcaption></figure>\n");
}

}}  // namespace moeclip::abi_v0_1
