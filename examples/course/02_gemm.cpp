// SPDX-License-Identifier: MIT
// Lesson 2. A matrix product, from loops to tiles. For a (m,k) and b (k,n)
//
//   c_ij = sum over p of a_ip b_pj                                                               (GEM-1)
//
// is m n k multiplications and as many additions, in whatever order. Order decides what is read how often, and what
// waits for what: element by element each multiplication loads two numbers, and each addition needs the sum before it.
// A tile of c, r x s of its elements summed at once in registers, loads r + s numbers for r s multiplications, and its
// r s sums are independent, so they fit into vectors:
//
//   tile += a_panel(:, p) b_panel(p, :)       p = 0 .. k - 1                                     (GEM-2)
//
// Output:
// 1. element by element: ... ms, ... GFLOP/s
// 2. row by row: ... ms, ... GFLOP/s
// 3. tile by tile: ... ms, ... GFLOP/s
// 4. the library: ... ms, ... GFLOP/s (...)
// loops 1 and 2, within the bound of rounding: the same numbers
// loops 1 and 3, within the bound of rounding: the same numbers
// loops and library, within the bound of rounding: the same numbers
// numbers loaded per multiplication: 2 element by element, 0.75 in a tile of 2 x 4, 0.15 in one of 8 x 48

#include <moeclip/kernels/gemm.hpp>

#include "lesson.hpp"

constexpr index_t kM = 240, kN = 240, kK = 240;
using Matrix = Tensor<float>;

/// 1. (GEM-1) as it stands. Two loads for each product, and b is read down its columns.
static void by_element(const Matrix& a, const Matrix& b, Matrix& c) {
  for (index_t i = 0; i < kM; ++i)
    for (index_t j = 0; j < kN; ++j) {
      float sum = 0;
      for (index_t p = 0; p < kK; ++p) sum += a[i * kK + p] * b[p * kN + j];
      c[i * kN + j] = sum;
    }
}

/// 2. The two inner loops exchanged: b and c are read along rows, no addition waits for another one, and compilers can
/// use vectors (g++ 12 does from -O3 on, not with -O2). But every product now loads and stores an element of c.
static void by_row(const Matrix& a, const Matrix& b, Matrix& c) {
  c.fill(0);
  for (index_t i = 0; i < kM; ++i)
    for (index_t p = 0; p < kK; ++p) {
      const float factor = a[i * kK + p];
      for (index_t j = 0; j < kN; ++j) c[i * kN + j] += factor * b[p * kN + j];
    }
}

/// 3. (GEM-2): a tile of c stays in registers over all p. The kernels' tiles are 8 x 48 (AVX-512), 6 x 16 (AVX2) and
/// 8 x 12 (NEON), and they read a and b from panels, packed in the order in which tiles need them.
static void by_tile(const Matrix& a, const Matrix& b, Matrix& c) {
  for (index_t i = 0; i < kM; i += 2)
    for (index_t j = 0; j < kN; j += 4) {
      float tile[2][4] = {};
      for (index_t p = 0; p < kK; ++p) {
        const float* from = &b[p * kN + j];
        const float upper = a[i * kK + p], lower = a[(i + 1) * kK + p];
        for (int s = 0; s < 4; ++s) {
          tile[0][s] += upper * from[s];
          tile[1][s] += lower * from[s];
        }
      }
      for (index_t r = 0; r < 2; ++r) std::copy_n(tile[r], 4, &c[(i + r) * kN + j]);
    }
}

/// Times a product and says how many operations a second that is.
template <class Product>
static void measure(const char* name, const char* remark, const Product& product) {
  const double ms = milliseconds(product);
  std::printf("%s: %.2f ms, %.1f GFLOP/s%s\n", name, ms, 2e-6 * static_cast<double>(kM * kN * kK) / ms, remark);
}

/// What rounding explains: each of the k steps of a sum is off by at most 2^-24, half of a float's eps, of the terms so
/// far (|a|, |b| <= 1).
static double bound() { return 2.0 * kK * kK * 0x1p-24; }

int main() {
  const auto a = drawn<float>({kM, kK}, "a"), b = drawn<float>({kK, kN}, "b");
  Matrix element({kM, kN}), rows({kM, kN}), tiles({kM, kN}), library({kM, kN});
  measure("1. element by element", "", [&] { by_element(a, b, element); });
  measure("2. row by row", "", [&] { by_row(a, b, rows); });
  measure("3. tile by tile", "", [&] { by_tile(a, b, tiles); });
  Context context({.threads = 1});
  const std::string isa = moeclip::concat(" (", moeclip::kernels::to_string(moeclip::kernels::active_isa()), ")");
  measure("4. the library", isa.c_str(), [&] {
    moeclip::kernels::gemm<float>(context, {kM, kN, kK}, moeclip::kernels::row_major<float>(a.data(), kK),
                                  moeclip::kernels::row_major<float>(b.data(), kN), library.data(), kN);
  });
  compare("loops 1 and 2, within the bound of rounding", farthest(element, rows), bound());
  compare("loops 1 and 3, within the bound of rounding", farthest(element, tiles), bound());
  compare("loops and library, within the bound of rounding", farthest(element, library), bound());

  // The surprise: all four do the same work, and the fastest is one or two orders of magnitude ahead. No one reason is
  // enough: fewer loads let vectors of 8 or 16 numbers work at all, whose multiplication and addition are one
  // instruction, and enough independent sums keep them busy. Exercise 1 takes it apart.
  std::printf(
      "numbers loaded per multiplication: 2 element by element, %.2f in a tile of 2 x 4, %.2f in one of 8 x 48\n",
      6.0 / 8, 56.0 / 384);
}

// Exercise 1. MOECLIP_ISA=scalar and MOECLIP_ISA=avx2 before the program's name choose other kernels. Which part of
//   line 4 is due to tiles and packing, and which to vectors? Within a program, kernels::select(isa) does the same, for
//   each of kernels::compiled() that is kernels::supported(): how far are their results apart?
// Exercise 2. by_tile needs even m and n divisible by 4. Write one for any shape, empty ones included, in which a tile
//   at the border does less. Test it with m = 5, n = 7, k = 3.
// Exercise 3. Blocks of k: sum over p < 120 first, then over the others. The two, added, have not the bits of one sum
//   over all p. Which order of additions gives the same bits, however k is divided?
