// SPDX-License-Identifier: MIT
#pragma once
// An overlay is the result as people look at it: what the model saw, the anomaly map over it in colours of one fixed
// scale, boxes around the regions, and the scale with its labels beside it. The scale never depends on the picture, so
// that two pictures can be compared.

#include "../image/colormap.hpp"
#include "../image/draw.hpp"
#include "../image/resize.hpp"
#include "../image/upsample.hpp"
#include "detection.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Overlay in the proportions of the original picture, with colour scale and a line that says score and verdict. RGB;
/// the picture's longer side takes S pixels of it, or a multiple of that where S is small.
Image overlay(const Detection& detection);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <algorithm>
#include <string>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Ends of the colour scale: [0, 1] for probabilities; for the reference map [0, number of maps], the middle of which
/// is where both anchors are equally near.
inline float scale_top(const Detection& detection) {
  return detection.map_kind == MapKind::probability ? 1.0f : 2 * detection.pixel_threshold;
}

/// The picture with the map over it, both resized to width x height; the higher the value, the more the map covers.
inline Image covered_picture(const Detection& detection, index_t width, index_t height) {
  Image image = resize_bicubic(detection.picture.view(), width, height);
  Tensor<float> map({height, width});
  upsample_bilinear<float>(detection.map.view<2>(), map.view<2>());
  const float top = scale_top(detection);
  for (index_t i = 0; i < width * height; ++i) {
    const std::uint8_t level = scale_to_byte<float>(map[i], 0.0f, top);
    const Rgb color = kEmber[level];
    const double alpha = 0.15 + 0.6 * level / 255.0;
    std::uint8_t* pixel = image.data() + 3 * i;
    pixel[0] = mix(pixel[0], color.red, alpha);
    pixel[1] = mix(pixel[1], color.green, alpha);
    pixel[2] = mix(pixel[2], color.blue, alpha);
  }
  return image;
}

/// A white frame with a dark one around it: visible on any ground.
inline void outline(Image& picture, const Box& box, index_t text) {
  const index_t line = std::max<index_t>(1, text / 2);
  draw_box(picture, {box.x - line, box.y - line, box.width + 2 * line, box.height + 2 * line}, {0, 0, 0}, line, 0.6);
  draw_box(picture, box, {255, 255, 255}, line);
}

/// The colour bar with its labels on a dark ground, `height` pixels high.
inline Image colour_scale(const Detection& detection, index_t height, index_t text) {
  const float top = scale_top(detection);
  const index_t margin = 6 * text, bar = 8 * text;
  const std::string title = detection.map_kind == MapKind::probability ? "probability" : "map sum";
  Image panel(
      (std::max)(margin + bar + margin / 2 + text_width("0.00", text), text_width(title, text) + margin) + margin,
      height, 3);
  panel.fill(24);
  const Rgb ink{235, 235, 235};
  const index_t first = margin + 10 * text, length = std::max<index_t>(1, height - first - margin);
  draw_text(panel, margin, margin, title, ink, text);
  for (index_t y = 0; y < length; ++y) {
    const auto level = static_cast<std::size_t>(255 - y * 255 / std::max<index_t>(1, length - 1));
    fill_box(panel, {margin, first + y, bar, 1}, kEmber[level]);
  }
  const auto tick = [&](float value) {
    const auto y = first + static_cast<index_t>((1 - value / top) * static_cast<float>(length - 1));
    fill_box(panel, {margin, y, bar + margin / 3, std::max<index_t>(1, text / 2)}, ink);
    const index_t text_y = std::clamp(y - 3 * text, first, (std::max)(first, first + length - 7 * text));
    draw_text(panel, margin + bar + margin / 2, text_y, fixed(static_cast<double>(value), top > 1 ? 1 : 2), ink, text);
  };
  for (const float part : {0.0f, 0.25f, 0.5f, 0.75f, 1.0f}) tick(part * top);
  return panel;
}

}  // namespace detail

MOECLIP_FUNC Image overlay(const Detection& detection) {
  MOECLIP_EXPECT(!detection.picture.empty(), "there is no detection to draw");
  constexpr index_t kReadable = 448;     // pixels below which labels and boxes would be lost
  constexpr index_t kMostElongated = 4;  // a thinner picture is widened, so that there is something to see
  constexpr index_t kLargest = 2048;     // of a picture that was judged in tiles
  const index_t side = (std::max)(detection.picture.width(), detection.picture.height());
  const index_t size = (std::min)(side * std::max<index_t>(1, (kReadable + side - 1) / side), kLargest);
  const index_t longer = (std::max)(detection.width, detection.height);
  const index_t width = (std::max)(size * detection.width / longer, size / kMostElongated);
  const index_t height = (std::max)(size * detection.height / longer, size / kMostElongated);
  const index_t text = std::max<index_t>(1, size / 224);
  Image picture = detail::covered_picture(detection, width, height);
  for (const Region& region : detection.regions) {
    const Box box{region.x * width / detection.width, region.y * height / detection.height,
                  std::max<index_t>(2, region.width * width / detection.width),
                  std::max<index_t>(2, region.height * height / detection.height)};
    detail::outline(picture, box, text);
  }
  const auto number = [](float value) { return fixed(static_cast<double>(value), 3); };
  const std::string line = !detection.has_verdict()
                               ? concat("no verdict  score ", number(detection.score))
                               : concat(detection.is_anomalous ? "DEFECT" : "good", "  score ", number(detection.score),
                                        "  threshold ", number(detection.threshold));
  const Image scale = detail::colour_scale(detection, height, text);
  const index_t strip = 13 * text;
  Image page((std::max)(width + scale.width(), text_width(line, text) + 6 * text), height + strip, 3);
  page.fill(24);
  paste(page, picture.view(), 0, 0);
  paste(page, scale.view(), width, 0);
  const Rgb ink = !detection.has_verdict() ? Rgb{210, 210, 210}
                  : detection.is_anomalous ? Rgb{255, 140, 90}
                                           : Rgb{150, 220, 160};
  draw_text(page, 3 * text, height + 3 * text, line, ink, text);
  return page;
}

}}  // namespace moeclip::abi_v0_1

#endif
