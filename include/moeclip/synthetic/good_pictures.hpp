// SPDX-License-Identifier: MIT
#pragma once
// Samples to learn from where there are good pictures only: flaws are drawn onto them (drawing/flaws.hpp), with exact
// masks and anew in each epoch. Which flaw a sample shows, and every bit of it, follows from the seed, the epoch and
// the number of the sample.

#include <string>
#include <vector>

#include "../data/source.hpp"
#include "../image/tile_grid.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Good pictures, and what to make of them.
struct FlawedPictures {
  std::vector<DatasetEntry> pictures = {};  ///< labels and masks do not count
  index_t draws = 1;                        ///< samples of each picture in an epoch
  std::uint64_t seed = 0;                   ///< of everything that is drawn
  double defective_share = 0.5;             ///< of the samples, in [0, 1]; the others stay good
  index_t longest = 512;                    ///< larger pictures are brought to so many pixels of the longer side
  TileOptions tiles = {};                   ///< a sample is a tile of its picture, another one in each epoch
  bool is_fixed = false;                    ///< the same in every epoch, and nothing that training draws: to judge by
};

/// A source's samples: `draws` times all pictures, one after the other. Throws contract for numbers out of range.
std::vector<DrawnSample> flawed_samples(FlawedPictures plan);

/// Sample i of a plan, as `request.epoch` shows it; what cannot be seen after several attempts stays good. Throws as
/// load_sample does.
Sample draw_flawed(const FlawedPictures& plan, index_t i, const DrawRequest& request = {});

/// What held-out pictures are judged by: each of them once as it is, and at least `defective` samples with flaws.
SampleSource judging_source(FlawedPictures held, index_t defective = 40);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "../image/resize.hpp"
#include "drawing/flaws.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

// The defects of drawn scenes that lie on a surface and may be trained on (unseen_defects() are kept for judging).
inline constexpr std::array<synthetic::DefectKind, 6> kDrawnFlaws{
    synthetic::DefectKind::scratch, synthetic::DefectKind::crack,        synthetic::DefectKind::hole,
    synthetic::DefectKind::stain,   synthetic::DefectKind::colour_shift, synthetic::DefectKind::contamination};

/// Picture i, or the tile of it that `dice` say, as a flaw is drawn onto it.
inline Sample load_good(const FlawedPictures& plan, index_t i, const ImageOptions& images, synthetic::Dice& dice) {
  DatasetEntry entry = plan.pictures[static_cast<std::size_t>(i)];
  entry.label = 0;
  entry.mask_path.clear();
  Sample sample = load_sample(entry, images);
  if (plan.tiles.is_on()) {
    const TileGrid grid(sample.picture.width(), sample.picture.height(), plan.tiles);
    sample.picture = copy_image(grid.view(sample.picture.view(), dice.integer(0, static_cast<int>(grid.count()))));
  }
  const index_t width = sample.picture.width(), height = sample.picture.height(), side = (std::max)(width, height);
  const auto shorter = [&](index_t length) {
    return (std::max)(index_t{1}, (length * plan.longest + side / 2) / side);
  };
  if (side > plan.longest) sample.picture = resize_bicubic(sample.picture.view(), shorter(width), shorter(height));
  sample.mask = Image(sample.picture.width(), sample.picture.height(), 1);
  sample.mask.fill(0);
  return sample;
}

/// Draws some flaw onto `after` and returns its name. `other` gives another of the good pictures.
inline std::string draw_flaw(synthetic::FlawCanvas& canvas, synthetic::Dice& dice, const Image& before,
                             function_ref<Image()> other) {
  switch (dice.integer(0, 3)) {
    case 0: {
      const bool is_scar = dice.chance(0.5f);
      synthetic::cut_and_paste(canvas, dice, is_scar);
      return is_scar ? "scar" : "cut-paste";
    }
    case 1: {
      const int source = dice.integer(0, 3);
      const Image stranger = source == 0 ? other() : Image();
      synthetic::mix_texture(
          canvas, dice,
          source == 2 ? synthetic::FlawTexture(dice) : synthetic::FlawTexture(source == 0 ? stranger : before, dice));
      return "texture";
    }
    default: {
      const synthetic::DefectKind kind = dice.pick(kDrawnFlaws);
      synthetic::draw_blemish(canvas, dice, kind, dice.range(0.2f, 1));
      return std::string(synthetic::kDefectNames[static_cast<std::size_t>(kind)]);
    }
  }
}

