// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/load_clip.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <string>

#include "../lesson.hpp"

static const moeclip::Clip<float>& built_in_clip() {
  static const auto clip = moeclip::Clip<float>::load(MOECLIP_COURSE_MODEL "/tiny.safetensors");
  return clip;
}

TEST_CASE("lesson 7, exercise 1: of two pictures of marble, the cracked one leans to \"damaged\"") {
  const auto& clip = built_in_clip();
  Context context({.threads = 1});
  const Tensor<float> texts = clip.encode_text(context, {"a flawless marble.", "a damaged marble."});
  const auto margin = [&](const char* defect, index_t number) {
    const auto sample = moeclip::synthesize({"marble", defect, 7, number, 128});
    const auto picture = clip.encode_image(context, sample.picture.view());
    return dot(picture.values(), row(texts, 1)) - dot(picture.values(), row(texts, 0));
  };
  int right = 0;
  for (index_t number = 0; number < 10; ++number) right += margin("crack", number) > margin("", number);
  CHECK(right >= 8);
}

TEST_CASE("lesson 7, exercise 2: what stands behind the end token changes nothing") {
  const auto& clip = built_in_clip();
  Context context({.threads = 1});
  // The third sentence is longer: what lies behind the end of all sentences is not computed, so it could change
  // nothing.
  Tensor<std::int32_t> ids =
      clip.tokenize({"a photo of a screw.", "a photo of a screw.", "a photo of a screw with a scratch on its thread."});
  const index_t length_of_row = ids.extent(1), end = moeclip::end_position(std::as_const(ids).view<2>()[1]);
  CHECK(end + 1 < moeclip::end_position(std::as_const(ids).view<2>()[2]));
  for (index_t s = end + 1; s < length_of_row; ++s) ids[length_of_row + s] = 3;
  Tensor<float> vectors({3, clip.config().embed});
  moeclip::encode_text_forward<float>(context, clip.text(), std::as_const(ids).view<2>(), vectors.view<2>());
  for (index_t c = 0; c < clip.config().embed; ++c) CHECK(vectors[c] == vectors[clip.config().embed + c]);
}
