// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <moeclip/train/losses.hpp>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

const std::vector<bool> kAll;

template <class T>
struct Maps {
  Tensor<T> difference, masks, d;

  Maps(index_t batch, index_t grid, index_t size, float scale)
      : difference(random_tensor<T>({batch, grid, grid}, "difference", scale)),
        masks({batch, size, size}),
        d({batch, grid, grid}) {
    const Rng rng(1, "masks");
    for (index_t i = 0; i < masks.size(); ++i) masks[i] = rng.unit(i / 3) < 0.3 ? T(1) : T(0);
  }
  MapLosses losses(Context& context, const std::vector<bool>& has_mask = kAll,
                   MapValues values = MapValues::difference) {
    MapTask<T> task{std::as_const(difference).template view<3>(), std::as_const(masks).template view<3>(), has_mask,
                    d.template view<3>()};
    task.values = values;
    return map_losses<T>(context, task);
  }
};

/// The formulas of METHOD section 4 as they stand, over P_n and P_a of one batch (B, H, W) each.
MapLosses plain_losses(const Tensor<double>& normal, const Tensor<double>& abnormal, const Tensor<double>& masks) {
  MapLosses losses;
  const index_t batch = masks.extent(0), pixels = masks.size() / batch;
  for (index_t b = 0; b < batch; ++b) {
    double hit[2] = {}, sum[2] = {}, target[2] = {};
    for (index_t i = b * pixels; i < (b + 1) * pixels; ++i) {
      double pt = 1e-5;
      for (int c = 0; c < 2; ++c) {
        const double p = c == 0 ? normal[i] : abnormal[i], t = c == 0 ? 1 - masks[i] : masks[i];
        pt += std::min(std::max(t, 1e-5), 1 - 1e-5) * p;
        hit[c] += p * t, sum[c] += p, target[c] += t;
      }
      losses.focal -= (1 - pt) * (1 - pt) * std::log(pt) / static_cast<double>(masks.size());
    }
    const auto dice = [&](int c) { return 1 - (2 * hit[c] + 1) / (sum[c] + target[c] + 1); };
    losses.dice_normal += dice(0) / static_cast<double>(batch);
    losses.dice_abnormal += dice(1) / static_cast<double>(batch);
  }
  return losses;
}

}  // namespace

TEST_CASE_TEMPLATE("focal and dice losses equal the recorded ones, saturated pixels included", T, float, double) {
  constexpr double kFactor = 8;  // of the distance between the official code's float and double runs
  const GoldenData golden("components/losses.safetensors");
  Context context({.threads = 2});
  for (const std::string name : {"a", "b", "empty", "hard"}) {
    CAPTURE(name);
    const Tensor<double> map = golden.read(name + "/map"), mask = golden.read(name + "/mask");
    const Tensor<double> grad = golden.read(name + "/grad");
    const index_t batch = map.extent(0), height = map.extent(2), width = map.extent(3), pixels = height * width;
    Tensor<T> u({batch, height, width}), masks({batch, height, width}), d({batch, height, width});
    Tensor<double> expected({batch, height, width});  // the recorded gradient, by way of the softmax
    for (index_t b = 0; b < batch; ++b)
      for (index_t i = 0; i < pixels; ++i) {
        const index_t at = b * pixels + i, normal = 2 * b * pixels + i, abnormal = normal + pixels;
        u[at] = static_cast<T>(std::log(map[abnormal] / map[normal]));  // infinite where saturated
        if (std::isinf(u[at])) u[at] = std::copysign(T(1000), u[at]);
        masks[at] = static_cast<T>(mask[at]);
        expected[at] = (grad[abnormal] - grad[normal]) * map[abnormal] * map[normal];
      }
    const MapLosses losses = map_losses<T>(context, {u.template view<3>(), masks.template view<3>(), kAll,
                                                     d.template view<3>()});  // the grid is the image: no upsampling
    const double values[3] = {losses.focal, losses.dice_normal, losses.dice_abnormal};
    CHECK(golden.distance(name + "/values", values, 3) <= kFactor);
    double worst = 0;
    for (index_t i = 0; i < d.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(d[i]) - expected[i]));
    CHECK(worst <= kFactor * golden.noise(name + "/grad"));
  }
}

