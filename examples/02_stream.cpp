// SPDX-License-Identifier: MIT
// 2. Stream. A camera sends frames of one size: one Context, one Detection, and after the first frame no allocation.
// The frames here are drawn; ImageView takes any memory, with any stride, without a copy.
//
// Output:
// frame 0: score ...
// frame 1: score ...
// frame 2: score ...

#include <moeclip/moeclip.hpp>

#include <cstdint>
#include <cstdio>
#include <vector>

int main() {
  const auto detector = moeclip::make_seeded_detector(1);
  const auto anchors = detector.anchors("plate");
  moeclip::Context context({.threads = 2});
  moeclip::Detection result;

  constexpr moeclip::index_t kWidth = 320, kHeight = 240;
  std::vector<std::uint8_t> memory(kWidth * kHeight * 3);
  for (int frame = 0; frame < 3; ++frame) {
    for (std::size_t i = 0; i < memory.size(); ++i)
      memory[i] = static_cast<std::uint8_t>(100 + 40 * frame + static_cast<int>(i % 7));
    const moeclip::ImageView view{memory.data(), kWidth, kHeight, 3, kWidth * 3};
    detector.detect(context, view, anchors, result);
    std::printf("frame %d: score %.3f\n", frame, static_cast<double>(result.score));
  }
}
