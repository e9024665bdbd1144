// SPDX-License-Identifier: MIT
#include <cmath>

#include <moeclip/image/upsample.hpp>
#include "image_test.hpp"

using namespace moeclip;

namespace {

struct UpsampleCase {
  index_t height, width, out_height, out_width;
  double noise;  // of the reference's float run, from upsample_bilinear.json; the slices' for the large ones
};

const UpsampleCase kUpsampleCases[] = {{37, 37, 518, 518, 1.7e-5}, {5, 5, 70, 70, 1.4e-6}, {8, 8, 112, 112, 1.9e-6},
                                       {16, 16, 224, 224, 9.5e-6}, {1, 1, 4, 4, 1e-7},     {2, 3, 7, 5, 7.9e-7},
                                       {3, 3, 3, 3, 1e-7},         {6, 4, 3, 2, 1e-7},     {4, 4, 1, 1, 1e-7}};

template <class T>
void check_golden() {
  const image_test::Golden golden("upsample_bilinear");
  for (const auto& [height, width, out_height, out_width, noise] : kUpsampleCases) {
    const std::string name = concat(height, "x", width, "_to_", out_height, "x", out_width);
    const auto floats = golden.get<float>(name + "/in");
    const std::vector<T> in(floats.begin(), floats.end());
    std::vector<T> out(static_cast<std::size_t>(2 * out_height * out_width));
    for (index_t map = 0; map < 2; ++map)
      upsample_bilinear<T>(View<const T, 2>(in.data() + map * height * width, {height, width}),
                           View<T, 2>(out.data() + map * out_height * out_width, {out_height, out_width}));
    const bool is_slice = golden.has(name + "/out#slice");
    const auto expected = golden.get<float>(name + (is_slice ? "/out#slice" : "/out"));
    // Which elements a slice holds: the golden data's README. The name in the stream is the tensor's.
    const Rng positions(0, "slice:" + name + "/out");
    double worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto at = is_slice ? static_cast<std::size_t>(positions.integer(static_cast<index_t>(i), 0,
                                                                            static_cast<std::int64_t>(out.size())))
                               : i;
      worst = std::max(worst, std::abs(static_cast<double>(out[at]) - static_cast<double>(expected[i])));
    }
    CHECK_MESSAGE(worst <= 8 * noise, name << ": " << worst);
  }
}

}  // namespace

TEST_CASE("interpolation equals the golden data within its float noise") {
  check_golden<float>();
  check_golden<double>();
}

TEST_CASE("grid points are hit exactly, and rows may have gaps") {
  std::vector<double> in(12), out(80, -1.0);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = std::sin(static_cast<double>(i));
  // 3 x 4 to 5 x 10: every second row and every third column of the output is a sample of the input
  upsample_bilinear<double>(View<const double, 2>(in.data(), {3, 4}), View<double, 2>(out.data(), {5, 10}, {16, 1}));
  for (std::size_t y = 0; y < 3; ++y)
    for (std::size_t x = 0; x < 4; ++x) CHECK(out[2 * y * 16 + 3 * x] == in[y * 4 + x]);
  CHECK(out[10] == -1.0);
  CHECK_THROWS_AS(
      upsample_bilinear<double>(View<const double, 2>(in.data(), {0, 4}), View<double, 2>(out.data(), {2, 2})), Error);
}

TEST_CASE("row by row gives the same map, and the adjoint is the transpose") {
  for (const Alignment alignment : {Alignment::corners, Alignment::edges})
    for (const auto& [height, width, out_height, out_width, noise] : kUpsampleCases) {
      const std::string label = concat(height, "x", width, " to ", out_height, "x", out_width);
      CAPTURE(label);
      const Rng rng(1, "map");
      std::vector<double> in(static_cast<std::size_t>(height * width)), d_in(in.size(), 0.0);
      for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<double>(rng.uniform(static_cast<index_t>(i)));
      std::vector<double> whole(static_cast<std::size_t>(out_height * out_width)),
          row(static_cast<std::size_t>(out_width)), scratch(static_cast<std::size_t>(width));
      upsample_bilinear<double>(View<const double, 2>(in.data(), {height, width}),
                                View<double, 2>(whole.data(), {out_height, out_width}), alignment);
      Arena arena;
      Arena::Scope memory(arena);
      const BilinearRows<double> rows(memory, View<const double, 2>(in.data(), {height, width}),
                                      View<const double, 2>(whole.data(), {out_height, out_width}), alignment);
      REQUIRE(rows.scratch_size() <= width);
      double worst = 0, forward = 0, backward = 0;  // <d, U in> and <U^T d, in>
      for (index_t y = 0; y < out_height; ++y) {
        rows.row(in.data(), y, row.data(), scratch.data());
        for (index_t x = 0; x < out_width; ++x) {
          const double value = row[static_cast<std::size_t>(x)];
          worst = std::max(worst, std::abs(value - whole[static_cast<std::size_t>(y * out_width + x)]));
          row[static_cast<std::size_t>(x)] = static_cast<double>(rng.uniform(1000 + y * out_width + x));
          forward += value * row[static_cast<std::size_t>(x)];
        }
        rows.add_adjoint(row.data(), y, d_in.data(), scratch.data());
      }
      for (std::size_t i = 0; i < in.size(); ++i) backward += in[i] * d_in[i];
      CHECK(worst < 1e-15);
      CHECK(std::abs(forward - backward) < 1e-13 * static_cast<double>(out_height * out_width));
    }
  Arena arena;
  Arena::Scope memory(arena);
  const View<const float, 2> none(nullptr, {0, 2}), some(nullptr, {4, 4});
  CHECK_THROWS_AS(BilinearRows<float>(memory, none, some), Error);
}