TEST_CASE("map losses are the formulas on the upsampled map, over sizes") {
  Context context({.threads = 2});
  for (const index_t grid : {1, 2, 5})
    for (const index_t size : {1, 3, 33, 70}) {
      CAPTURE(grid);
      CAPTURE(size);
      Maps<double> maps(2, grid, size, 8.0f);
      const MapLosses losses = maps.losses(context);
      Tensor<double> normal({2, size, size}), abnormal({2, size, size});
      for (index_t b = 0; b < 2; ++b)
        upsample_bilinear<double>(std::as_const(maps.difference).view<3>()[b], abnormal.view<3>()[b]);
      for (index_t i = 0; i < normal.size(); ++i) {
        normal[i] = 1 / (1 + std::exp(abnormal[i]));
        abnormal[i] = 1 / (1 + std::exp(-abnormal[i]));
      }
      const MapLosses plain = plain_losses(normal, abnormal, maps.masks);
      CHECK(std::abs(losses.focal - plain.focal) < 1e-12);
      CHECK(std::abs(losses.dice_normal - plain.dice_normal) < 1e-12);
      CHECK(std::abs(losses.dice_abnormal - plain.dice_abnormal) < 1e-12);
    }
}

TEST_CASE("the gradient of the map losses on the grid") {
  Context context({.threads = 1});
  for (const float scale : {1.0f, 10.0f}) {
    Maps<double> maps(2, 3, 37, scale);
    maps.losses(context);
    const Tensor<double> d = maps.d;
    const auto loss = [&] {
      const MapLosses losses = maps.losses(context);
      return losses.focal + losses.dice_normal + losses.dice_abnormal;
    };
    expect_gradient(loss, {{"difference", maps.difference, d}});
  }
}

TEST_CASE("maps of probabilities are interpolated as they are, and their losses have their gradient") {
  Context context({.threads = 2});
  for (const index_t size : {1, 7, 37}) {
    CAPTURE(size);
    Maps<double> maps(2, 3, size, 0.45f);
    for (double& p : maps.difference) p += 0.5;
    const auto losses = [&] { return maps.losses(context, kAll, MapValues::probability); };
    const MapLosses found = losses();
    const Tensor<double> d = maps.d;
    Tensor<double> normal({2, size, size}), abnormal({2, size, size});
    for (index_t b = 0; b < 2; ++b)
      upsample_bilinear<double>(std::as_const(maps.difference).view<3>()[b], abnormal.view<3>()[b], Alignment::edges);
    for (index_t i = 0; i < normal.size(); ++i) normal[i] = 1 - abnormal[i];
    const MapLosses plain = plain_losses(normal, abnormal, maps.masks);
    CHECK(std::abs(found.focal - plain.focal) < 1e-12);
    CHECK(std::abs(found.dice_normal - plain.dice_normal) < 1e-12);
    CHECK(std::abs(found.dice_abnormal - plain.dice_abnormal) < 1e-12);
    const auto loss = [&] {
      const MapLosses again = losses();
      return again.focal + again.dice_normal + again.dice_abnormal;
    };
    expect_gradient(loss, {{"probability", maps.difference, d}});
  }
}

TEST_CASE_TEMPLATE("a map that is certain and right costs nothing; certain and wrong stays finite", T, float, double) {
  Context context({.threads = 1});
  Maps<T> maps(1, 2, 9, 1.0f);
  maps.masks.fill(1);
  maps.difference.fill(T(800));
  MapLosses losses = maps.losses(context);
  CHECK(losses.focal == 0);
  CHECK(losses.dice_abnormal == 0);
  for (const T value : maps.d) CHECK(value == 0);
  maps.difference.fill(T(-800));
  losses = maps.losses(context);
  CHECK(losses.focal == doctest::Approx(-std::log(2e-5)).epsilon(1e-4));
  for (const T value : maps.d) CHECK(std::isfinite(value));
}

