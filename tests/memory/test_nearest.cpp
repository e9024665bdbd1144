// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/memory/patch_memory.hpp>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// Products of 24 numbers of at most 1, and their root: of each operand's rounding, that many eps.
template <class T>
constexpr double kNearestTolerance = 24 * eps_of<T>();

}  // namespace

TEST_CASE_TEMPLATE("nearest rows and neighbours are those of scikit-learn", T, float, double) {
  const GoldenData golden("memory/neighbours.safetensors");
  Context context;
  const NearestRows<T> memory(context, golden.file().read<T>("rows"));
  const Tensor<T> queries = golden.file().read<T>("queries");
  std::vector<index_t> nearest(static_cast<std::size_t>(queries.extent(0)));
  std::vector<T> distances(nearest.size());
  memory.find(context, queries.template view<2>(), nearest, distances);
  const Tensor<double> wanted = golden.read("nearest"), far = golden.read("distances"), around = golden.read("around");
  for (index_t i = 0; i < wanted.size(); ++i) {
    CHECK(nearest[static_cast<std::size_t>(i)] == static_cast<index_t>(wanted[i]));
    CHECK(std::abs(static_cast<double>(distances[static_cast<std::size_t>(i)]) - far[i]) <= kNearestTolerance<T>);
  }
  std::vector<index_t> found(static_cast<std::size_t>(around.extent(1)));
  for (index_t row = 0; row < around.extent(0); ++row) {
    memory.around(context, row, found);
    for (index_t i = 0; i < around.extent(1); ++i)
      CHECK(found[static_cast<std::size_t>(i)] == static_cast<index_t>(around[row * around.extent(1) + i]));
  }
}

TEST_CASE_TEMPLATE("the distance of a picture is PatchCore's", T, float, double) {
  const GoldenData golden("memory/neighbours.safetensors");
  Context context;
  PatchMemory<T> memory{{}, NearestRows<T>(context, golden.file().read<T>("rows"))};
  memory.record.unit = 0.4;  // as recorded
  const Tensor<T> queries = golden.file().read<T>("queries");
  std::vector<index_t> nearest(static_cast<std::size_t>(queries.extent(0)));
  std::vector<T> distances(nearest.size());
  memory.patches.find(context, queries.template view<2>(), nearest, distances);
  const T score = picture_distance<T>(context, memory, queries.template view<2>(), nearest, distances);
  // exponentials of distances over the unit pass on 1 / 0.4 of their error
  CHECK(std::abs(static_cast<double>(score) - golden.read("score")[0]) <= 4 * kNearestTolerance<T>);
}

TEST_CASE("a row finds itself at distance 0, the first of two that are the same") {
  const GoldenData golden("memory/neighbours.safetensors");
  Tensor<float> rows = golden.file().read<float>("rows");
  Tensor<float> twice({rows.extent(0) * 2, rows.extent(1)});
  std::copy(rows.begin(), rows.end(), twice.begin());
  std::copy(rows.begin(), rows.end(), twice.begin() + rows.size());
  for (const int threads : {1, 3}) {
    Context context({.threads = threads});
    const NearestRows<float> memory(context, twice);
    std::vector<index_t> nearest(static_cast<std::size_t>(rows.extent(0)));
    std::vector<float> distances(nearest.size());
    memory.find(context, std::as_const(rows).view<2>(), nearest, distances);
    for (index_t i = 0; i < rows.extent(0); ++i) {
      CHECK(nearest[static_cast<std::size_t>(i)] == i);
      CHECK(distances[static_cast<std::size_t>(i)] == 0.0f);
    }
  }
}

TEST_CASE("vectors of another length, and memories of nothing, are refused") {
  Context context;
  const NearestRows<float> memory(context, random_tensor<float>({5, 8}, "rows"));
  const auto queries = random_tensor<float>({2, 7}, "queries");
  std::vector<index_t> nearest(2);
  std::vector<float> distances(2);
  expect_error(ErrorCode::contract, {"length 7", "length 8"},
               [&] { memory.find(context, queries.view<2>(), nearest, distances); });
  std::vector<index_t> many(6);
  expect_error(ErrorCode::contract, {"6 neighbours among 5"}, [&] { memory.around(context, 0, many); });
}

TEST_CASE("half is what lies three deviations beyond the usual distance") {
  PatchMemory<double> memory;
  memory.record.unit = 0.25;
  memory.record.spread = 0.05;
  CHECK(memory.abnormality(0.4) == doctest::Approx(0.5));
  const double usual = std::log(2.0), half = std::log1p(std::exp(3.0));  // softplus of 0 and of 3
  CHECK(memory.abnormality(0.25) == doctest::Approx(usual * usual / (usual * usual + half * half)));
  CHECK(memory.abnormality(0) < 1e-4);
  PatchMemory<float> narrow;
  narrow.record.unit = 0.1;
  narrow.record.spread = 0.001;
  CHECK(narrow.abnormality(1.2f) < narrow.abnormality(1.3f));  // a thousand deviations, and still told apart
  CHECK(narrow.abnormality(2.0f) < 1);
}
