// SPDX-License-Identifier: MIT
#pragma once
// What Bayes-PFL takes from the frozen image tower: the picture's vector, and the patch tokens after chosen blocks as
// they are, neither normalised nor projected.

#include <span>
#include <vector>

#include "../clip/vision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Of B pictures of P patches.
template <class T>
struct PictureFeatures {
  Tensor<T> embedding;            // (B, C), not normalised
  std::vector<Tensor<T>> levels;  // (B * P, D) each

  [[nodiscard]] index_t batch() const { return embedding.extent(0); }                   ///< B
  [[nodiscard]] index_t patches() const { return levels.front().extent(0) / batch(); }  ///< P
  /// g, patches along a side. Throws contract if P is no square.
  [[nodiscard]] index_t grid() const {
    index_t side = 0;
    while (side * side < patches()) ++side;
    MOECLIP_EXPECT(side * side == patches(), patches(), " patches make no square");
    return side;
  }
};

/// Runs images (B, 3, S, S), normalised, with positions (1 + P, D) for their size. `blocks` are 1-based and ascend.
template <class T>
void picture_features_forward(Context& context, const VisionTower<T>& tower, const VisionInput<T>& input,
                              std::span<const index_t> blocks, PictureFeatures<T>& features);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void picture_features_forward(Context& context, const VisionTower<T>& tower, const VisionInput<T>& input,
                              std::span<const index_t> blocks, PictureFeatures<T>& features) {
  const index_t batch = input.images.extent(0), tokens = input.positions.extent(0), width = tower.config.width;
  const index_t patches = tokens - 1, embed = tower.projection.extent(1);
  features.levels.resize(blocks.size());
  Arena::Scope scratch(context.arena());
  const View<T, 3> x(scratch.take<T>(batch * tokens * width), {batch, tokens, width});
  auto after_block = [&](index_t block, View<T, 2>) {
    const auto found = std::find(blocks.begin(), blocks.end(), block);
    if (found == blocks.end()) return;
    Tensor<T>& level =
        detail::fit(features.levels[static_cast<std::size_t>(found - blocks.begin())], {batch * patches, width});
    for (index_t b = 0; b < batch; ++b) std::copy_n(&x(b, 1, 0), patches * width, level.data() + b * patches * width);
  };
  vision_forward<T>(context, tower, input.images, input.positions, x, {after_block});
  const View<T, 2> classes(x.data(), {batch, width}, {tokens * width, 1});
  layer_norm_forward<T>(context, tower.ln_post, classes, classes);
  project_forward<T>(context, tower.projection, classes,
                     detail::fit(features.embedding, {batch, embed}).template view<2>());
}

MOECLIP_INSTANTIATE(picture_features_forward)

}}  // namespace moeclip::abi_v0_1

#endif
