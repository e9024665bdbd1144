// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/moe/fofs.hpp>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// Largest |entry of A A^T - I| over the stacked rows of all experts.
template <class T>
double off_identity(const Mixture<T>& mixture) {
  std::vector<const T*> rows;
  index_t width = 0;
  for (const Expert<T>& expert : mixture.experts) {
    width = expert.lora_a.extent(1);
    for (index_t r = 0; r < expert.lora_a.extent(0); ++r) rows.push_back(expert.lora_a.data() + r * width);
  }
  double worst = 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < rows.size(); ++j) {
      double dot = i == j ? -1 : 0;
      for (index_t c = 0; c < width; ++c) dot += static_cast<double>(rows[i][c]) * static_cast<double>(rows[j][c]);
      worst = std::max(worst, std::abs(dot));
    }
  return worst;
}

/// Largest |entry of Q^T Q - I|.
double off_orthonormal(const Tensor<double>& q) {
  double worst = 0;
  for (index_t i = 0; i < q.extent(1); ++i)
    for (index_t j = 0; j < q.extent(1); ++j) {
      double dot = i == j ? -1 : 0;
      for (index_t r = 0; r < q.extent(0); ++r) dot += q.view<2>()(r, i) * q.view<2>()(r, j);
      worst = std::max(worst, std::abs(dot));
    }
  return worst;
}

}  // namespace

TEST_CASE("Q equals LAPACK's, signs included") {
  constexpr double kFactor = 8;  // of the distance between the official code's float and double runs
  const GoldenData golden("components/fofs.safetensors");
  for (const std::string name : {"qr_256x8", "qr_32x8", "qr_43x4", "qr_9x3"}) {
    CAPTURE(name);
    Tensor<double> q = orthonormal_columns(golden.read(name + "/in"));
    CHECK(off_orthonormal(q) < 1e-14);
    CHECK(golden.distance(name + "/q", q.data(), q.size()) <= kFactor);
    for (double& value : q) value = std::abs(value);
    CHECK(golden.distance(name + "/abs_q", q.data(), q.size()) <= kFactor);
  }
}

TEST_CASE("matrices of every shape and rank get orthonormal columns") {
  const index_t shapes[][2] = {{1, 1}, {2, 1}, {3, 3}, {7, 5}, {8, 8}, {101, 13}};
  for (const auto& [m, n] : shapes)
    CHECK(off_orthonormal(orthonormal_columns(random_tensor<double>({m, n}, "a"))) < 1e-13);
  CHECK(off_orthonormal(orthonormal_columns(Tensor<double>({5, 3}))) < 1e-14);  // all zeros
  Tensor<double> equal_columns({4, 3});
  equal_columns.fill(2);
  CHECK(off_orthonormal(orthonormal_columns(equal_columns)) < 1e-13);
  Tensor<double> extreme = random_tensor<double>({6, 2}, "tiny", 1e-30f);
  CHECK(off_orthonormal(orthonormal_columns(extreme)) < 1e-13);
  expect_error(ErrorCode::contract, {"2x3"}, [] { static_cast<void>(orthonormal_columns(Tensor<double>({2, 3}))); });
}

TEST_CASE("chunks follow each other, the first ones longer by one") {
  const auto ends = [](index_t width, index_t experts) {
    std::vector<index_t> list;
    index_t begin = 0;
    for (index_t e = 0; e < experts; ++e) {
      const ChannelChunk chunk = fofs_chunk(width, experts, e);
      CHECK(chunk.begin == begin);
      list.push_back(begin = chunk.end);
    }
    return list;
  };
  CHECK(ends(128, 4) == std::vector<index_t>{32, 64, 96, 128});
  CHECK(ends(256, 6) == std::vector<index_t>{43, 86, 129, 172, 214, 256});
  CHECK(ends(1024, 3) == std::vector<index_t>{342, 683, 1024});
  CHECK(ends(100, 7) == std::vector<index_t>{15, 30, 44, 58, 72, 86, 100});
  CHECK(ends(10, 4) == std::vector<index_t>{3, 6, 8, 10});
  CHECK(ends(3, 1) == std::vector<index_t>{3});
}

TEST_CASE_TEMPLATE("over all experts A A^T is the identity, zero outside the own chunk", T, float, double) {
  const index_t cases[][3] = {{128, 4, 8}, {256, 6, 8}, {100, 7, 8}, {10, 4, 2}, {5, 1, 5}};  // D, E, R
  for (const auto& [width, experts, rank] : cases) {
    const std::string label = concat(width, " over ", experts);
    CAPTURE(label);
    Mixture<T> mixture(width, experts, rank);
    initialize_fofs(mixture, 7, "moe_adapters.0");
    CHECK(off_identity(mixture) <= 2 * static_cast<double>(rank + 1) * eps_of<T>());
    for (index_t e = 0; e < experts; ++e) {
      const auto [begin, end] = fofs_chunk(width, experts, e);
      const Tensor<T>& a = mixture.experts[static_cast<std::size_t>(e)].lora_a;
      index_t strays = 0;
      for (index_t i = 0; i < a.size(); ++i) strays += (i % width < begin || i % width >= end) && a[i] != 0;
      CHECK(strays == 0);
    }
  }
}

TEST_CASE("FOFS depends on seed and name only") {
  Mixture<float> a(40, 4, 4), b(40, 4, 4), other_seed(40, 4, 4), other_name(40, 4, 4);
  initialize_fofs(a, 1, "x");
  initialize_fofs(b, 1, "x");
  initialize_fofs(other_seed, 2, "x");
  initialize_fofs(other_name, 1, "y");
  CHECK(same_bits(a.experts[3].lora_a, b.experts[3].lora_a));
  CHECK_FALSE(same_bits(a.experts[3].lora_a, other_seed.experts[3].lora_a));
  CHECK_FALSE(same_bits(a.experts[3].lora_a, other_name.experts[3].lora_a));
}

TEST_CASE("a chunk narrower than the rank is refused") {
  Mixture<float> narrow(31, 4, 8);
  expect_error(ErrorCode::contract, {"at least 8", "width 31", "4 experts", "gives 7"},
               [&] { initialize_fofs(narrow, 1, "x"); });
}
