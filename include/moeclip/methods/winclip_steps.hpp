// SPDX-License-Identifier: MIT
#pragma once
// The steps of WinCLIP (Jeong et al., WinCLIP: Zero-/Few-Shot Anomaly Classification and Segmentation, CVPR 2023),
// which trains nothing (WCL-1 to WCL-7 in this folder's README):
//
//   text          z_normal, z_abnormal: the mean sentence of each state, made unit
//   zero-shot     s_0 = p(abnormal | picture), s_w = p(abnormal | window w); map M_0 = the harmonic mean of s_0 and,
//   for
//                 windows of 2 x 2 and of 3 x 3 patches, of the harmonic map of the s_w
//   few-shot      a(f) = min over the good pictures of (1 - cos(f, m)) / 2 for each window and each patch; map M = the
//                 mean of the a of the patches and of the two harmonic maps of those of the windows

#include <array>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "../anomaly/anchors.hpp"
#include "../anomaly/features.hpp"
#include "../anomaly/score_map.hpp"
#include "../image/upsample.hpp"
#include "../memory/nearest.hpp"
#include "windows.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Patches along a side of the windows: 32 and 48 pixels for patches of 16.
inline constexpr std::array<index_t, 2> kWinClipSides{2, 3};

/// What cosines are divided by before the softmax over the two states.
inline constexpr double kWinClipTemperature = 0.07;

/// What WinCLIP knows of one picture.
template <class T>
struct WinClipFeatures {
  View<T, 2> picture;                                    ///< (1, C), of unit length: its class token
  std::array<View<T, 2>, kWinClipSides.size()> windows;  ///< (W, C) each, of unit length, for windows of each side
  View<T, 2> patches;  ///< (g g, D), of unit length: the patch tokens of the last block

  /// Memory for a picture of `grid` patches a side.
  static WinClipFeatures take(Arena::Scope& scratch, const ClipConfig& config, index_t grid) {
    const auto take = [&](index_t rows, index_t width) {
      return View<T, 2>(scratch.take<T>(rows * width), {rows, width});
    };
    WinClipFeatures features;
    features.picture = take(1, config.embed);
    for (std::size_t i = 0; i < kWinClipSides.size(); ++i)
      features.windows[i] = take(PatchWindows{grid, kWinClipSides[i]}.count(), config.embed);
    features.patches = take(grid * grid, config.vision.width);
    return features;
  }
  /// g, patches along a side.
  [[nodiscard]] index_t grid() const { return detail::grid_side(patches.extent(0)); }
};

/// What was seen of k good pictures at each scale.
template <class T>
struct WinClipReferences {
  index_t pictures = 0;                                      ///< k
  std::array<NearestRows<T>, kWinClipSides.size()> windows;  ///< (k W, C) each
  NearestRows<T> patches;                                    ///< (k g g, D)
};

/// The anchors of a class: the mean embedding of the sentences of each state, made unit, and 1 / `temperature` for the
/// scale of the cosines.  (WCL-1)
template <class T>
TextAnchors<T> winclip_anchors(Context& context, const TextTower<T>& tower, const ClassTokens& sentences,
                               double temperature = kWinClipTemperature);

/// What there is to know of an image (1, 3, S, S), normalised. positions (1 + g g, D).  (WCL-2)
template <class T>
void winclip_features_forward(Context& context, const VisionTower<T>& tower, const Tensor<T>& positions,
                              View<const T, 4> image, const WinClipFeatures<T>& features);

/// map (g, g) = M_0; returns s_0.  (WCL-3, WCL-4)
template <class T>
T winclip_zero_shot(Context& context, const WinClipFeatures<T>& features, const TextAnchors<T>& anchors,
                    View<T, 2> map);

/// Good pictures of a class, one after the other, `count` of them: look(i, features) fills in what there is to know of
/// picture i of `grid` patches a side. Throws contract if there are none.  (WCL-5)
template <class T>
WinClipReferences<T> winclip_references(Context& context, const ClipConfig& config, index_t grid, index_t count,
                                        function_ref<void(index_t picture, const WinClipFeatures<T>&)> look);

/// map (g, g) = M, how far every place is from all that good pictures show.  (WCL-5, WCL-6)
template <class T>
void winclip_association(Context& context, const WinClipFeatures<T>& features, const WinClipReferences<T>& references,
                         View<T, 2> map);

/// What all that says: the map (S, S) and the score of the picture, by words and, unless `references` is null, by good
/// pictures.  (WCL-7)
template <class T>
T winclip_judge(Context& context, const WinClipFeatures<T>& features, const TextAnchors<T>& anchors,
                const WinClipReferences<T>* references, View<T, 2> map);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Sentences that go through the text tower at once: some 1,000 tokens, whatever an ensemble holds.
inline constexpr index_t kSentencesAtOnce = 64;

