// SPDX-License-Identifier: MIT
#pragma once
// Bayes-PFL looks at a picture (BPJ-1 to BPJ-3 in this folder's README): R samples of offsets give R prompts from each
// of the bank's, and the map and the score are means over what they say.

#include <span>
#include <string_view>

#include "../clip/text.hpp"
#include "bayes_pfl_samples.hpp"
#include "picture_features.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One picture to be judged.
template <class T>
struct BayesPflPicture {
  const PictureFeatures<T>& features;  ///< of one picture
  std::span<const std::int32_t> name;  ///< tokens of what the thing is called, with begin and end
  const BayesPflNoise<T>& noise;       ///< (R, Dt) each
};

/// Fills the map (S, S), the mean probability of "abnormal" over levels and prompts, and returns that of the picture.
template <class T>
T bayes_pfl_forward(Context& context, const TextTower<T>& tower, const BayesPfl<T>& model,
                    const BayesPflPicture<T>& picture, View<T, 2> map);

/// The pixels that the official code looks at for the score of a picture, of a map of `pixels`: 2000 of 518 * 518, but
/// 20 for the small defects of some things of MVTec AD and VisA, by their words ("pipe fryum").
index_t bayes_pfl_top_pixels(std::string_view words, index_t pixels);

/// The score: half `probability`, half the mean of the `top` highest pixels; then the map (S, S) is blurred, with a
/// deviation of 8 pixels.
template <class T>
T bayes_pfl_conclude(Context& context, T probability, index_t top, View<T, 2> map);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <cmath>
#include <vector>

#include "../image/blur.hpp"
#include "../image/upsample.hpp"
#include "../kernels/reference.hpp"
#include "prompt_text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// t (2 * R * N, C): unit vectors of all sentences, normal ones first, sample by sample.
template <class T>
void bayes_pfl_sentences(Context& context, const TextTower<T>& tower, const BayesPfl<T>& model,
                         const BayesPflPicture<T>& picture, View<T, 2> t) {
  BayesPflOffsets<T> offsets;
  bayes_pfl_offsets<T>(context, model, picture.features.embedding.template view<2>(), picture.noise, offsets);
  const index_t samples = picture.noise.context.extent(0);
  std::vector<PromptGroup> groups;
  for (const bool is_abnormal : {false, true})
    for (index_t r = 0; r < samples; ++r) groups.push_back({picture.name, is_abnormal, r, r});
  const auto z = [](const FlowSaved<T>& flow) { return flow.z.template view<2>(); };
  prompt_text_forward<T>(context, tower,
                         {model.prompt_context, model.prompt_normal, model.prompt_abnormal, z(offsets.context),
                          z(offsets.normal), z(offsets.abnormal), groups},
                         t);
  kernels::normalize_rows<T>(context, t.extent(0), t.extent(1), t.data(), t.extent(1), kShortest<T>);
}

/// Differences y_abnormal - y_normal (K, C) of 2 K rows.
template <class T>
void subtract_halves(View<const T, 2> y, View<T, 2> difference) {
  const index_t size = difference.size();
  for (index_t i = 0; i < size; ++i) difference.data()[i] = y.data()[size + i] - y.data()[i];
}

/// The probability of the picture as a whole: mean over pairs of sigmoid(e^tau (m_a - m_n) . v).
template <class T>
T bayes_pfl_probability(Context& context, const BayesPfl<T>& model, const PictureFeatures<T>& features,
                        View<const T, 2> t) {
  const index_t pairs = t.extent(0) / 2, embed = t.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 2> m(scratch.take<T>(t.size()), t.extents()), v(scratch.take<T>(embed), {1, embed});
  linear_forward<T>(context, model.class_mapping, t, m);
  kernels::normalize_rows<T>(context, m.extent(0), embed, m.data(), embed, kShortest<T>);
  std::copy_n(features.embedding.data(), embed, v.data());
  if (model.config.fuses_patches) {
    PatchFusionSaved<T> saved;
    std::vector<View<const T, 2>> levels;
    for (const Tensor<T>& level : features.levels) levels.push_back(level.template view<2>());
    const View<T, 2> fused(scratch.take<T>(embed), {1, embed});
    patch_fusion_forward<T>(context, model.fusion, levels, fused, saved);
    for (index_t c = 0; c < embed; ++c) fused(0, c) += v(0, c);
    linear_forward<T>(context, model.image_mapping, fused, v);
  }
  kernels::normalize_rows<T>(context, 1, embed, v.data(), embed, kShortest<T>);
  const T scale = std::exp(model.temperature_image[0]);
  T sum = 0;
  for (index_t k = 0; k < pairs; ++k)
    sum +=
        kernels::reference::sigmoid(scale * (dot(embed, &m(pairs + k, 0), v.data()) - dot(embed, &m(k, 0), v.data())));
  return sum / static_cast<T>(pairs);
}

