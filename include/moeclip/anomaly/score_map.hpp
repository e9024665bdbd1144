// SPDX-License-Identifier: MIT
#pragma once
// Unit features and text anchors give the anomaly maps (MAP-1, MAP-2 in this folder's README; METHOD sections 4 and 8).
//
//   similarities   s_n = c f . T_normal,  s_a = c f . T_abnormal, c = similarity_scale   per map, on the patch grid
//   reference      sum over maps of upsample(blur((s_a + 1 - s_n) / 2))           the released map; no fixed range
//   probability    mean over maps of softmax(upsample(s_n), upsample(s_a))_a      in [0, 1], needs no other image

#include "../image/blur.hpp"
#include "../image/upsample.hpp"
#include "../kernels/elementwise.hpp"
#include "../kernels/gemm.hpp"
#include "domain.hpp"
#include "text_anchors.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Blur of the reference map on the patch grid.
constexpr GaussianBlur reference_blur(Domain domain) {
  return domain == Domain::industrial ? GaussianBlur{7, 1.0} : GaussianBlur{9, 1.5};
}

/// s (2, L): row 0 normal, row 1 abnormal, for the unit features f (L, C) of one image and map.
template <class T>
void similarities_forward(Context& context, View<const T, 2> features, const TextAnchors<T>& anchors, View<T, 2> s);

/// Backward of similarities_forward for d_s (2, L): d_features (L, C), contiguous, is overwritten, d_anchors (2, C) is
/// added to (SIM-1').
template <class T>
void similarities_backward(Context& context, View<const T, 2> features, const TextAnchors<T>& anchors,
                           View<const T, 2> d_s, View<T, 2> d_features, View<T, 2> d_anchors);

/// a = (s_a + 1 - s_n) / 2 on the grid, from s (2, L); not a probability.
template <class T>
void raw_map(View<const T, 2> s, T* a);

/// The reference map (S, S) of one image from its similarities s (M, 2, g * g). Upsampling is linear, so the blurred
/// maps are added on the grid and upsampled once.
template <class T>
void reference_map(Context& context, View<const T, 3> s, Domain domain, View<T, 2> map);

/// The probability map (S, S) of one image from its similarities s (M, 2, g * g). A softmax over two is a sigmoid of
/// their difference.
template <class T>
void probability_map(Context& context, View<const T, 3> s, View<T, 2> map);

/// How abnormal the image as a whole is: (d . T_abnormal + 1) / 2, in [0, 1] for |d| <= 1. d (C).
template <class T>
T class_score(const T* embedding, const TextAnchors<T>& anchors);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void similarities_forward(Context& context, View<const T, 2> features, const TextAnchors<T>& anchors, View<T, 2> s) {
  const index_t patches = features.extent(0), embed = features.extent(1);
  MOECLIP_EXPECT(anchors.vectors.extent(1) == embed && s.extent(0) == 2 && s.extent(1) == patches, "anchors of width ",
                 anchors.vectors.extent(1), " were compared with features of width ", embed);
  Arena::Scope scratch(context.arena());
  T* pairs = scratch.take<T>(patches * 2);
  const auto vectors = kernels::row_major<T>(anchors.vectors.data(), embed);
  kernels::gemm<T>(context, {patches, 2, embed}, kernels::row_major<T>(features.data(), features.stride(0)),
                   kernels::transposed(vectors), pairs, 2);
  for (index_t i = 0; i < patches; ++i)
    for (index_t side = 0; side < 2; ++side) s(side, i) = anchors.similarity_scale * pairs[2 * i + side];
}

