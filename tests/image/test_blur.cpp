// SPDX-License-Identifier: MIT
#include <cmath>

#include <moeclip/image/blur.hpp>
#include "image_test.hpp"

using namespace moeclip;

namespace {

template <class T>
std::vector<T> blurred(const GaussianBlur& blur, const std::vector<T>& in, index_t height, index_t width) {
  std::vector<T> out(in.size()), scratch(static_cast<std::size_t>(gaussian_blur_scratch(blur, height, width)));
  gaussian_blur<T>(blur, View<const T, 2>(in.data(), {height, width}), View<T, 2>(out.data(), {height, width}),
                   scratch.data());
  return out;
}

template <class T>
void check_golden(double bound) {
  const image_test::Golden golden("gaussian_blur");
  for (const auto& [prefix, blur] : {std::pair<std::string, GaussianBlur>{"k7_", {7, 1.0}}, {"k9_", {9, 1.5}}})
    for (const auto& [height, width] : {std::pair<index_t, index_t>{5, 5}, {8, 8}, {37, 37}, {6, 9}, {16, 24}}) {
      const std::string name = concat(prefix, height, "x", width);
      const auto in = golden.get<float>(name + "/in"), expected = golden.get<float>(name + "/out");
      const auto size = static_cast<std::size_t>(height * width);
      for (std::size_t map = 0; map < in.size() / size; ++map) {
        const std::vector<T> part(in.begin() + static_cast<std::ptrdiff_t>(map * size),
                                  in.begin() + static_cast<std::ptrdiff_t>((map + 1) * size));
        const auto out = blurred<T>(blur, part, height, width);
        double worst = 0;
        for (std::size_t i = 0; i < size; ++i)
          worst =
              std::max(worst, std::abs(static_cast<double>(out[i]) - static_cast<double>(expected[map * size + i])));
        CHECK_MESSAGE(worst <= bound, name);
      }
    }
}

}  // namespace

TEST_CASE("the blur equals the golden data within its float noise") {
  // The smallest measured distance of the reference from its own double run is 2.5e-7 over these maps; factor 8.
  check_golden<float>(8 * 2.5e-7);
  check_golden<double>(8 * 2.5e-7);
}

TEST_CASE("a constant stays, and a map smaller than the window reflects to and fro") {
  for (const auto& [height, width] : {std::pair<index_t, index_t>{1, 1}, {1, 4}, {2, 2}, {3, 1}, {2, 9}}) {
    const std::vector<double> in(static_cast<std::size_t>(height * width), 2.5);
    for (const GaussianBlur& blur : {GaussianBlur{9, 1.5}, GaussianBlur::scipy(1.5)})
      for (const double value : blurred<double>(blur, in, height, width)) CHECK(value == doctest::Approx(2.5));
  }
  const index_t wanted[] = {1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1};  // positions -5 to 5 of three samples
  for (index_t i = -5; i <= 5; ++i) CHECK(reflect(i, 3) == wanted[i + 5]);
  const index_t repeated[] = {1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0};
  for (index_t i = -5; i <= 5; ++i) CHECK(reflect(i, 3, true) == repeated[i + 5]);
  CHECK(reflect(-3, 1) == 0);
  CHECK(reflect(-3, 1, true) == 0);
  CHECK(reflect(-3, 2) == 1);
}

TEST_CASE("the blur of SciPy reaches four standard deviations and repeats the edge") {
  CHECK(GaussianBlur::scipy(4).size == 33);
  CHECK(GaussianBlur::scipy(0.5).size == 5);
  const std::vector<double> line = {1, 0, 0, 0, 0, 0}, out = blurred<double>(GaussianBlur::scipy(1), line, 1, 6);
  const auto bell = [](int i) { return std::exp(-0.5 * i * i); };
  double sum = 0;
  for (int i = -4; i <= 4; ++i) sum += bell(i);
  for (int x = 0; x < 4; ++x)  // the first sample is there twice
    CHECK(out[static_cast<std::size_t>(x)] == doctest::Approx((bell(x) + bell(x + 1)) / sum));
}

TEST_CASE("the blur may work in place, and bad sizes break the contract") {
  std::vector<float> map(48), scratch(200);
  for (std::size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(i % 7);
  const auto apart = blurred<float>({7, 1.0}, map, 6, 8);
  const View<float, 2> view(map.data(), {6, 8});
  gaussian_blur<float>({7, 1.0}, view, view, scratch.data());
  CHECK(map == apart);
  CHECK_THROWS_AS(gaussian_blur<float>({6, 1.0}, view, view, scratch.data()), Error);
  CHECK_THROWS_AS(gaussian_blur<float>({7, 0.0}, view, view, scratch.data()), Error);
}
