// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/anomaly/heads.hpp>
#include <moeclip/tensor/visit.hpp>
#include <vector>

#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// Two levels, three windows, width 10, joint width 6.
template <class T>
Adapter<T> random_adapter(bool is_separate, bool use_relu) {
  AdapterConfig config;
  config.level_blocks = {1, 2};
  config.use_separate_projections = is_separate;
  config.use_relu = use_relu;
  Adapter<T> adapter(config, 10, 6, 4);
  visit_parameters(adapter, "", [](const std::string& name, Tensor<T>& tensor) { randomize(tensor, name); });
  return adapter;
}

}  // namespace

TEST_CASE_TEMPLATE("each map has its projection: one per level, or one each", T, float, double) {
  Context context({.threads = 1});
  const Tensor<T> tokens = random_tensor<T>({5, 10}, "tokens");
  for (const bool is_separate : {false, true})
    for (const bool use_relu : {false, true}) {
      const Adapter<T> adapter = random_adapter<T>(is_separate, use_relu);
      for (index_t map = 0; map < 6; ++map) {
        Tensor<T> projected({5, 6});
        project_tokens<T>(context, adapter, map, tokens.template view<2>(), projected.template view<2>());
        const Tensor<T>& weight = adapter.projections[static_cast<std::size_t>(is_separate ? map : map / 3)].weight;
        double worst = 0;
        for (index_t n = 0; n < 5; ++n)
          for (index_t c = 0; c < 6; ++c) {
            Wider<T> sum = 0, size = 0;
            for (index_t d = 0; d < 10; ++d) {
              const auto term = static_cast<Wider<T>>(weight[c * 10 + d]) * static_cast<Wider<T>>(tokens[n * 10 + d]);
              sum += term, size += std::abs(term);
            }
            if (use_relu && sum < 0) sum *= static_cast<Wider<T>>(0.01L);
            const double off = static_cast<double>(std::abs(sum - static_cast<Wider<T>>(projected[n * 6 + c])));
            worst = std::max(worst, off / (14 * eps_of<T>() * static_cast<double>(size)));
          }
        CHECK(worst <= 1);
      }
    }
}

TEST_CASE_TEMPLATE("rows become unit vectors; a row of zeros stays zero", T, float, double) {
  Context context({.threads = 1});
  Tensor<T> x = random_tensor<T>({4, 67}, "rows", 3.0f);
  std::fill_n(x.data() + 67, 67, T(0));
  normalize_tokens<T>(context, x.template view<2>());
  for (index_t n = 0; n < 4; ++n) {
    double square = 0;
    for (index_t c = 0; c < 67; ++c) square += static_cast<double>(x[67 * n + c]) * static_cast<double>(x[67 * n + c]);
    if (n == 1)
      CHECK(square == 0);
    else
      CHECK(std::abs(std::sqrt(square) - 1) <= 67 * eps_of<T>());
  }
}

