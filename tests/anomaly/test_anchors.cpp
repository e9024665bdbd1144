// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/anomaly/anchors.hpp>
#include <vector>

#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

template <class T>
struct TextModel {
  TextTower<T> tower{{8, 40, 12, 1, 1, 16}, 5, kernels::Activation::gelu};
  Adapter<T> adapter;
  Tensor<std::int32_t> tokens{Shape{5, 8}};

  TextModel() : adapter(AdapterConfig{}, 3, 5, 12) {
    const auto fill = [](const std::string& name, Tensor<T>& tensor) { randomize(tensor, name); };
    visit_parameters(tower, "text", fill);
    visit_parameters(adapter, "", fill);
    for (index_t n = 0; n < 5; ++n) {
      tokens[8 * n] = 38;
      for (index_t s = 1; s <= n; ++s) tokens[8 * n + s] = static_cast<std::int32_t>(7 * n + s);
      tokens[8 * n + n + 1] = 39;
    }
  }
};

}  // namespace

TEST_CASE("the mean direction is computed from unit vectors, by hand") {
  const double rows[3][2] = {{3, 4}, {0, -2}, {10, 0}};  // unit: (0.6, 0.8), (0, -1), (1, 0)
  double out[2] = {};
  detail::mean_direction<double>(View<const double, 2>(rows[0], {3, 2}), out);
  CHECK(out[0] == doctest::Approx(1.6 / std::sqrt(1.6 * 1.6 + 0.04)).epsilon(1e-14));
  CHECK(out[1] == doctest::Approx(-0.2 / std::sqrt(1.6 * 1.6 + 0.04)).epsilon(1e-14));
  detail::mean_direction<double>(View<const double, 2>(rows[0], {1, 2}), out);
  CHECK(out[0] == doctest::Approx(0.6).epsilon(1e-15));
}

TEST_CASE_TEMPLATE("anchors are unit mean directions of the adapted sentences of each state", T, float, double) {
  const TextModel<T> model;
  Context context({.threads = 2});
  std::vector<T> adapted;
  auto on_values = [&](const std::string& name, const Shape& shape, const T* values) {
    if (name == "eot") CHECK(shape == Shape{5, 12});
    if (name == "adapted") adapted.assign(values, values + shape.size());
  };
  auto on_indices = [](const std::string&, const Shape&, const std::int32_t*) {};
  const Probe<T> probe{on_values, on_indices};
  const ClassTokens sentences{"gizmo", model.tokens.template view<2>(), 2};
  const auto anchors = anchors_forward<T>(context, model.tower, model.adapter, sentences, &probe);
  CHECK(anchors.name == "gizmo");
  REQUIRE(anchors.vectors.shape() == Shape{2, 5});
  REQUIRE(adapted.size() == 25);
  const View<const T, 2> z(adapted.data(), {5, 5});
  Tensor<T> normal({5}), abnormal({5});
  detail::mean_direction<T>(z.rows(0, 2), normal.data());
  detail::mean_direction<T>(z.rows(2, 5), abnormal.data());
  CHECK(std::equal(normal.begin(), normal.end(), anchors.normal()));
  CHECK(std::equal(abnormal.begin(), abnormal.end(), anchors.abnormal()));
  for (const T* side : {anchors.normal(), anchors.abnormal()}) {
    double square = 0;
    for (index_t c = 0; c < 5; ++c) square += static_cast<double>(side[c]) * static_cast<double>(side[c]);
    CHECK(std::abs(square - 1) <= 16 * eps_of<T>());
  }
  const auto unwatched = anchors_forward<T>(context, model.tower, model.adapter, sentences);
  CHECK(same_bits(unwatched.vectors, anchors.vectors));
}

TEST_CASE("the text activation of the adapter is used") {
  TextModel<float> model;
  Context context({.threads = 1});
  const ClassTokens sentences{"gizmo", std::as_const(model.tokens).view<2>(), 2};
  const auto leaky = anchors_forward<float>(context, model.tower, model.adapter, sentences);
  model.adapter.text_activation = kernels::Activation::none;
  CHECK_FALSE(same_bits(anchors_forward<float>(context, model.tower, model.adapter, sentences).vectors, leaky.vectors));
}

TEST_CASE("both states need sentences") {
  const TextModel<float> model;
  Context context({.threads = 1});
  for (const index_t normal : {0, 5, 6})
    expect_error(ErrorCode::contract, {"gizmo", "both states", concat(normal, " of 5")}, [&] {
      static_cast<void>(
          anchors_forward<float>(context, model.tower, model.adapter, {"gizmo", model.tokens.view<2>(), normal}));
    });
}

TEST_CASE("the gradient of the anchors in the text projection") {
  Context context({.threads = 1});
  for (const auto activation : {kernels::Activation::leaky_relu, kernels::Activation::none}) {
    Adapter<double> adapter(AdapterConfig{}, 3, 5, 12);
    adapter.text_activation = activation;
    randomize(adapter.text.weight, "W_t");
    Linear<double> gradient(5, 12, false);
    zero_parameters(gradient);
    Tensor<double> u = random_tensor<double>({7, 12}, "u");
    const Tensor<double> weights = random_tensor<double>({2, 5}, "weights");
    Tensor<double> z({7, 5}), anchors({2, 5}), d_u({7, 12});
    const auto loss = [&] {
      anchors_of_sentences<double>(context, adapter, u.view<2>(), 3, z.view<2>(), anchors.view<2>());
      double sum = 0;
      for (index_t i = 0; i < 10; ++i) sum += anchors[i] * weights[i];
      return sum;
    };
    loss();
    anchors_backward<double>(context, adapter, {u.view<2>(), 3, z.view<2>(), weights.view<2>(), d_u.view<2>()},
                             gradient);
    expect_gradient(loss, {{"W_t", adapter.text.weight, gradient.weight}, {"u", u, d_u}});
  }
}
