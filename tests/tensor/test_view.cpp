// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/tensor/view.hpp>
#include <numeric>
#include <type_traits>
#include <vector>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

namespace {

std::vector<int> counting(std::size_t size) {
  std::vector<int> values(size);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

}  // namespace

TEST_CASE("a contiguous view is row-major") {
  auto values = counting(24);
  const View<int, 3> view(values.data(), {2, 3, 4});
  CHECK(view.size() == 24);
  CHECK(view.stride(0) == 12);
  CHECK(view.stride(1) == 4);
  CHECK(view.stride(2) == 1);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k) CHECK(view(i, j, k) == 12 * i + 4 * j + k);
  view(1, 2, 3) = -1;
  CHECK(values[23] == -1);
}

TEST_CASE("sub-views and rows point into the same elements") {
  auto values = counting(24);
  const View<int, 3> view(values.data(), {2, 3, 4});
  CHECK(view[1](0, 2) == 14);
  CHECK(view[1][2](3) == 23);
  const View<int, 2> rows = view[1].rows(1, 3);
  CHECK(rows.extent(0) == 2);
  CHECK(rows(0, 0) == 16);
  CHECK(&rows(1, 3) == &values[23]);
  CHECK(view.rows(1, 1).size() == 0);
}

TEST_CASE("strides describe columns, transposes and repeated rows") {
  auto values = counting(12);
  const View<int, 2> matrix(values.data(), {3, 4});
  const View<int, 2> transposed(values.data(), {4, 3}, {1, 4});
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) CHECK(matrix(i, j) == transposed(j, i));
  const View<int, 2> repeated(values.data(), {5, 4}, {0, 1});
  CHECK(repeated(4, 2) == 2);
  CHECK(transposed[1](2) == 9);
}

TEST_CASE("contiguity is about the order of elements, axes of one do not count") {
  auto values = counting(12);
  CHECK(View<int, 2>(values.data(), {3, 4}).is_contiguous());
  CHECK_FALSE(View<int, 2>(values.data(), {3, 3}, {4, 1}).is_contiguous());
  CHECK_FALSE(View<int, 2>(values.data(), {4, 3}, {1, 4}).is_contiguous());
  CHECK(View<int, 2>(values.data(), {1, 4}, {99, 1}).is_contiguous());
  CHECK(View<int, 2>(values.data(), {4, 1}, {1, 77}).is_contiguous());
  CHECK_FALSE(View<int, 1>(values.data(), {4}, {3}).is_contiguous());
}

TEST_CASE("a view of constants comes from one of mutables, not the other way") {
  static_assert(std::is_convertible_v<View<int, 2>, View<const int, 2>>);
  static_assert(!std::is_convertible_v<View<const int, 2>, View<int, 2>>);
  static_assert(!std::is_convertible_v<View<int, 2>, View<const long, 2>>);
  auto values = counting(6);
  const View<const int, 2> constant = View<int, 2>(values.data(), {2, 3}, {3, 1});
  CHECK(constant(1, 1) == 4);
  CHECK(View<int, 2>().size() == 0);
}

#if defined(MOECLIP_ENABLE_ASSERT)
TEST_CASE("checked builds notice an index outside") {
  auto values = counting(6);
  const View<int, 2> view(values.data(), {2, 3});
  expect_error(ErrorCode::contract, {"assertion"}, [&] { static_cast<void>(view(0, 3)); });
  expect_error(ErrorCode::contract, {"assertion"}, [&] { static_cast<void>(view(-1, 0)); });
  expect_error(ErrorCode::contract, {"assertion"}, [&] { static_cast<void>(view.rows(1, 3)); });
}
#endif
