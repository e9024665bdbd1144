// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/kernels/gemm.hpp>

#include "../lesson.hpp"

namespace kernels = moeclip::kernels;

static Tensor<float> plain_product(const Tensor<float>& a, const Tensor<float>& b) {
  const index_t m = a.extent(0), k = a.extent(1), n = b.extent(1);
  Tensor<float> c({m, n});
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j)
      for (index_t p = 0; p < k; ++p) c[i * n + j] += a[i * k + p] * b[p * n + j];
  return c;
}

/// GEM-2 for any shape: the last tiles are as high and as wide as there is room.
static Tensor<float> tiled_product(const Tensor<float>& a, const Tensor<float>& b) {
  const index_t m = a.extent(0), k = a.extent(1), n = b.extent(1);
  Tensor<float> c({m, n});
  for (index_t i = 0; i < m; i += 2)
    for (index_t j = 0; j < n; j += 4) {
      const index_t rows = std::min<index_t>(2, m - i), columns = std::min<index_t>(4, n - j);
      float tile[2][4] = {};
      for (index_t p = 0; p < k; ++p)
        for (index_t r = 0; r < rows; ++r)
          for (index_t s = 0; s < columns; ++s) tile[r][s] += a[(i + r) * k + p] * b[p * n + j + s];
      for (index_t r = 0; r < rows; ++r) std::copy_n(tile[r], columns, &c[(i + r) * n + j]);
    }
  return c;
}

// Which part is due to what, in milliseconds of an AMD EPYC (Zen 5), g++ 12 -O2:
//   1. element by element 5.2: one sum, each addition after the last one
//   2. row by row 3.9: independent additions, still one by one; 0.7 with -O3, where they are vectors of four
//   3. tile by tile 0.9, also vectors of four; 5.9 without them (-fno-tree-vectorize -fno-tree-slp-vectorize), so fewer
//      loads alone gain nothing
//   4. the library, scalar, 1.8: tiles and packing, a factor of 3; avx2 0.24: vectors of 8, and multiplication and
//      addition in one instruction, 8 more; avx512 0.12: vectors of 16, 2 more. In all 43.
TEST_CASE("lesson 2, exercise 1: every instruction set gives the same product but for rounding") {
  const auto a = drawn<float>({50, 70}, "a"), b = drawn<float>({70, 30}, "b");
  const Tensor<float> expected = plain_product(a, b);
  Context context({.threads = 1});
  const kernels::Isa before = kernels::active_isa();
  for (const kernels::Isa isa : kernels::compiled()) {
    if (!kernels::supported(isa)) continue;
    kernels::select(isa);
    Tensor<float> c({50, 30});
    kernels::gemm<float>(context, {50, 30, 70}, kernels::row_major<float>(a.data(), 70),
                         kernels::row_major<float>(b.data(), 30), c.data(), 30);
    CHECK(farthest(c, expected) <= 2 * 70 * 70 * 0x1p-24);
  }
  kernels::select(before);
}

TEST_CASE("lesson 2, exercise 2: tiles at the border do less") {
  struct Sizes {
    index_t m, n, k;
  };
  for (const Sizes& s :
       {Sizes{5, 7, 3}, Sizes{1, 1, 1}, Sizes{2, 4, 9}, Sizes{0, 3, 2}, Sizes{3, 0, 2}, Sizes{3, 5, 0}}) {
    const auto a = drawn<float>({s.m, s.k}, "a"), b = drawn<float>({s.k, s.n}, "b");
    CHECK(farthest(tiled_product(a, b), plain_product(a, b)) == 0);  // the same additions in the same order
  }
}

TEST_CASE("lesson 2, exercise 3: a sum that goes on where the last block of k ended has the bits of one sum") {
  const auto a = drawn<float>({240}, "a"), b = drawn<float>({240}, "b");
  const auto sum = [&](index_t from, index_t to, float so_far) {
    for (index_t p = from; p < to; ++p) so_far += a[p] * b[p];
    return so_far;
  };
  const float whole = sum(0, 240, 0);
  CHECK(sum(120, 240, sum(0, 120, 0)) == whole);
  CHECK(sum(0, 120, 0) + sum(120, 240, 0) != whole);
}
