// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/methods/balanced_map_losses.hpp>
#include <moeclip/methods/cross_attention.hpp>
#include <moeclip/methods/patch_fusion.hpp>
#include <moeclip/methods/prompt_flow.hpp>
#include <utility>
#include <vector>

#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

namespace bayes_layers_test {

using namespace moeclip;  // NOLINT

namespace {

/// sum of r . x, r drawn from `name`, and r as its gradient.
struct Probe1 {
  Tensor<double> r;
  Probe1(const Shape& shape, std::string_view name) : r(random_tensor<double>(shape, name)) {}
  [[nodiscard]] double of(const double* x) const {
    double sum = 0;
    for (index_t i = 0; i < r.size(); ++i) sum += r[i] * x[i];
    return sum;
  }
};

template <class Object>
void draw(Object& object, float scale = 0.5f) {
  visit_parameters(object, "",
                   [&](const std::string& name, Tensor<double>& tensor) { randomize(tensor, name, scale); });
}

double determinant(std::vector<double> a, index_t n) {
  const auto at = [&](index_t i, index_t j) -> double& { return a[static_cast<std::size_t>(i * n + j)]; };
  double product = 1;
  for (index_t k = 0; k < n; ++k) {
    product *= at(k, k);
    for (index_t i = k + 1; i < n; ++i) {
      const double factor = at(i, k) / at(k, k);
      for (index_t j = k; j < n; ++j) at(i, j) -= factor * at(k, j);
    }
  }
  return product;
}

}  // namespace

TEST_CASE("the perceptron with softplus: its gradients, and torch's straight line above 20") {
  Context context({.threads = 1});
  SoftplusMlp<double> mlp(3, 5, 2), gradient(3, 5, 2);
  draw(mlp, 2.0f);
  mlp.first.bias[1] = 30;  // beyond the bend, where the slope is 1
  zero_parameters(gradient);
  Tensor<double> x = random_tensor<double>({4, 3}, "x"), y({4, 2}), d_x({4, 3});
  const Probe1 probe({4, 2}, "probe");
  SoftplusMlpSaved<double> saved;
  const auto loss = [&] {
    softplus_mlp_forward<double>(context, mlp, std::as_const(x).view<2>(), y.view<2>(), &saved);
    return probe.of(y.data());
  };
  loss();
  softplus_mlp_backward<double>(context, mlp, {x.view<2>(), saved, probe.r.view<2>(), d_x.view<2>()}, gradient);
  expect_gradient(loss, {{"x", x, d_x}});
  expect_gradient(loss, parameter_gradients(mlp, gradient));
}

TEST_CASE("planar flows stretch volumes by what they say, and their gradients are those of differences") {
  Context context({.threads = 1});
  constexpr index_t kWidth = 3, kFlows = 2, kRows = 2;
  Tensor<double> u = random_tensor<double>({kRows, kFlows, kWidth}, "u"), w = random_tensor<double>(u.shape(), "w");
  Tensor<double> b = random_tensor<double>({kRows, kFlows}, "b"), z0 = random_tensor<double>({kRows, kWidth}, "z");
  const PlanarFlows<double> flows{u.view<3>(), w.view<3>(), b.view<2>()};
  Tensor<double> z, steps(u.shape()), log_det({kRows});
  const auto run = [&] {
    z = z0;
    planar_flows_forward<double>(context, flows, z.view<2>(), log_det.view<1>(), steps.view<3>());
  };
  const double h = 1e-6;
  for (index_t n = 0; n < kRows; ++n) {
    std::vector<double> jacobian(kWidth * kWidth);
    for (index_t j = 0; j < kWidth; ++j) {
      const double before = z0[n * kWidth + j];
      z0[n * kWidth + j] = before + h;
      run();
      const Tensor<double> above = z;
      z0[n * kWidth + j] = before - h;
      run();
      z0[n * kWidth + j] = before;
      for (index_t i = 0; i < kWidth; ++i)
        jacobian[static_cast<std::size_t>(i * kWidth + j)] = (above[n * kWidth + i] - z[n * kWidth + i]) / (2 * h);
    }
    run();
    // each flow's floor of 1e-5 beside a determinant of about 1
    CHECK(std::abs(log_det[n] - std::log(std::abs(determinant(jacobian, kWidth)))) < 1e-4);
  }

  const Probe1 ends({kRows, kWidth}, "ends"), stretch({kRows}, "stretch");
  const auto loss = [&] {
    run();
    return ends.of(z.data()) + stretch.of(log_det.data());
  };
  loss();
  Tensor<double> d_z = ends.r, d_u(u.shape()), d_w(u.shape()), d_b(b.shape());
  planar_flows_backward<double>(context, flows, std::as_const(steps).view<3>(),
                                {d_z.view<2>(), stretch.r.view<1>(), d_u.view<3>(), d_w.view<3>(), d_b.view<2>()});
  expect_gradient(loss, {{"z0", z0, d_z}, {"u", u, d_u}, {"w", w, d_w}, {"b", b, d_b}});
}

TEST_CASE("one set of flows serves all samples, and a flow without noise is the one of its mean") {
  Context context({.threads = 2});
  FlowEncoder<double> encoder(4, 3, 5);
  StateFlow<double> flow(4, 2, 5);
  draw(encoder);
  draw(flow);
  FlowSaved<double> all, one;
  Tensor<double> noise = random_tensor<double>({3, 5}, "noise");
  state_flow_forward<double>(context, encoder, flow, std::as_const(noise).view<2>(), all);
  for (index_t n = 0; n < 3; ++n) {
    state_flow_forward<double>(context, encoder, flow, std::as_const(noise).view<2>().rows(n, n + 1), one);
    for (index_t i = 0; i < 5; ++i) CHECK(one.z[i] == all.z[n * 5 + i]);
    CHECK(one.log_det[0] == all.log_det[n]);
  }
  noise.fill(0);
  state_flow_forward<double>(context, encoder, flow, std::as_const(noise).view<2>(), all);
  CHECK(all.z[0] == all.z[5]);
  expect_error(ErrorCode::contract, {"gradients"}, [&] {
    StateFlow<double> d_flow(4, 2, 5);
    FlowEncoder<double> d_encoder(4, 3, 5);
    Tensor<double> d_z({3, 5});
    state_flow_backward<double>(context, {encoder, d_encoder}, {flow, d_flow}, all,
                                {std::as_const(noise).view<2>(), {}, d_z.view<2>()});
  });
}

TEST_CASE("the divergence of a flow that does nothing is that of two Gaussians") {
  // z = noise: spread 0, mean 0, no stretching: log q - log p = 0 for every sample
  Context context({.threads = 1});
  FlowEncoder<double> encoder(2, 3, 4);
  StateFlow<double> flow(2, 1, 4);
  zero_parameters(encoder);
  zero_parameters(flow);
  const Tensor<double> noise = random_tensor<double>({5, 4}, "noise");
  FlowSaved<double> saved;
  state_flow_forward<double>(context, encoder, flow, noise.view<2>(), saved);
  CHECK(std::abs(flow_divergence<double>(saved, noise.view<2>(), {1, 0})) < 1e-14);
  encoder.mean.third.bias.fill(2);  // means of 2: sum over channels of ((e + 2)^2 - e^2) / 2 = sum of 2 e + 2
  state_flow_forward<double>(context, encoder, flow, noise.view<2>(), saved);
  double expected = 0;
  for (const double e : noise) expected += 2 * e + 2;
  CHECK(std::abs(flow_divergence<double>(saved, noise.view<2>(), {1, 0}) - expected) < 1e-13);
}

TEST_CASE("cross attention and the features it looks at: gradients against differences") {
  Context context({.threads = 1});
  CrossAttention<double> attention(1, 5, 8), gradient(1, 5, 8);
  draw(attention);
  zero_parameters(gradient);
  Tensor<double> t = random_tensor<double>({3, 8}, "t"), p = random_tensor<double>({7, 5}, "p");
  Tensor<double> projected({7, 8}), f({7, 8}), y({3, 8}), d_t({3, 8}), d_f({7, 8});
  Arena::Scope scratch(context.arena());
  const auto steps = CrossAttentionSteps<double>::take(scratch, 3, 7, 8);
  const Probe1 probe({3, 8}, "probe"), other({7, 8}, "other");
  const auto loss = [&] {
    patch_features_forward<double>(context, attention.patches[0], std::as_const(p).view<2>(), projected.view<2>(),
                                   f.view<2>());
    cross_attention_forward<double>(context, attention.query, std::as_const(t).view<2>(), std::as_const(f).view<2>(),
                                    steps, y.view<2>());
    return probe.of(y.data()) + other.of(f.data());
  };
  loss();
  d_f = other.r;
  cross_attention_backward<double>(
      context, attention.query,
      {std::as_const(t).view<2>(), std::as_const(f).view<2>(), steps, probe.r.view<2>(), d_t.view<2>(), d_f.view<2>()},
      gradient.query);
  patch_features_backward<double>(context, attention.patches[0], std::as_const(p).view<2>(),
                                  std::as_const(projected).view<2>(), d_f.view<2>(), gradient.patches[0]);
  expect_gradient(loss, {{"t", t, d_t}});
  expect_gradient(loss, parameter_gradients(attention, gradient));
  expect_error(ErrorCode::contract, {"4 heads", "6 channels"}, [] { CrossAttention<double>(1, 5, 6); });
}

TEST_CASE("the fusion of patches: as with one matrix of all levels, and its gradients") {
  Context context({.threads = 1});
  PatchFusion<double> fusion(6, 4, 3), gradient(6, 4, 3);
  draw(fusion);
  zero_parameters(gradient);
  const Tensor<double> a = random_tensor<double>({10, 3}, "a"), b = random_tensor<double>({10, 3}, "b");
  const std::vector<View<const double, 2>> levels{a.view<2>(), b.view<2>()};
  Tensor<double> y({2, 3});
  PatchFusionSaved<double> saved;
  const Probe1 probe({2, 3}, "probe");
  const auto loss = [&] {
    patch_fusion_forward<double>(context, fusion, levels, y.view<2>(), saved);
    return probe.of(y.data());
  };
  loss();
  for (index_t i = 0; i < 10; ++i)
    for (index_t h = 0; h < 4; ++h) {
      double sum = fusion.hidden.bias[h];
      for (index_t c = 0; c < 3; ++c)
        sum += fusion.hidden.weight[h * 6 + c] * a[i * 3 + c] + fusion.hidden.weight[h * 6 + 3 + c] * b[i * 3 + c];
      CHECK(std::abs(saved.hidden[i * 4 + h] - sum) < 1e-14);
    }
  patch_fusion_backward<double>(context, fusion, levels, probe.r.view<2>(), saved, gradient);
  expect_gradient(loss, parameter_gradients(fusion, gradient));
}

TEST_CASE("balanced losses: as plain sums over pixels, their gradient, and batches without a mark or a mask") {
  Context context({.threads = 1});
  Tensor<double> u = random_tensor<double>({3, 4, 4}, "u", 3.0f), d_u(u.shape()), masks({3, 9, 9});
  for (index_t i = 20; i < 47; ++i) masks[i] = masks[81 + 2 * i] = 1;
  std::vector<bool> has_mask{true, true, false};
  const auto loss = [&] {
    const BalancedMapLosses losses = balanced_map_losses<double>(
        context, {std::as_const(u).view<3>(), std::as_const(masks).view<3>(), has_mask, d_u.view<3>()});
    return losses.focal + losses.dice;
  };
  double focal[2] = {0, 0}, pixels[2] = {0, 0}, hit = 0, whole = 0;
  for (index_t b = 0; b < 2; ++b) {
    Tensor<double> large({9, 9});
    upsample_bilinear<double>(std::as_const(u).view<3>()[b], large.view<2>());
    for (index_t i = 0; i < 81; ++i) {
      const double abnormal = 1 / (1 + std::exp(-large[i]));
      const int side = masks[b * 81 + i] != 0 ? 1 : 0;
      const double right = side == 1 ? abnormal : 1 - abnormal;
      focal[side] -= (1 - right) * (1 - right) * std::log(right + 1e-8);
      pixels[side] += 1;
      hit += side == 1 ? abnormal : 0;
      whole += abnormal + side;
    }
  }
  const double expected =
      focal[0] / (pixels[0] + 1e-8) + focal[1] / (pixels[1] + 1e-8) + 1 - (2 * hit + 1e-5) / (whole + 1e-5);
  CHECK(std::abs(loss() - expected) < 1e-12);
  const Tensor<double> claimed = d_u;
  expect_gradient(loss, {{"u", u, claimed}});
  masks.fill(0);
  CHECK(std::isfinite(loss()));
  has_mask = {false, false, false};
  CHECK(loss() == 0);
  for (const double value : d_u) CHECK(value == 0);
}

}  // namespace bayes_layers_test
