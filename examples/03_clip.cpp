// SPDX-License-Identifier: MIT
// 3. Just CLIP. Pictures and sentences to unit vectors of one space; the sentence nearest to the picture wins.
//
//   03_clip MODEL PICTURE SENTENCE...     for example  model.safetensors cat.jpg "a photo of a cat." "a photo of a
//   dog."
//
// Output:
// usage: 03_clip MODEL PICTURE SENTENCE...

#include <moeclip/moeclip.hpp>

#include <cstdio>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 4) {
    std::printf("usage: 03_clip MODEL PICTURE SENTENCE...\n");
    return 0;
  }
  const auto clip = moeclip::Clip<float>::load(argv[1]);
  const auto image = clip.encode_image(moeclip::read_image(argv[2]));                    // (C)
  const auto texts = clip.encode_text(std::vector<std::string>(argv + 3, argv + argc));  // (N, C)
  for (moeclip::index_t n = 0; n < texts.extent(0); ++n) {
    double cosine = 0;
    for (moeclip::index_t c = 0; c < image.size(); ++c)
      cosine += static_cast<double>(image[c]) * static_cast<double>(texts[n * image.size() + c]);
    std::printf("%.3f  %s\n", cosine, argv[3 + n]);
  }
}
