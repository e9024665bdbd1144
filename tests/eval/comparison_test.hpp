// SPDX-License-Identifier: MIT
#pragma once
// Pictures that a detector of a given strength has judged, for tests of comparisons.

#include <cmath>
#include <moeclip/base/rng.hpp>
#include <moeclip/eval/picture_table.hpp>
#include <moeclip/tensor/tensor.hpp>
#include <vector>

struct JudgedPicture {
  moeclip::Sample sample;
  moeclip::Tensor<float> map;
  float score = 0;

  [[nodiscard]] moeclip::Finding finding() const { return {map.view<2>(), score, 0}; }
};

/// `count` pictures of 16 x 16 pixels of two classes in turn, every second of a class with two defects, and maps that
/// are higher there by `strength` times their noise. The pictures depend on the seed alone.
inline std::vector<JudgedPicture> judged_pictures(std::uint64_t seed, moeclip::index_t count, float strength) {
  using namespace moeclip;  // NOLINT
  constexpr index_t kSide = 16;
  const Rng rng(seed, "judged");
  std::vector<JudgedPicture> pictures(static_cast<std::size_t>(count));
  for (index_t i = 0; i < count; ++i) {
    JudgedPicture& picture = pictures[static_cast<std::size_t>(i)];
    picture.sample.class_name = i % 2 == 0 ? "tile" : "nut";
    picture.sample.label = i / 2 % 2 == 0 ? 0 : 1;
    picture.sample.mask = Image(kSide, kSide, 1);
    picture.map = Tensor<float>({kSide, kSide});
    const index_t from = rng.integer(i, 0, 8);
    for (index_t p = 0; p < kSide * kSide; ++p) {
      const index_t x = p % kSide, y = p / kSide;
      const bool is_bad = picture.sample.label != 0 && ((x >= from && x < from + 3 && y < 4) || (x == y && x > 12));
      picture.sample.mask.data()[p] = is_bad ? 255 : 0;
      picture.map[p] = rng.uniform(1000 * (i + 1) + p) + (is_bad ? strength : 0.0f);
      picture.score = std::max(picture.score, picture.map[p]);
    }
  }
  return pictures;
}

inline moeclip::PictureTable table_of(moeclip::Context& context, const std::vector<JudgedPicture>& pictures) {
  moeclip::PictureTableMaker maker;
  for (const JudgedPicture& picture : pictures) maker.add(context, picture.sample, picture.finding());
  return maker.finish();
}