/// Adds the embeddings of the sentences (N, S) to `sum` (C).
template <class T>
void add_embeddings(Context& context, const TextTower<T>& tower, View<const std::int32_t, 2> tokens,
                    std::span<double> sum) {
  const index_t embed = std::ssize(sum);
  for (index_t begin = 0; begin < tokens.extent(0); begin += kSentencesAtOnce) {
    const index_t count = (std::min)(kSentencesAtOnce, tokens.extent(0) - begin);
    Arena::Scope scratch(context.arena());
    const View<T, 2> embeddings(scratch.take<T>(count * embed), {count, embed});
    encode_text_forward<T>(context, tower, tokens.rows(begin, begin + count), embeddings);
    for (index_t n = 0; n < count; ++n)
      for (index_t c = 0; c < embed; ++c) sum[static_cast<std::size_t>(c)] += static_cast<double>(embeddings(n, c));
  }
}

/// out (N) = p(abnormal) of each of the unit features (N, C).
template <class T>
void abnormal_probabilities(Context& context, View<const T, 2> features, const TextAnchors<T>& anchors, T* out) {
  const index_t rows = features.extent(0);
  Arena::Scope scratch(context.arena());
  const View<T, 2> similarities(scratch.take<T>(2 * rows), {2, rows});
  similarities_forward<T>(context, features, anchors, similarities);
  for (index_t i = 0; i < rows; ++i) out[i] = similarities(1, i) - similarities(0, i);
  kernels::sigmoid<T>(context, rows, out, out);
}

/// out (N) = (1 - cos) / 2 of each unit feature (N, F) and the one that is nearest to it, which is a quarter of their
/// squared distance.
template <class T>
void association_scores(Context& context, View<const T, 2> features, const NearestRows<T>& references, T* out) {
  const index_t rows = features.extent(0);
  Arena::Scope scratch(context.arena());
  const std::span<index_t> nearest(scratch.take<index_t>(rows), static_cast<std::size_t>(rows));
  references.find(context, features, nearest, {out, nearest.size()});
  for (index_t i = 0; i < rows; ++i) out[i] = out[i] * out[i] / 4;
}

/// The rows of all pictures, one picture after the other.
template <class T>
void keep_picture(View<const T, 2> rows, index_t picture, Tensor<T>& all) {
  std::copy_n(rows.data(), rows.size(), all.data() + picture * rows.size());
}

}  // namespace detail

template <class T>
TextAnchors<T> winclip_anchors(Context& context, const TextTower<T>& tower, const ClassTokens& sentences,
                               double temperature) {
  const FloatScope floats;
  const index_t embed = tower.projection.extent(1), count = sentences.tokens.extent(0);
  MOECLIP_EXPECT(sentences.normal_count > 0 && sentences.normal_count < count, "anchors of \"", sentences.name,
                 "\" need sentences for both states; ", sentences.normal_count, " of ", count, " are normal");
  MOECLIP_EXPECT(temperature > 0, "a temperature of ", temperature, " is not above 0");
  TextAnchors<T> anchors{sentences.name, Tensor<T>({2, embed}), static_cast<T>(1 / temperature)};
  for (const index_t state : {0, 1}) {
    std::vector<double> sum(static_cast<std::size_t>(embed), 0.0);  // as long as the mean, but for a factor
    detail::add_embeddings<T>(context, tower,
                              state == 0 ? sentences.tokens.rows(0, sentences.normal_count)
                                         : sentences.tokens.rows(sentences.normal_count, count),
                              sum);
    const double norm = detail::length(sum.data(), embed);
    for (index_t c = 0; c < embed; ++c)
      anchors.vectors[state * embed + c] = static_cast<T>(sum[static_cast<std::size_t>(c)] / norm);
  }
  return anchors;
}

template <class T>
void winclip_features_forward(Context& context, const VisionTower<T>& tower, const Tensor<T>& positions,
                              View<const T, 4> image, const WinClipFeatures<T>& features) {
  const FloatScope floats;
  const index_t patches = features.patches.extent(0), width = tower.config.width;
  MOECLIP_EXPECT(image.extent(0) == 1, "WinCLIP was given ", image.extent(0), " pictures at once");
  Arena::Scope scratch(context.arena());
  const View<T, 3> tokens(scratch.take<T>((1 + patches) * width), {1, 1 + patches, width});
  vision_embedding_forward<T>(context, tower, image, positions, tokens);
  for (std::size_t i = 0; i < kWinClipSides.size(); ++i)
    windows_forward<T>(context, tower, {features.grid(), kWinClipSides[i]}, tokens[0], features.windows[i]);

  const TransformerPass<T> pass{tower.transformer, tower.activation, {1, 1 + patches, false}};
  const auto nothing = [](index_t, View<T, 2>) {};
  transformer_forward<T>(context, pass, tokens[0], nothing);
  std::copy_n(&tokens(0, 1, 0), features.patches.size(), features.patches.data());
  const View<T, 2> class_token = tokens[0].rows(0, 1);
  layer_norm_forward<T>(context, tower.ln_post, class_token, class_token);
  project_forward<T>(context, tower.projection, class_token, features.picture);
  for (const View<T, 2>& rows : {features.picture, features.patches})
    kernels::normalize_rows<T>(context, rows.extent(0), rows.extent(1), rows.data(), rows.stride(0), T(1e-12));
}

