// SPDX-License-Identifier: MIT
#pragma once
// The distributions of Bayes-PFL from which offsets of prompts are drawn (PFL-1 to PFL-3 in this folder's README): a
// Gaussian, whose mean and spread a network makes, sent through planar flows. One depends on the picture, two (of the
// normal and of the abnormal state) on a learned vector alone.

#include "planar_flow.hpp"
#include "softplus_mlp.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Mean and spread of a Gaussian of width Z from a vector of width C.
template <class T>
struct FlowEncoder {
  SoftplusMlp<T> mean, spread;  // C -> Z; the deviation is exp(spread / 4)

  FlowEncoder() = default;
  /// Uninitialised parameters.
  FlowEncoder(index_t inputs, index_t hidden, index_t outputs)
      : mean(inputs, hidden, outputs), spread(inputs, hidden, outputs) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight_mean", self.mean);
    visitor("weight_log_variance", self.spread);
  }
};

/// Flows whose parameters are made from the picture's vector g (C).
template <class T>
struct ImageFlow {
  Linear<T> reconstruction;  // (C, Z); of a loss that the official code no longer has: kept for its files
  Linear<T> u, w;            // (F * Z, C)
  Linear<T> b;               // (F, C)

  ImageFlow() = default;
  /// Uninitialised parameters of F flows.
  ImageFlow(index_t inputs, index_t flows, index_t width)
      : reconstruction(inputs, width, true),
        u(flows * width, inputs, true),
        w(flows * width, inputs, true),
        b(flows, inputs, true) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("p_mu.0", self.reconstruction);
    visitor("amor_u", self.u);
    visitor("amor_w", self.w);
    visitor("amor_b", self.b);
  }
};

/// Flows of a state, the same for all pictures.
template <class T>
struct StateFlow {
  Tensor<T> u;               // (1, F, Z, 1)
  Tensor<T> w;               // (1, F, 1, Z)
  Tensor<T> b;               // (1, F, 1, 1)
  Tensor<T> state;           // (1, C), which the encoder is given in place of a picture
  Linear<T> reconstruction;  // as in ImageFlow

  StateFlow() = default;
  /// Uninitialised parameters of F flows.
  StateFlow(index_t inputs, index_t flows, index_t width)
      : u(Tensor<T>::uninitialised({1, flows, width, 1})),
        w(Tensor<T>::uninitialised({1, flows, 1, width})),
        b(Tensor<T>::uninitialised({1, flows, 1, 1})),
        state(Tensor<T>::uninitialised({1, inputs})),
        reconstruction(inputs, width, true) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("amor_u", self.u);
    visitor("amor_w", self.w);
    visitor("amor_b", self.b);
    visitor("state", self.state);
    visitor("p_mu.0", self.reconstruction);
  }
};

/// What a pass leaves for its backward pass. M is the number of inputs: N, or 1 for all samples.
template <class T>
struct FlowSaved {
  SoftplusMlpSaved<T> mean, spread;  // of the encoder
  Tensor<T> center, s;               // (M, Z): what the encoder made
  Tensor<T> u, w, b;                 // (M, F * Z) twice, (M, F); of an ImageFlow
  Tensor<T> steps;                   // (N, F, Z): what each flow was given
  Tensor<T> z, log_det;              // (N, Z), (N): the samples, and how far the flows stretch there
};

/// z (N, Z) from standard normal `noise` (N, Z), for pictures of vectors g (M, C); M is N or 1.
template <class T>
void image_flow_forward(Context& context, const FlowEncoder<T>& encoder, const ImageFlow<T>& flow, View<const T, 2> g,
                        View<const T, 2> noise, FlowSaved<T>& saved);

/// The same for a state, from its learned vector.
template <class T>
void state_flow_forward(Context& context, const FlowEncoder<T>& encoder, const StateFlow<T>& flow,
                        View<const T, 2> noise, FlowSaved<T>& saved);

/// How much the divergence from the standard normal counts: of the two densities, and of the flows' stretching.
struct DivergenceWeights {
  double density = 0;  ///< of log q(z_0) - log p(z_F)
  double log_det = 0;  ///< of the flows' log |det|
};

/// sum over samples of density (log q(z_0) - log p(z_F)) - log_det (sum over flows of log |det|), up to the constants
/// that cancel.  (PFL-3)
template <class T>
double flow_divergence(const FlowSaved<T>& saved, View<const T, 2> noise, const DivergenceWeights& weights);

/// Parameters, and where their gradients are added up.
template <class Layer>
struct WithGradient {
  const Layer& values;  ///< of the forward pass
  Layer& gradient;      ///< added to
};

/// A way back through a flow, M = N.
template <class T>
struct FlowBackward {
  View<const T, 2> noise;     ///< of the forward pass
  DivergenceWeights weights;  ///< of flow_divergence, which is a part of the loss
  View<T, 2> d_z;             ///< (N, Z) in: gradient of the samples, the divergence aside; overwritten
};

