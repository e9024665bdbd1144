// SPDX-License-Identifier: MIT
// 1. Detect. The production line in one screen: weights and a picture in; score, verdict and regions out.
//
//   01_detect                                   a model of random weights looks at a flat picture: its verdict means
//   nothing 01_detect CLIP ADAPTER PICTURE CLASS        for example  ViT-L-14-336px.pt moe_last.pth nut.png "metal nut"
//
// Output:
// made up: ...: ... (threshold 0.500)
// wrote map.png

#include <moeclip/moeclip.hpp>

#include <cstdio>

int main(int argc, char** argv) {
  const bool is_real = argc == 5;
  const auto detector = is_real ? moeclip::Detector::load(argv[1], argv[2]) : moeclip::make_seeded_detector(1);
  const auto anchors = detector.anchors(is_real ? argv[4] : "plate");  // the text tower runs once

  moeclip::Image picture;
  if (is_real) {
    picture = moeclip::read_image(argv[3]);
  } else {
    picture = moeclip::Image(300, 200, 3);
    picture.fill(128);
  }
  const auto result = detector.detect(picture, anchors);

  std::printf("%s: %s: %.3f (threshold %.3f)\n", is_real ? argv[3] : "made up", result.is_anomalous ? "defect" : "good",
              static_cast<double>(result.score), static_cast<double>(result.threshold));
  for (const auto& region : result.regions)
    std::printf("  at (%td,%td) %tdx%td, peak %.3f\n", region.x, region.y, region.width, region.height,
                static_cast<double>(region.peak));
  moeclip::write_png("map.png", moeclip::overlay(result));
  std::printf("wrote map.png\n");
}