TEST_CASE_TEMPLATE("the detection token equals its formula in a wider type", T, float, double) {
  Context context({.threads = 2});
  for (const index_t patches : {1, 2, 9, 25}) {
    CAPTURE(patches);
    const Adapter<T> adapter = random_adapter<T>(false, false);
    const DetectionHead<T>& head = *adapter.detection;
    const Tensor<T> tokens = random_tensor<T>({patches, 10}, "patches", 2.0f);
    Arena::Scope scratch(context.arena());
    const auto steps = DetectionSteps<T>::take(scratch, patches, 10, 6);
    Tensor<T> embedding({6});
    detection_forward<T>(context, head, tokens.template view<2>(), steps, embedding.data());

    using W = Wider<T>;
    std::vector<W> normed(static_cast<std::size_t>(patches * 10)), mean(6, 0);
    for (index_t n = 0; n < patches; ++n) {
      W sum = 0, square = 0;
      for (index_t d = 0; d < 10; ++d) sum += static_cast<W>(tokens[n * 10 + d]) / 10;
      for (index_t d = 0; d < 10; ++d)
        square += (static_cast<W>(tokens[n * 10 + d]) - sum) * (static_cast<W>(tokens[n * 10 + d]) - sum) / 10;
      for (index_t d = 0; d < 10; ++d)
        normed[static_cast<std::size_t>(n * 10 + d)] = static_cast<W>(head.norm.gamma[d]) *
                                                           (static_cast<W>(tokens[n * 10 + d]) - sum) /
                                                           std::sqrt(square + static_cast<W>(1e-5)) +
                                                       static_cast<W>(head.norm.beta[d]);
    }
    for (index_t n = 0; n < patches; ++n) {
      std::vector<W> active(10, 0), projected(6, 0);
      for (index_t d = 0; d < 10; ++d) {
        W& value = active[static_cast<std::size_t>(d)];
        for (index_t k = 0; k < 3; ++k)
          if (n + k - 1 >= 0 && n + k - 1 < patches)
            value += static_cast<W>(head.depthwise.weight[3 * d + k]) *
                     normed[static_cast<std::size_t>((n + k - 1) * 10 + d)];
        value = value * (1 + std::erf(value / std::sqrt(W(2)))) / 2;
      }
      W square = 0;
      for (index_t c = 0; c < 6; ++c) {
        W& value = projected[static_cast<std::size_t>(c)];
        for (index_t d = 0; d < 10; ++d)
          value += static_cast<W>(head.pointwise.weight[c * 10 + d]) * active[static_cast<std::size_t>(d)];
        square += value * value;
      }
      for (std::size_t c = 0; c < 6; ++c) mean[c] += projected[c] / std::sqrt(square) / static_cast<W>(patches);
    }
    double worst = 0, length = 0;
    for (index_t c = 0; c < 6; ++c) {
      worst = std::max(worst,
                       static_cast<double>(std::abs(mean[static_cast<std::size_t>(c)] - static_cast<W>(embedding[c]))));
      length += static_cast<double>(embedding[c]) * static_cast<double>(embedding[c]);
    }
    // unit vectors from sums of 10, 3 and 10 terms; the shortest projected row may be a tenth of its terms
    CHECK(worst <= 10 * (10 + 3 + 10 + 6) * eps_of<T>());
    if (patches > 2) CHECK(length < 0.999);  // a mean of unit vectors, not renormalised
    if (patches == 1) CHECK(std::abs(length - 1) <= 20 * eps_of<T>());
  }
}

TEST_CASE("the gradients of projection and unit length") {
  Context context({.threads = 1});
  for (const bool use_relu : {false, true}) {
    CAPTURE(use_relu);
    Adapter<double> adapter = random_adapter<double>(true, use_relu), gradient = random_adapter<double>(true, use_relu);
    zero_parameters(gradient);
    Tensor<double> tokens = random_tensor<double>({5, 10}, "tokens"), d_tokens({5, 10}), projected({5, 6});
    const Tensor<double> weights = random_tensor<double>({5, 6}, "weights");
    const auto loss = [&] {
      project_tokens<double>(context, adapter, 4, std::as_const(tokens).view<2>(), projected.view<2>());
      normalize_tokens<double>(context, projected.view<2>());
      double sum = 0;
      for (index_t i = 0; i < weights.size(); ++i) sum += projected[i] * weights[i];
      return sum;
    };
    project_tokens<double>(context, adapter, 4, std::as_const(tokens).view<2>(), projected.view<2>());
    Tensor<double> d_features = weights;
    project_tokens_backward<double>(context, adapter, 4,
                                    {tokens.view<2>(), projected.view<2>(), d_features.view<2>(), d_tokens.view<2>()},
                                    &gradient);
    expect_gradient(loss, {{"tokens", tokens, d_tokens}});
    expect_gradient(loss, parameter_gradients(adapter, gradient));
  }
}

TEST_CASE("the gradients of the detection head, added to what is there") {
  Context context({.threads = 1});
  for (const index_t patches : {1, 2, 9}) {
    CAPTURE(patches);
    DetectionHead<double> head(10, 6), gradient(10, 6);
    visit_parameters(head, "head", [](const std::string& name, Tensor<double>& tensor) { randomize(tensor, name); });
    zero_parameters(gradient);
    Tensor<double> tokens = random_tensor<double>({patches, 10}, "tokens"), d_tokens({patches, 10}), embedding({6});
    const Tensor<double> weights = random_tensor<double>({6}, "weights");
    Arena::Scope scratch(context.arena());
    const auto steps = DetectionSteps<double>::take(scratch, patches, 10, 6);
    const auto loss = [&] {
      detection_forward<double>(context, head, std::as_const(tokens).view<2>(), steps, embedding.data());
      double sum = 0;
      for (index_t c = 0; c < 6; ++c) sum += embedding[c] * weights[c];
      for (const double value : tokens) sum += value;
      return sum;
    };
    loss();
    d_tokens.fill(1);  // of the second term
    detection_backward<double>(context, head, {tokens.view<2>(), steps, weights.data(), d_tokens.view<2>()}, &gradient);
    expect_gradient(loss, {{"tokens", tokens, d_tokens}});
    expect_gradient(loss, parameter_gradients(head, gradient));
  }
}