/// Adds to the gradients of encoder and flow.  (PFL-1')
template <class T>
void image_flow_backward(Context& context, WithGradient<FlowEncoder<T>> encoder, WithGradient<ImageFlow<T>> flow,
                         View<const T, 2> g, const FlowSaved<T>& saved, const FlowBackward<T>& back);

/// The same of a state.  (PFL-2')
template <class T>
void state_flow_backward(Context& context, WithGradient<FlowEncoder<T>> encoder, WithGradient<StateFlow<T>> flow,
                         const FlowSaved<T>& saved, const FlowBackward<T>& back);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The Gaussian and its samples z_0 = noise exp(s / 4) + center, then the flows.
template <class T>
void flow_forward(Context& context, const FlowEncoder<T>& encoder, const PlanarFlows<T>& flows, View<const T, 2> input,
                  View<const T, 2> noise, FlowSaved<T>& saved) {
  const index_t inputs = input.extent(0), samples = noise.extent(0), width = noise.extent(1);
  const View<T, 2> center = fit(saved.center, {inputs, width}).template view<2>();
  const View<T, 2> s = fit(saved.s, {inputs, width}).template view<2>();
  softplus_mlp_forward<T>(context, encoder.mean, input, center, &saved.mean);  // (1)
  softplus_mlp_forward<T>(context, encoder.spread, input, s, &saved.spread);   // (2)
  const View<T, 2> z = fit(saved.z, {samples, width}).template view<2>();
  for (index_t n = 0; n < samples; ++n)
    for (index_t i = 0; i < width; ++i) {
      const index_t m = inputs == 1 ? 0 : n;
      z(n, i) = noise(n, i) * std::exp(s(m, i) / T(4)) + center(m, i);  // (3)
    }
  fit(saved.steps, {samples, flows.flows(), width});
  fit(saved.log_det, {samples});
  planar_flows_forward<T>(context, flows, z, saved.log_det.template view<1>(), saved.steps.template view<3>());  // (4)
}

/// Room for the gradients of the flows' parameters.
template <class T>
struct FlowParameterGradient {
  View<T, 2> u, w, b;  // (N, F * Z) twice, (N, F)

  FlowParameterGradient(Arena::Scope& scratch, const PlanarFlows<T>& flows) {
    const index_t rows = flows.b.extent(0), one = flows.flows() * flows.width();
    const auto take = [&](index_t columns) { return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns}); };
    u = take(one), w = take(one), b = take(flows.flows());
  }
};

/// What flow_backward goes back through.
template <class T>
struct FlowWay {
  WithGradient<FlowEncoder<T>> encoder;
  PlanarFlows<T> flows;
  View<const T, 2> input;
  const FlowSaved<T>& saved;
};

/// (4') to (1'). `d` receives the gradients of the flows' parameters, d_input, unless it has no data, that of the
/// input.
template <class T>
void flow_backward(Context& context, const FlowWay<T>& way, const FlowBackward<T>& back,
                   const FlowParameterGradient<T>& d, View<T, 2> d_input) {
  const FlowSaved<T>& saved = way.saved;
  const PlanarFlows<T>& flows = way.flows;
  const index_t rows = back.d_z.extent(0), width = back.d_z.extent(1);
  MOECLIP_EXPECT(way.input.extent(0) == rows && saved.z.shape() == Shape({rows, width}), "a flow of ",
                 way.input.extent(0), " inputs and samples ", to_string(saved.z.shape()), " was given gradients (",
                 rows, ",", width, ")");
  Arena::Scope scratch(context.arena());
  const View<T, 1> d_log_det(scratch.take<T>(rows), {rows});
  const View<T, 2> d_s(scratch.take<T>(rows * width), {rows, width});
  const auto density = static_cast<T>(back.weights.density);
  std::fill_n(d_log_det.data(), rows, static_cast<T>(-back.weights.log_det));
  for (index_t i = 0; i < rows * width; ++i) back.d_z.data()[i] += density * saved.z[i];
  planar_flows_backward<T>(context, flows, saved.steps.template view<3>(),
                           {back.d_z,
                            d_log_det,
                            {d.u.data(), {rows, flows.flows(), width}},
                            {d.w.data(), {rows, flows.flows(), width}},
                            d.b});  // (4')
  for (index_t n = 0; n < rows; ++n)
    for (index_t i = 0; i < width; ++i) {
      const T deviation = std::exp(saved.s[n * width + i] / T(4));
      d_s(n, i) = (back.d_z(n, i) * back.noise(n, i) * deviation - density) / T(4);  // (3')
    }
  const View<T, 2> d_other(scratch.take<T>(d_input.size()), d_input.extents());
  softplus_mlp_backward<T>(context, way.encoder.values.spread,
                           {way.input, saved.spread, d_s, d_input.data() == nullptr ? View<T, 2>() : d_other},
                           way.encoder.gradient.spread);  // (2')
  softplus_mlp_backward<T>(context, way.encoder.values.mean, {way.input, saved.mean, back.d_z, d_input},
                           way.encoder.gradient.mean);  // (1')
  if (d_input.data() == nullptr) return;
  for (index_t i = 0; i < d_input.size(); ++i) d_input.data()[i] += d_other.data()[i];
}