template <class T>
T winclip_zero_shot(Context& context, const WinClipFeatures<T>& features, const TextAnchors<T>& anchors,
                    View<T, 2> map) {
  const FloatScope floats;
  const index_t grid = features.grid();
  T whole = 0;
  detail::abnormal_probabilities<T>(context, features.picture, anchors, &whole);
  std::array<View<T, 2>, kWinClipSides.size()> maps;
  Arena::Scope scratch(context.arena());
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const index_t windows = features.windows[i].extent(0);
    T* const scores = scratch.take<T>(windows);
    maps[i] = View<T, 2>(scratch.take<T>(grid * grid), {grid, grid});
    detail::abnormal_probabilities<T>(context, features.windows[i], anchors, scores);
    harmonic_map<T>({grid, kWinClipSides[i]}, {scores, static_cast<std::size_t>(windows)}, maps[i]);
  }
  for (index_t y = 0; y < grid; ++y)
    for (index_t x = 0; x < grid; ++x) {
      detail::HarmonicMean mean;
      mean.add(static_cast<double>(whole));
      for (const View<T, 2>& each : maps) mean.add(static_cast<double>(each(y, x)));
      map(y, x) = static_cast<T>(mean.value());
    }
  return whole;
}

template <class T>
WinClipReferences<T> winclip_references(Context& context, const ClipConfig& config, index_t grid, index_t count,
                                        function_ref<void(index_t picture, const WinClipFeatures<T>&)> look) {
  const FloatScope floats;
  MOECLIP_EXPECT(count > 0, "references were asked of no good picture");
  std::array<Tensor<T>, kWinClipSides.size()> windows;
  Tensor<T> patches({count * grid * grid, config.vision.width});
  for (std::size_t i = 0; i < windows.size(); ++i)
    windows[i] = Tensor<T>({count * PatchWindows{grid, kWinClipSides[i]}.count(), config.embed});
  Arena::Scope scratch(context.arena());
  const auto features = WinClipFeatures<T>::take(scratch, config, grid);
  for (index_t picture = 0; picture < count; ++picture) {
    look(picture, features);
    detail::keep_picture<T>(features.patches, picture, patches);
    for (std::size_t i = 0; i < windows.size(); ++i) detail::keep_picture<T>(features.windows[i], picture, windows[i]);
  }
  WinClipReferences<T> references;
  references.pictures = count;
  references.patches = NearestRows<T>(context, std::move(patches));
  for (std::size_t i = 0; i < windows.size(); ++i)
    references.windows[i] = NearestRows<T>(context, std::move(windows[i]));
  return references;
}

template <class T>
void winclip_association(Context& context, const WinClipFeatures<T>& features, const WinClipReferences<T>& references,
                         View<T, 2> map) {
  const FloatScope floats;
  const index_t grid = features.grid();
  Arena::Scope scratch(context.arena());
  const View<T, 2> part(scratch.take<T>(grid * grid), {grid, grid});
  MOECLIP_EXPECT(map.is_contiguous(), "the map must be contiguous");
  detail::association_scores<T>(context, features.patches, references.patches, map.data());
  for (std::size_t i = 0; i < kWinClipSides.size(); ++i) {
    const index_t windows = features.windows[i].extent(0);
    T* const scores = scratch.take<T>(windows);
    detail::association_scores<T>(context, features.windows[i], references.windows[i], scores);
    harmonic_map<T>({grid, kWinClipSides[i]}, {scores, static_cast<std::size_t>(windows)}, part);
    for (index_t at = 0; at < part.size(); ++at) map.data()[at] += part.data()[at];
  }
  constexpr T kScales = 1 + static_cast<T>(kWinClipSides.size());
  for (index_t at = 0; at < map.size(); ++at) map.data()[at] /= kScales;
}

template <class T>
T winclip_judge(Context& context, const WinClipFeatures<T>& features, const TextAnchors<T>& anchors,
                const WinClipReferences<T>* references, View<T, 2> map) {
  const FloatScope floats;
  const index_t grid = features.grid();
  Arena::Scope scratch(context.arena());
  const View<T, 2> coarse(scratch.take<T>(grid * grid), {grid, grid});
  T score = winclip_zero_shot<T>(context, features, anchors, coarse);
  if (references != nullptr) {
    const View<T, 2> seen(scratch.take<T>(coarse.size()), coarse.extents());
    winclip_association<T>(context, features, *references, seen);
    for (index_t i = 0; i < coarse.size(); ++i) coarse.data()[i] = (coarse.data()[i] + seen.data()[i]) / 2;
    score = (score + *std::max_element(seen.data(), seen.data() + seen.size())) / 2;
  }
  upsample_bilinear<T>(coarse, map, Alignment::edges);
  return score;
}

MOECLIP_INSTANTIATE(winclip_anchors)
MOECLIP_INSTANTIATE(winclip_features_forward)
MOECLIP_INSTANTIATE(winclip_zero_shot)
MOECLIP_INSTANTIATE(winclip_references)
MOECLIP_INSTANTIATE(winclip_association)
MOECLIP_INSTANTIATE(winclip_judge)

}}  // namespace moeclip::abi_v0_1

#endif