/// A sample's plan and its number.
struct FlawOrder {
  std::shared_ptr<const FlawedPictures> plan;
  index_t number = 0;
};

}  // namespace detail

MOECLIP_FUNC Sample draw_flawed(const FlawedPictures& plan, index_t i, const DrawRequest& request) {
  constexpr int kAttempts = 8;
  const index_t count = std::ssize(plan.pictures);
  MOECLIP_EXPECT(i >= 0 && i < count * plan.draws, "sample ", i, " of ", count * plan.draws, " was asked for");
  synthetic::Dice dice(plan.seed, plan.is_fixed ? "flaw to judge by" : concat("flaw ", request.epoch), i);
  Sample sample = detail::load_good(plan, i % count, request.images, dice);
  if (!dice.chance(static_cast<float>(plan.defective_share))) return sample;
  Image after = sample.picture;
  const auto other = [&] {
    const int which = dice.integer(0, static_cast<int>(count));
    return detail::load_good(plan, which, request.images, dice).picture;
  };
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    synthetic::FlawCanvas canvas(sample.picture, after);
    sample.defect = detail::draw_flaw(canvas, dice, sample.picture, other);
    sample.label = synthetic::mark_flaw(sample.picture, after, sample.mask) ? 1 : 0;
    if (sample.label == 1) {
      sample.picture = std::move(after);
      return sample;
    }
    after = sample.picture;
  }
  sample.defect.clear();
  sample.mask.fill(0);
  return sample;
}

MOECLIP_FUNC std::vector<DrawnSample> flawed_samples(FlawedPictures plan) {
  MOECLIP_EXPECT(!plan.pictures.empty() && plan.draws > 0, "flaws are drawn onto pictures; there are ",
                 plan.pictures.size(), ", each ", plan.draws, " times");
  MOECLIP_EXPECT(plan.defective_share >= 0 && plan.defective_share <= 1, "the share of defective samples is ",
                 plan.defective_share);
  MOECLIP_EXPECT(plan.longest >= 16, "flaws on pictures of ", plan.longest, " pixels");
  const auto shared = std::make_shared<const FlawedPictures>(std::move(plan));
  const auto draw = [](const void* order, const DrawRequest& request) {
    const auto& wanted = *static_cast<const detail::FlawOrder*>(order);
    return draw_flawed(*wanted.plan, wanted.number, request);
  };
  std::vector<DrawnSample> samples;
  const index_t count = std::ssize(shared->pictures);
  for (index_t i = 0; i < count * shared->draws; ++i) {
    const DatasetEntry& entry = shared->pictures[static_cast<std::size_t>(i % count)];
    samples.push_back({entry.class_name,
                       concat(entry.class_name, " with flaws ", shared->seed, " ", i, " ", shared->defective_share, " ",
                              shared->longest, shared->tiles.is_on() ? concat(" ", describe_tiles(shared->tiles)) : "",
                              shared->is_fixed ? " to judge by" : ""),
                       std::make_shared<const detail::FlawOrder>(detail::FlawOrder{shared, i}), draw,
                       entry.image_path});
  }
  return samples;
}

MOECLIP_FUNC SampleSource judging_source(FlawedPictures held, index_t defective) {
  const index_t count = std::ssize(held.pictures);
  held.is_fixed = true;
  held.draws = 1;
  held.defective_share = 0;
  SampleSource source(flawed_samples(held));
  held.draws = (defective + count - 1) / (std::max)(count, index_t{1});
  held.defective_share = 1;
  source.add(flawed_samples(std::move(held)));
  return source;
}

}}  // namespace moeclip::abi_v0_1

#endif