template <class T>
void similarities_backward(Context& context, View<const T, 2> features, const TextAnchors<T>& anchors,
                           View<const T, 2> d_s, View<T, 2> d_features, View<T, 2> d_anchors) {
  const index_t patches = features.extent(0), embed = features.extent(1);
  Arena::Scope scratch(context.arena());
  T* scaled = scratch.take<T>(2 * patches);
  for (index_t side = 0; side < 2; ++side)
    for (index_t i = 0; i < patches; ++i) scaled[side * patches + i] = anchors.similarity_scale * d_s(side, i);
  const auto d_pairs = kernels::row_major<T>(scaled, patches);
  kernels::gemm<T>(context, {patches, embed, 2}, kernels::transposed(d_pairs),
                   kernels::row_major<T>(anchors.vectors.data(), embed), d_features.data(), embed);
  kernels::Epilogue<T> add;
  add.accumulate = true;
  kernels::gemm<T>(context, {2, embed, patches}, d_pairs, kernels::row_major<T>(features.data(), features.stride(0)),
                   d_anchors.data(), embed, add);
}

template <class T>
void raw_map(View<const T, 2> s, T* a) {
  for (index_t i = 0; i < s.extent(1); ++i) a[i] = (s(1, i) + T(1) - s(0, i)) / T(2);
}

template <class T>
void reference_map(Context& context, View<const T, 3> s, Domain domain, View<T, 2> map) {
  const index_t patches = s.extent(2);
  const auto grid = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  const GaussianBlur blur = reference_blur(domain);
  Arena::Scope scratch(context.arena());
  const View<T, 2> raw(scratch.take<T>(patches), {grid, grid}), blurred(scratch.take<T>(patches), {grid, grid}),
      sum(scratch.take<T>(patches), {grid, grid});
  T* blur_scratch = scratch.take<T>(gaussian_blur_scratch(blur, grid, grid));
  std::fill_n(sum.data(), patches, T(0));
  for (index_t m = 0; m < s.extent(0); ++m) {
    raw_map<T>(s[m], raw.data());
    gaussian_blur<T>(blur, raw, blurred, blur_scratch);
    for (index_t i = 0; i < patches; ++i) sum.data()[i] += blurred.data()[i];
  }
  upsample_bilinear<T>(sum, map);
}

template <class T>
void probability_map(Context& context, View<const T, 3> s, View<T, 2> map) {
  const index_t maps = s.extent(0), patches = s.extent(2), pixels = map.size();
  const auto grid = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  MOECLIP_EXPECT(map.is_contiguous(), "the anomaly map must be contiguous");
  Arena::Scope scratch(context.arena());
  T* difference = scratch.take<T>(maps * patches);
  const View<T, 3> large(scratch.take<T>(maps * pixels), {maps, map.extent(0), map.extent(1)});
  context.parallel_for(maps, [&](index_t m, int) {
    T* d = difference + m * patches;
    for (index_t i = 0; i < patches; ++i) d[i] = s(m, 1, i) - s(m, 0, i);
    upsample_bilinear<T>(View<const T, 2>(d, {grid, grid}), large[m]);
  });
  kernels::sigmoid<T>(context, maps * pixels, large.data(), large.data());
  context.parallel_for(map.extent(0), [&](index_t y, int) {
    const index_t width = map.extent(1);
    T* row = &map(y, 0);
    std::fill_n(row, width, T(0));
    for (index_t m = 0; m < maps; ++m)
      for (index_t x = 0; x < width; ++x) row[x] += large(m, y, x);
    for (index_t x = 0; x < width; ++x) row[x] /= static_cast<T>(maps);
  });
}

template <class T>
T class_score(const T* embedding, const TextAnchors<T>& anchors) {
  T dot = 0;
  for (index_t c = 0; c < anchors.vectors.extent(1); ++c) dot += embedding[c] * anchors.abnormal()[c];
  return (dot + T(1)) / T(2);
}

MOECLIP_INSTANTIATE(similarities_forward)
MOECLIP_INSTANTIATE(similarities_backward)
MOECLIP_INSTANTIATE(raw_map)
MOECLIP_INSTANTIATE(reference_map)
MOECLIP_INSTANTIATE(probability_map)
MOECLIP_INSTANTIATE(class_score)

}}  // namespace moeclip::abi_v0_1

#endif
