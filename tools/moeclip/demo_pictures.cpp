// SPDX-License-Identifier: MIT
#include "demo_pictures.hpp"

#include <moeclip/image/colormap.hpp>
#include <moeclip/image/draw.hpp>

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::Image;
using moeclip::index_t;
using moeclip::Rgb;

namespace {

constexpr index_t kPanel = 192;  // pixels a side
constexpr index_t kGap = 6;
constexpr index_t kCaption = 16;
constexpr std::uint8_t kGround = 24;
constexpr Rgb kInk{235, 235, 235}, kRight{150, 220, 160}, kWrong{255, 140, 90};

/// The map over the picture, the more of it the higher its value; the threshold is the middle of the colour scale, in
/// every picture.
Image map_panel(const DemoPicture& picture, float threshold) {
  Image panel = moeclip::resize_bicubic(picture.sample.picture.view(), kPanel, kPanel);
  moeclip::Tensor<float> map({kPanel, kPanel});
  moeclip::upsample_bilinear<float>(picture.map.view<2>(), map.view<2>());
  for (index_t i = 0; i < kPanel * kPanel; ++i) {
    const std::uint8_t level = moeclip::scale_to_byte<float>(map[i], 0.0f, 2 * threshold);
    const Rgb color = moeclip::kEmber[level];
    moeclip::fill_box(panel, {i % kPanel, i / kPanel, 1, 1}, color, 0.15 + 0.6 * level / 255.0);
  }
  return panel;
}

/// The picture, dark where it is good and bright where it is not.
Image truth_panel(const DemoPicture& picture) {
  Image panel = moeclip::resize_bicubic(picture.sample.picture.view(), kPanel, kPanel);
  const Image mask = moeclip::resize_nearest(picture.sample.mask.view(), kPanel, kPanel);
  for (index_t i = 0; i < kPanel * kPanel; ++i) {
    if (mask.data()[i] != 0) continue;
    for (index_t c = 0; c < 3; ++c) panel.data()[3 * i + c] = static_cast<std::uint8_t>(panel.data()[3 * i + c] / 4);
  }
  return panel;
}

}  // namespace

double overlap_of(const moeclip::Tensor<float>& map, const Image& mask, float threshold) {
  const index_t height = map.extent(0), width = map.extent(1);
  const Image truth = moeclip::resize_nearest(mask.view(), width, height);
  double both = 0, either = 0;
  for (index_t i = 0; i < height * width; ++i) {
    const bool is_found = map[i] >= threshold, is_true = truth.data()[i] != 0;
    both += is_found && is_true ? 1 : 0;
    either += is_found || is_true ? 1 : 0;
  }
  return either > 0 ? both / either : 1;
}

Image picture_strip(const DemoPicture& picture, const DemoThresholds& thresholds) {
  Image strip(3 * kPanel + 2 * kGap, kPanel + kCaption, 3);
  strip.fill(kGround);
  moeclip::paste(strip, moeclip::resize_bicubic(picture.sample.picture.view(), kPanel, kPanel).view(), 0, 0);
  moeclip::paste(strip, map_panel(picture, thresholds.pixel).view(), kPanel + kGap, 0);
  moeclip::paste(strip, truth_panel(picture).view(), 2 * (kPanel + kGap), 0);
  const index_t y = kPanel + 5;
  moeclip::draw_text(strip, 2, y, concat(picture.sample.class_name, ": ", picture.truth()), kInk);
  moeclip::draw_text(
      strip, kPanel + kGap, y,
      concat("score ", fixed(static_cast<double>(picture.score), 3), picture.is_anomalous ? " DEFECT" : " good"),
      picture.is_right() ? kRight : kWrong);
  const std::string overlap =
      picture.sample.label == 0 ? "nothing to find" : concat("overlap ", fixed(picture.overlap, 2));
  moeclip::draw_text(strip, 2 * (kPanel + kGap), y, overlap, kInk);
  return strip;
}

Image contact_sheet(const std::vector<Image>& strips, const std::string& title) {
  constexpr index_t kColumns = 2, kMargin = 14, kTitle = 30;
  const index_t width = strips.at(0).width() + kMargin, height = strips.at(0).height() + kMargin;
  const index_t rows = (std::ssize(strips) + kColumns - 1) / kColumns;
  Image sheet(kMargin + kColumns * width, kTitle + kMargin + rows * height, 3);
  sheet.fill(kGround);
  moeclip::draw_text(sheet, kMargin, kMargin, title, kInk, 2);
  for (index_t i = 0; i < std::ssize(strips); ++i)
    moeclip::paste(sheet, strips[static_cast<std::size_t>(i)].view(), kMargin + i % kColumns * width,
                   kTitle + kMargin + i / kColumns * height);
  return sheet;
}

}  // namespace cli
