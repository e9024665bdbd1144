// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/synthetic/drawing/relief.hpp>

using namespace moeclip::synthetic;  // NOLINT
using moeclip::index_t;

TEST_CASE("dice are streams of their own that repeat") {
  Dice a(1, "x", 0), same(1, "x", 0), other_stream(1, "y", 0), other_index(1, "x", 1);
  const float first = a.range(0, 1);
  CHECK(first == same.range(0, 1));
  CHECK(first != other_stream.range(0, 1));
  CHECK(first != other_index.range(0, 1));
  CHECK(first != a.range(0, 1));
  for (int i = 0; i < 200; ++i) {
    const float v = a.range(-2, 3);
    CHECK((v >= -2 && v < 3));
    const int n = a.integer(-1, 2);
    CHECK((n >= -1 && n < 2));
    CHECK(std::abs(a.sign()) == 1);
  }
}

TEST_CASE("noise is continuous, within its range, and has no mean") {
  double sum = 0;
  float lowest = 1, highest = -1;
  for (int i = 0; i < 4000; ++i) {
    const Vec2 p{static_cast<float>(i) * 0.37f - 700, static_cast<float>(i % 61) * 0.41f - 12};
    const float v = noise(p, 9), near = noise(p + Vec2{0.001f, -0.001f}, 9);
    REQUIRE(std::abs(v) <= 1);
    REQUIRE(std::abs(v - near) < 0.02f);
    sum += static_cast<double>(v);
    lowest = std::min(lowest, v), highest = std::max(highest, v);
  }
  CHECK(std::abs(sum / 4000) < 0.05);
  CHECK(lowest < -0.8f);
  CHECK(highest > 0.8f);
  CHECK(noise(3.0f, 1) == noise(Vec2{3, 0}, 1));  // along a line: the same lattice
  CHECK(floor_int(-0.5f) == -1);
  CHECK(floor_int(-2.0f) == -2);
  CHECK(floor_int(2.7f) == 2);
}

TEST_CASE("octaves that a picture cannot show are left out") {
  const Vec2 p{3.3f, 7.1f};
  CHECK(fractal(p, 5, 3, 10) == 0);                      // all are finer than a pixel
  CHECK(fractal(p, 5, 3, 0.4f) != fractal(p, 5, 3, 0));  // the finest are gone
  CHECK(fractal(p, 5, 1, 0.2f) == fractal(p, 5, 1, 0));  // a coarse one is whole
}

TEST_CASE("the nearest cell is the nearest") {
  for (int i = 0; i < 200; ++i) {
    const Vec2 p{static_cast<float>(i) * 0.173f, static_cast<float>(i) * 0.311f};
    const Cell cell = nearest_cell(p, 4);
    CHECK(cell.distance < 1.3f);
    CHECK(cell.edge >= 0);
    CHECK(length(cell.from) == doctest::Approx(static_cast<double>(cell.distance)));
    const Cell at_point = nearest_cell(p - cell.from, 4);
    CHECK(at_point.id == cell.id);
    CHECK(at_point.distance < 1e-4f);
  }
}

TEST_CASE("depths are signed distances on an axis, and coverage is their share of a sample") {
  CHECK(disc({0.5f, 0}, 2) == 1.5f);
  CHECK(ring_band({3, 0}, 2, 0.5f) == -0.5f);
  CHECK(box({2, 0}, {1, 1}) == -1);
  CHECK(box({0, 0.25f}, {1, 1}) == 0.75f);
  CHECK(box({2, 2}, {1, 1}) == doctest::Approx(-std::sqrt(2.0)));
  CHECK(polygon({0.5f, 0}, 6, 1) == doctest::Approx(0.5));
  CHECK(coverage(0, 0.1f) == 0.5f);
  CHECK(coverage(0.05f, 0.1f) == 1);
  CHECK(coverage(-0.05f, 0.1f) == 0);
  const Nearest near = segment({1, 1}, {0, 0}, {4, 0});
  CHECK(near.distance == 1);
  CHECK(near.along == 0.25f);
  Path path;
  path.add({0, 0}), path.add({1, 0}), path.add({1, 1});
  CHECK(path.nearest({1.5f, 0.5f}).distance == 0.5f);
  CHECK(path.nearest({1.5f, 0.5f}).along == 0.75f);
}