TEST_CASE("pictures without a mask are left out of the means") {
  Context context({.threads = 1});
  Maps<double> both(2, 3, 20, 4.0f), second(1, 3, 20, 4.0f);
  std::copy_n(both.difference.data() + 9, 9, second.difference.data());
  std::copy_n(both.masks.data() + 400, 400, second.masks.data());
  const MapLosses some = both.losses(context, {false, true}), alone = second.losses(context);
  CHECK(some.focal == alone.focal);
  CHECK(some.dice_normal == alone.dice_normal);
  CHECK(some.dice_abnormal == alone.dice_abnormal);
  for (index_t i = 0; i < 9; ++i) {
    CHECK(both.d[i] == 0);
    CHECK(both.d[9 + i] == second.d[i]);
  }
  both.d.fill(5);
  CHECK(both.losses(context, {false, false}).focal == 0);
  for (const double value : both.d) CHECK(value == 0);
}

TEST_CASE("map losses have the same bits for one and two threads, and are those of double") {
  Context one({.threads = 1}), two({.threads = 2});
  Maps<float> a(2, 37, 518, 6.0f), b(2, 37, 518, 6.0f);
  Maps<double> exact(2, 37, 518, 6.0f);
  const MapLosses la = a.losses(one), lb = b.losses(two), le = exact.losses(two);
  CHECK(la.focal == lb.focal);
  CHECK(la.dice_normal == lb.dice_normal);
  CHECK(la.dice_abnormal == lb.dice_abnormal);
  CHECK(same_bits(a.d, b.d));
  CHECK(std::abs(la.focal - le.focal) < 4 * eps_of<float>() * le.focal);
  CHECK(std::abs(la.dice_abnormal - le.dice_abnormal) < 4 * eps_of<float>());
  double off = 0, square = 0;
  for (index_t i = 0; i < a.d.size(); ++i)
    off += std::pow(static_cast<double>(a.d[i]) - exact.d[i], 2), square += exact.d[i] * exact.d[i];
  CHECK(std::sqrt(off / square) < 32 * eps_of<float>());
}

TEST_CASE("cross entropy and its gradient, logits of any size") {
  Tensor<double> logits = random_tensor<double>({5, 2}, "logits", 3.0f), d({5, 2});
  const std::vector<int> labels = {0, 1, 1, 0, 1};
  const auto loss = [&] { return cross_entropy<double>(std::as_const(logits).view<2>(), labels, d.view<2>()); };
  double plain = 0;
  for (index_t b = 0; b < 5; ++b)
    plain -= std::log(std::exp(logits[2 * b + labels[static_cast<std::size_t>(b)]]) /
                      (std::exp(logits[2 * b]) + std::exp(logits[2 * b + 1]))) /
             5;
  CHECK(std::abs(loss() - plain) < 1e-14);
  const Tensor<double> claimed = d;
  expect_gradient(loss, {{"logits", logits, claimed}});

  Tensor<float> extreme({2, 2}), d_extreme({2, 2});
  extreme[0] = 5000, extreme[2] = -5000;
  const std::vector<int> wrong = {1, 1};
  CHECK(cross_entropy<float>(extreme.view<2>(), wrong, d_extreme.view<2>()) == 2500);  // 5000 and 0
  CHECK(d_extreme[0] == 0.5f);
  CHECK(d_extreme[1] == -0.5f);
  CHECK(d_extreme[2] == 0);
  const std::vector<int> bad = {0, 2};
  expect_error(ErrorCode::contract, {"label 2", "picture 1"},
               [&] { cross_entropy<float>(extreme.view<2>(), bad, d_extreme.view<2>()); });
}