/// Logits (K, P) of all pairs at the patches of level l: abnormal minus normal.
template <class T>
void bayes_pfl_level(Context& context, const BayesPfl<T>& model, std::size_t l, const PictureFeatures<T>& features,
                     View<const T, 2> t, T* logits) {
  const index_t sentences = t.extent(0), embed = t.extent(1), patches = features.patches();
  Arena::Scope scratch(context.arena());
  const View<T, 2> projected(scratch.take<T>(patches * embed), {patches, embed});
  const View<T, 2> f(scratch.take<T>(patches * embed), {patches, embed});
  const View<T, 2> y(scratch.take<T>(t.size()), t.extents());
  const View<T, 2> pairs(scratch.take<T>(t.size() / 2), {sentences / 2, embed});
  patch_features_forward<T>(context, model.attention.patches[l], features.levels[l].template view<2>(), projected, f);
  cross_attention_forward<T>(context, model.attention.query, t, f,
                             CrossAttentionSteps<T>::take(scratch, sentences, patches, embed), y);
  subtract_halves<T>(y, pairs);
  kernels::gemm<T>(context, {sentences / 2, patches, embed}, kernels::row_major<T>(pairs.data(), embed),
                   kernels::transposed(kernels::row_major<T>(f.data(), embed)), logits, patches);
  const T scale = std::exp(model.temperature_pixel[0]);
  for (index_t i = 0; i < sentences / 2 * patches; ++i) logits[i] *= scale;
}

/// map (S, S) = mean over all grids of logits (K, g, g) of sigmoid(upsample(logits)).
template <class T>
void mean_probability(Context& context, View<const T, 3> logits, View<T, 2> map) {
  const index_t width = map.extent(1), count = logits.extent(0);
  Arena::Scope scratch(context.arena());
  const BilinearRows<T> rows(scratch, logits[0], map);
  const index_t room = width + rows.scratch_size();
  T* const room_of_worker = scratch.take<T>(context.threads() * room);
  context.parallel_for(map.extent(0), [&](index_t y, int worker) {
    T *const u = room_of_worker + worker * room, *const out = &map(y, 0);
    std::fill_n(out, width, T(0));
    for (index_t k = 0; k < count; ++k) {
      rows.row(&logits(k, 0, 0), y, u, u + width);
      if constexpr (std::is_same_v<T, float>)
        kernels::active().sigmoid(width, u, u);
      else
        for (index_t x = 0; x < width; ++x) u[x] = kernels::reference::sigmoid(u[x]);
      for (index_t x = 0; x < width; ++x) out[x] += u[x];
    }
    for (index_t x = 0; x < width; ++x) out[x] /= static_cast<T>(count);
  });
}

}  // namespace detail

template <class T>
T bayes_pfl_forward(Context& context, const TextTower<T>& tower, const BayesPfl<T>& model,
                    const BayesPflPicture<T>& picture, View<T, 2> map) {
  const FloatScope floats;
  const index_t levels = std::ssize(model.config.level_blocks), embed = model.class_mapping.inputs();
  const index_t pairs = picture.noise.context.extent(0) * model.config.prompts, patches = picture.features.patches();
  MOECLIP_EXPECT(picture.features.batch() == 1 && std::ssize(picture.features.levels) == levels && map.is_contiguous(),
                 "Bayes-PFL judges one picture at a time, by its ", levels, " levels");
  Arena::Scope scratch(context.arena());
  const View<T, 2> t(scratch.take<T>(2 * pairs * embed), {2 * pairs, embed});
  T* const logits = scratch.take<T>(levels * pairs * patches);
  detail::bayes_pfl_sentences<T>(context, tower, model, picture, t);                            // (1), (2)
  const T probability = detail::bayes_pfl_probability<T>(context, model, picture.features, t);  // (3)
  for (index_t l = 0; l < levels; ++l)                                                          // (4)
    detail::bayes_pfl_level<T>(context, model, static_cast<std::size_t>(l), picture.features, t,
                               logits + l * pairs * patches);
  const index_t grid = picture.features.grid();
  detail::mean_probability<T>(context, {logits, {levels * pairs, grid, grid}}, map);  // (5)
  return probability;
}

MOECLIP_FUNC index_t bayes_pfl_top_pixels(std::string_view words, index_t pixels) {
  for (const char* thing : {"capsules", "macaroni", "pipe fryum", "screw", "cashew", "chewing gum"})
    if (words == thing) return std::clamp<index_t>(pixels * 20 / (518 * 518), 1, pixels);
  return std::clamp<index_t>(pixels * 2000 / (518 * 518), 1, pixels);
}

template <class T>
T bayes_pfl_conclude(Context& context, T probability, index_t top, View<T, 2> map) {
  const GaussianBlur blur = GaussianBlur::scipy(8);
  Arena::Scope scratch(context.arena());
  T* const room = scratch.take<T>((std::max)(map.size(), gaussian_blur_scratch(blur, map.extent(0), map.extent(1))));
  std::copy_n(map.data(), map.size(), room);
  std::nth_element(room, room + (map.size() - top), room + map.size());
  std::sort(room + (map.size() - top), room + map.size());  // so that the sum has one order
  T sum = 0;
  for (index_t i = map.size() - top; i < map.size(); ++i) sum += room[i];
  gaussian_blur<T>(blur, map, map, room);
  return (probability + sum / static_cast<T>(top)) / T(2);
}

MOECLIP_INSTANTIATE(bayes_pfl_forward)
MOECLIP_INSTANTIATE(bayes_pfl_conclude)

}}  // namespace moeclip::abi_v0_1

#endif