TEST_CASE("light falls from where the lamp is") {
  const Lamp lamp({1, 0}, 0.7f);
  const Finish matt{0.4f, 0, 0};
  const Color base{0.5f, 0.5f, 0.5f};
  CHECK(lit(base, {}, lamp, matt).r == doctest::Approx(0.5));  // a level surface keeps its colour
  CHECK(lit(base, round_normal(0.5f, {1, 0}), lamp, matt).r > 0.5f);
  CHECK(lit(base, round_normal(-0.5f, {1, 0}), lamp, matt).r < 0.5f);
  const Lamp turned = lamp.turned({0, 1});  // the object has turned by a quarter: the light comes from its other side
  CHECK(turned.to_light.y == doctest::Approx(static_cast<double>(-lamp.to_light.x)));
}

TEST_CASE("gradient noise is smooth, bounded and centred") {
  double sum = 0, largest = 0;
  constexpr int kSide = 400;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      const Vec2 p{0.07f * static_cast<float>(x) - 9, 0.07f * static_cast<float>(y) - 5};
      const float value = gradient_noise(p, 3), near = gradient_noise({p.x + 1e-3f, p.y}, 3);
      sum += static_cast<double>(value);
      largest = std::max(largest, std::abs(static_cast<double>(value)));
      REQUIRE(std::abs(near - value) < 0.01f);
    }
  CHECK(largest <= 1.0);
  CHECK(largest > 0.6);
  CHECK(std::abs(sum) / (kSide * kSide) < 0.05);
  CHECK(gradient_noise({4, -7}, 3) == 0);  // corners
}

TEST_CASE("power noise of exponent b = 2 H + 1 has steps that grow as distance^H") {
  for (const float b : {1.8f, 2.4f}) {
    const float gain = power_gain(b);
    double near = 0, apart = 0;  // mean squares of steps
    for (int i = 0; i < 20000; ++i) {
      const Vec2 p{static_cast<float>(i % 141) * 0.37f - 9, static_cast<float>(i) * 0.0053f + 3};
      const float here = power_noise(p, 4, 8, gain);
      const auto step = [&](float d) { return static_cast<double>(power_noise({p.x + d, p.y}, 4, 8, gain) - here); };
      near += step(0.03f) * step(0.03f), apart += step(0.12f) * step(0.12f);
    }
    CHECK(std::log2(apart / near) / 2 == doctest::Approx(static_cast<double>(b) - 1).epsilon(0.15));
  }
  CHECK(power_noise({3.3f, 7.1f}, 5, 3, 0.5f, 10) == 0);  // finer than a pixel
}

TEST_CASE("a ring field has variance 1, one wavelength, and the slope that it says") {
  constexpr float kWavelength = 0.4f;
  double sum = 0, squares = 0, half_way = 0;
  int count = 0;
  for (moeclip::index_t index = 0; index < 40; ++index) {
    Dice dice(3, "ring", index);
    const RingField field(dice, kWavelength, 1);
    for (int i = 0; i < 500; ++i, ++count) {
      const Vec2 p{static_cast<float>(i % 25) * 0.23f, static_cast<float>(i) * 0.021f};
      const RingField::Point here = field.at(p);
      const double height = static_cast<double>(here.height);
      sum += height, squares += height * height;
      half_way += height * static_cast<double>(field.at({p.x + 0.5f * kWavelength, p.y}).height);
      const float step = 1e-3f, rise = field.at({p.x + step, p.y}).height - field.at({p.x - step, p.y}).height;
      REQUIRE(std::abs(rise / (2 * step) * kWavelength / 6.2831853f - here.slope.x) < 0.01f);
    }
  }
  CHECK(std::abs(sum / count) < 0.05);
  CHECK(squares / count == doctest::Approx(1).epsilon(0.1));
  CHECK(half_way / squares == doctest::Approx(-0.30).epsilon(0.2));  // the Bessel function J0(pi) = -0.304
  Dice dice(3, "ring", 0);
  CHECK(RingField(dice, kWavelength, 1).at({1, 2}, kWavelength).height == 0);  // finer than two pixels
}
