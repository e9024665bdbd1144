// SPDX-License-Identifier: MIT
// 4. Good pictures instead of words: learn six plates, then judge one more and one with a spot. The model has random
// weights and yet serves: all that is asked of it is that like patches get like vectors.
//
// Output:
// a good plate: good
// with a spot: DEFECT, most of all at (70,69)

#include <moeclip/moeclip.hpp>

#include <cstdio>

/// A gray plate with faint noise of its own.
static moeclip::Image plate(moeclip::index_t number, bool has_spot = false) {
  moeclip::Image image(140, 140, 3);
  const moeclip::Rng noise(1, moeclip::concat("plate ", number));
  for (moeclip::index_t i = 0; i < image.size(); ++i)
    image.data()[i] = static_cast<unsigned char>(noise.integer(i, 126, 131));
  if (has_spot) moeclip::fill_box(image, {56, 56, 28, 28}, {40, 30, 30});
  return image;
}

int main() {
  moeclip::DetectorOptions options;
  options.image_size = 140;  // a grid of 10 patches a side
  const moeclip::Detector detector = moeclip::make_seeded_detector(1, options);
  moeclip::Context context;
  const auto load = [](moeclip::index_t i) { return plate(i); };
  const auto memory = moeclip::learn(context, detector, {6, load});
  const auto say = [&](const char* name, const moeclip::Image& picture) {
    moeclip::Detection found;
    moeclip::detect_by_memory<float>(context, detector, memory, nullptr, picture.view(), found);
    std::printf("%s: %s", name, !found.has_verdict() ? "no verdict" : found.is_anomalous ? "DEFECT" : "good");
    if (found.is_anomalous)
      std::printf(", most of all at (%td,%td)", found.regions.front().peak_x, found.regions.front().peak_y);
    std::printf("\n");
  };
  say("a good plate", plate(6));
  say("with a spot", plate(7, true));
}
