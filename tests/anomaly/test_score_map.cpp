// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/anomaly/score_map.hpp>
#include <vector>

#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

using Plane = std::vector<double>;  // (side, side)

Plane slow_upsample(const Plane& in, index_t grid, index_t size) {
  Plane out(static_cast<std::size_t>(size * size));
  const auto at = [&](index_t y, index_t x) {
    return in[static_cast<std::size_t>(std::min(y, grid - 1) * grid + std::min(x, grid - 1))];
  };
  const double step = size > 1 ? static_cast<double>(grid - 1) / static_cast<double>(size - 1) : 0;
  for (index_t i = 0; i < size * size; ++i) {
    const double y = step * static_cast<double>(i / size), x = step * static_cast<double>(i % size);
    const auto y0 = static_cast<index_t>(y), x0 = static_cast<index_t>(x);
    const double dy = y - static_cast<double>(y0), dx = x - static_cast<double>(x0);
    out[static_cast<std::size_t>(i)] = (1 - dy) * ((1 - dx) * at(y0, x0) + dx * at(y0, x0 + 1)) +
                                       dy * ((1 - dx) * at(y0 + 1, x0) + dx * at(y0 + 1, x0 + 1));
  }
  return out;
}

Plane slow_blur(const Plane& in, index_t grid, index_t taps, double sigma) {
  const auto mirror = [&](index_t i) {
    while (i < 0 || i >= grid) i = i < 0 ? -i : 2 * (grid - 1) - i;
    return i;
  };
  Plane out(in.size(), 0);
  const index_t reach = taps / 2;
  double total = 0;
  for (index_t d = -reach; d <= reach; ++d) total += std::exp(-static_cast<double>(d * d) / (2 * sigma * sigma));
  for (index_t i = 0; i < grid * grid; ++i)
    for (index_t dy = -reach; dy <= reach; ++dy)
      for (index_t dx = -reach; dx <= reach; ++dx)
        out[static_cast<std::size_t>(i)] +=
            std::exp(-static_cast<double>(dy * dy + dx * dx) / (2 * sigma * sigma)) / (total * total) *
            in[static_cast<std::size_t>(mirror(i / grid + dy) * grid + mirror(i % grid + dx))];
  return out;
}

/// Row `side` of map m of s (M, 2, L).
template <class T>
Plane plane_of(const Tensor<T>& s, index_t m, index_t side) {
  const index_t patches = s.extent(2);
  const T* first = s.data() + (2 * m + side) * patches;
  return Plane(first, first + patches);
}

}  // namespace

TEST_CASE_TEMPLATE("similarities are 100 times the cosines with both anchors", T, float, double) {
  Context context({.threads = 2});
  const index_t patches = 9, embed = 37;
  Tensor<T> features = random_tensor<T>({patches, embed}, "features", 0.2f), s({2, patches});
  const TextAnchors<T> anchors{"x", random_tensor<T>({2, embed}, "anchors", 0.2f)};
  similarities_forward<T>(context, std::as_const(features).template view<2>(), anchors, s.template view<2>());
  for (index_t side = 0; side < 2; ++side)
    for (index_t i = 0; i < patches; ++i) {
      double sum = 0, size = 0;
      for (index_t c = 0; c < embed; ++c) {
        const double term =
            100 * static_cast<double>(features[i * embed + c]) * static_cast<double>(anchors.vectors[side * embed + c]);
        sum += term, size += std::abs(term);
      }
      CHECK(std::abs(static_cast<double>(s[side * patches + i]) - sum) <= (embed + 4) * eps_of<T>() * size);
    }
  const TextAnchors<T> others{"y", Tensor<T>({2, embed + 1})};
  expect_error(ErrorCode::contract, {"width 38", "width 37"}, [&] {
    similarities_forward<T>(context, std::as_const(features).template view<2>(), others, s.template view<2>());
  });
}