template <class T>
PlanarFlows<T> flows_of(const FlowSaved<T>& saved, index_t flows) {
  const index_t rows = saved.b.extent(0), width = saved.u.extent(1) / flows;
  return {
      {saved.u.data(), {rows, flows, width}}, {saved.w.data(), {rows, flows, width}}, {saved.b.data(), {rows, flows}}};
}

template <class T>
PlanarFlows<T> flows_of(const StateFlow<T>& flow) {
  const index_t flows = flow.b.extent(1), width = flow.u.extent(2);
  return {{flow.u.data(), {1, flows, width}}, {flow.w.data(), {1, flows, width}}, {flow.b.data(), {1, flows}}};
}

}  // namespace detail

template <class T>
void image_flow_forward(Context& context, const FlowEncoder<T>& encoder, const ImageFlow<T>& flow, View<const T, 2> g,
                        View<const T, 2> noise, FlowSaved<T>& saved) {
  const index_t rows = g.extent(0);
  const auto make = [&](const Linear<T>& layer, Tensor<T>& to) {
    linear_forward<T>(context, layer, g, detail::fit(to, {rows, layer.outputs()}).template view<2>());
  };
  make(flow.u, saved.u);
  make(flow.w, saved.w);
  make(flow.b, saved.b);
  detail::flow_forward<T>(context, encoder, detail::flows_of(saved, flow.b.outputs()), g, noise, saved);
}

template <class T>
void state_flow_forward(Context& context, const FlowEncoder<T>& encoder, const StateFlow<T>& flow,
                        View<const T, 2> noise, FlowSaved<T>& saved) {
  detail::flow_forward<T>(context, encoder, detail::flows_of(flow), flow.state.template view<2>(), noise, saved);
}

template <class T>
double flow_divergence(const FlowSaved<T>& saved, View<const T, 2> noise, const DivergenceWeights& weights) {
  const index_t samples = noise.extent(0), width = noise.extent(1);
  double sum = 0;
  for (index_t n = 0; n < samples; ++n) {
    const T* s = saved.s.data() + (saved.s.extent(0) == 1 ? 0 : n) * width;
    double density = 0;
    for (index_t i = 0; i < width; ++i) {
      const double e = static_cast<double>(noise(n, i)), z = static_cast<double>(saved.z[n * width + i]);
      density += 0.5 * (z * z - e * e - 0.5 * static_cast<double>(s[i]));
    }
    sum += weights.density * density - weights.log_det * static_cast<double>(saved.log_det[n]);
  }
  return sum;
}

template <class T>
void image_flow_backward(Context& context, WithGradient<FlowEncoder<T>> encoder, WithGradient<ImageFlow<T>> flow,
                         View<const T, 2> g, const FlowSaved<T>& saved, const FlowBackward<T>& back) {
  const PlanarFlows<T> flows = detail::flows_of(saved, flow.values.b.outputs());
  Arena::Scope scratch(context.arena());
  const detail::FlowParameterGradient<T> d(scratch, flows);
  detail::flow_backward<T>(context, {encoder, flows, g, saved}, back, d, {});
  linear_backward<T>(context, flow.values.u, g, d.u, {}, &flow.gradient.u);
  linear_backward<T>(context, flow.values.w, g, d.w, {}, &flow.gradient.w);
  linear_backward<T>(context, flow.values.b, g, d.b, {}, &flow.gradient.b);
}

template <class T>
void state_flow_backward(Context& context, WithGradient<FlowEncoder<T>> encoder, WithGradient<StateFlow<T>> flow,
                         const FlowSaved<T>& saved, const FlowBackward<T>& back) {
  const PlanarFlows<T> flows = detail::flows_of(flow.values);
  Arena::Scope scratch(context.arena());
  const detail::FlowParameterGradient<T> d(scratch, flows);
  const index_t inputs = flow.values.state.extent(1);
  const View<T, 2> d_state(scratch.take<T>(inputs), {1, inputs});
  detail::flow_backward<T>(context, {encoder, flows, flow.values.state.template view<2>(), saved}, back, d, d_state);
  const auto add = [](View<T, 2> from, Tensor<T>& to) {
    for (index_t i = 0; i < to.size(); ++i) to[i] += from.data()[i];
  };
  add(d.u, flow.gradient.u);
  add(d.w, flow.gradient.w);
  add(d.b, flow.gradient.b);
  add(d_state, flow.gradient.state);
}

MOECLIP_INSTANTIATE(image_flow_forward)
MOECLIP_INSTANTIATE(state_flow_forward)
MOECLIP_INSTANTIATE(flow_divergence)
MOECLIP_INSTANTIATE(image_flow_backward)
MOECLIP_INSTANTIATE(state_flow_backward)

}}  // namespace moeclip::abi_v0_1

#endif
