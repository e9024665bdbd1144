// SPDX-License-Identifier: MIT
#pragma once
// The random numbers of Bayes-PFL, and the offsets that its distributions make of them. A number depends on the seed,
// its stream and its place only, so samples are the same for any number of threads and in any order of pictures.

#include <cstdint>
#include <string_view>

#include "bayes_pfl.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Standard normal numbers for the three distributions, (samples, Dt) each.
template <class T>
struct BayesPflNoise {
  Tensor<T> context;           ///< of the distribution that depends on the picture
  Tensor<T> normal, abnormal;  ///< of the two states
};

/// Draws from the streams (seed, "`stream`.context"), (seed, "`stream`.normal"), (seed, "`stream`.abnormal").
template <class T>
BayesPflNoise<T> draw_bayes_pfl_noise(std::uint64_t seed, std::string_view stream, index_t contexts, index_t states,
                                      index_t width);

/// What the three flows leave; the offsets are `z` of each.
template <class T>
struct BayesPflOffsets {
  FlowSaved<T> context;           ///< of pictures
  FlowSaved<T> normal, abnormal;  ///< of states
};

/// Offsets for pictures of vectors g (M, C), M as many as context samples, or one picture for all.
template <class T>
void bayes_pfl_offsets(Context& context, const BayesPfl<T>& model, View<const T, 2> g, const BayesPflNoise<T>& noise,
                       BayesPflOffsets<T>& offsets);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include "../nn/initialize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
BayesPflNoise<T> draw_bayes_pfl_noise(std::uint64_t seed, std::string_view stream, index_t contexts, index_t states,
                                      index_t width) {
  BayesPflNoise<T> noise{Tensor<T>::uninitialised({contexts, width}), Tensor<T>::uninitialised({states, width}),
                         Tensor<T>::uninitialised({states, width})};
  fill_normal(noise.context, seed, concat(stream, ".context"));
  fill_normal(noise.normal, seed, concat(stream, ".normal"));
  fill_normal(noise.abnormal, seed, concat(stream, ".abnormal"));
  return noise;
}

template <class T>
void bayes_pfl_offsets(Context& context, const BayesPfl<T>& model, View<const T, 2> g, const BayesPflNoise<T>& noise,
                       BayesPflOffsets<T>& offsets) {
  image_flow_forward<T>(context, model.context_encoder, model.context_flow, g, noise.context.template view<2>(),
                        offsets.context);
  state_flow_forward<T>(context, model.state_encoder, model.normal_flow, noise.normal.template view<2>(),
                        offsets.normal);
  state_flow_forward<T>(context, model.state_encoder, model.abnormal_flow, noise.abnormal.template view<2>(),
                        offsets.abnormal);
}

MOECLIP_INSTANTIATE(draw_bayes_pfl_noise)
MOECLIP_INSTANTIATE(bayes_pfl_offsets)

}}  // namespace moeclip::abi_v0_1

#endif