TEST_CASE_TEMPLATE("the reference map is the sum of blurred, upsampled maps", T, float, double) {
  Context context({.threads = 2});
  for (const Domain domain : {Domain::industrial, Domain::medical})
    for (const index_t grid : {5, 6, 9}) {
      const index_t maps = 4, size = 31;
      const Tensor<T> s = random_tensor<T>({maps, 2, grid * grid}, "similarities", 30.0f);
      Plane wanted(static_cast<std::size_t>(size * size), 0);
      for (index_t m = 0; m < maps; ++m) {
        Plane raw = plane_of(s, m, 1);
        const Plane normal = plane_of(s, m, 0);
        for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = (raw[i] + 1 - normal[i]) / 2;
        const Plane blurred =
            domain == Domain::industrial ? slow_blur(raw, grid, 7, 1.0) : slow_blur(raw, grid, 9, 1.5);
        const Plane large = slow_upsample(blurred, grid, size);
        for (std::size_t i = 0; i < large.size(); ++i) wanted[i] += large[i];
      }
      Tensor<T> map({size, size});
      reference_map<T>(context, s.template view<3>(), domain, map.template view<2>());
      double worst = 0;
      for (index_t i = 0; i < map.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(map[i]) - wanted[static_cast<std::size_t>(i)]));
      // every value is a convex sum of numbers below 31, four of them, over 9 + 9 taps and 4 corners
      CHECK(worst <= 31 * maps * (9 + 9 + 4 + 4) * eps_of<T>());
    }
}

TEST_CASE_TEMPLATE("the probability map is the mean of softmaxes after upsampling", T, float, double) {
  for (const int threads : {1, 3}) {
    Context context({.threads = threads});
    for (const index_t grid : {1, 2, 5}) {
      const index_t maps = 5, size = 23;
      const Tensor<T> s = random_tensor<T>({maps, 2, grid * grid}, "similarities", 9.0f);
      Plane wanted(static_cast<std::size_t>(size * size), 0);
      for (index_t m = 0; m < maps; ++m) {
        const Plane normal = slow_upsample(plane_of(s, m, 0), grid, size);
        const Plane abnormal = slow_upsample(plane_of(s, m, 1), grid, size);
        for (std::size_t i = 0; i < wanted.size(); ++i)
          wanted[i] += std::exp(abnormal[i]) / (std::exp(abnormal[i]) + std::exp(normal[i])) / maps;
      }
      Tensor<T> map({size, size});
      probability_map<T>(context, s.template view<3>(), map.template view<2>());
      double worst = 0;
      for (index_t i = 0; i < map.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(map[i]) - wanted[static_cast<std::size_t>(i)]));
      CHECK(worst <= (18 + maps) * eps_of<T>());  // a sigmoid's slope is 1/4, its argument below 18
    }
  }
}

TEST_CASE_TEMPLATE("probabilities stay in [0, 1] for similarities of any size", T, float, double) {
  Context context({.threads = 1});
  for (const float scale : {0.0f, 1.0f, 100.0f, 1e4f, 1e30f}) {
    const Tensor<T> s = random_tensor<T>({12, 2, 16}, "extreme", scale);
    Tensor<T> map({17, 17});
    probability_map<T>(context, s.template view<3>(), map.template view<2>());
    index_t outside = 0;
    for (const T value : map) outside += !(value >= 0 && value <= 1);
    CHECK(outside == 0);
    if (scale == 0.0f)
      for (const T value : map) CHECK(std::abs(static_cast<double>(value) - 0.5) <= eps_of<T>());
  }
}

TEST_CASE("scores of class and image") {
  const TextAnchors<double> anchors{"x", [] {
                                      Tensor<double> vectors({2, 2});
                                      vectors[0] = 1, vectors[3] = 1;  // normal (1, 0), abnormal (0, 1)
                                      return vectors;
                                    }()};
  const double embedding[] = {0.9, -0.4};
  CHECK(class_score<double>(embedding, anchors) == doctest::Approx(0.3).epsilon(1e-15));  // normal does not count
  CHECK(image_score<double>(Domain::industrial, 0.8, 0.3) == doctest::Approx(0.55).epsilon(1e-15));
  CHECK(image_score<double>(Domain::medical, 0.8, 0.3) == 0.8);
}

TEST_CASE("the gradients of similarities; that of the anchors is added") {
  Context context({.threads = 1});
  Tensor<double> features = random_tensor<double>({9, 4}, "features"), d_features({9, 4}), s({2, 9}), d_anchors({2, 4});
  TextAnchors<double> anchors{"x", random_tensor<double>({2, 4}, "anchors")};
  const Tensor<double> weights = random_tensor<double>({2, 9}, "weights");
  const auto loss = [&] {
    similarities_forward<double>(context, std::as_const(features).view<2>(), anchors, s.view<2>());
    double sum = 0;
    for (index_t i = 0; i < 18; ++i) sum += s[i] * weights[i];
    for (const double value : anchors.vectors) sum += value;
    return sum;
  };
  d_anchors.fill(1);  // of the second term
  similarities_backward<double>(context, features.view<2>(), anchors, weights.view<2>(), d_features.view<2>(),
                                d_anchors.view<2>());
  expect_gradient(loss, {{"features", features, d_features}, {"anchors", anchors.vectors, d_anchors}});
}
