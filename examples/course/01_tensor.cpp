// SPDX-License-Identifier: MIT
// Lesson 1. Tensor and view. A tensor owns its elements, a view looks at elements of somebody else: a pointer, extents
// and strides. Element (i, j, ...) of a view lies at
//
//   data[i s_0 + j s_1 + ...]                                                                    (VIEW-1)
//
// where s_k, the stride of axis k, is how far the pointer moves when index k grows by one. A part of an array, a
// transposed array and an array of equal rows are the same elements with other strides: nothing is copied.
//
// Output:
// x(1,2,3) is data[1*12 + 2*4 + 3*1] = 23
// rows 1 and 2 of x[1] begin with 16 and 20; transposed, (3,2) is 23
// queries of head 1: extents 5 x 4, strides 24 1, contiguous: no
// product of that view and of a copy of it: the same numbers
// a bias as 5 equal rows: strides 0 1, so 4 numbers in memory count as 20
// a million numbers added up: along rows ... ms, down columns ... ms
// the same with rows 1040 numbers apart: along rows ... ms, down columns ... ms

#include <moeclip/nn/linear.hpp>

#include "lesson.hpp"

/// (VIEW-1) written out: element (i, j) of a matrix that begins at `data`.
static float element(const float* data, index_t i, index_t j, index_t s0, index_t s1) { return data[i * s0 + j * s1]; }

/// The queries of head `head` in an array of queries, keys and values (T, 3D): columns head*Dh to (head+1)*Dh - 1.
static View<const float, 2> queries_of(const Tensor<float>& qkv, index_t head, index_t head_width) {
  return {qkv.data() + head * head_width, {qkv.extent(0), head_width}, {qkv.extent(1), 1}};
}

/// Adds up a matrix, the last index fastest or the first.
static double sum(View<const double, 2> a, bool along_rows) {
  double total = 0;
  for (index_t i = 0; i < a.extent(0); ++i)
    for (index_t j = 0; j < a.extent(1); ++j) total += along_rows ? a(i, j) : a(j, i);
  return total;
}

int main() {
  // A tensor is row-major: the last axis has stride 1, each other one the product of the extents behind it.
  Tensor<float> x({2, 3, 4});
  for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  const View<float, 3> all = x.view<3>();
  std::printf("x(1,2,3) is data[1*%td + 2*%td + 3*%td] = %.0f\n", all.stride(0), all.stride(1), all.stride(2),
              static_cast<double>(all(1, 2, 3)));

  // Windows: an index of the first axis, a range of it, and two axes exchanged.
  const View<float, 2> second = all[1], lower = second.rows(1, 3);
  const View<float, 2> turned(second.data(), {4, 3}, {second.stride(1), second.stride(0)});
  std::printf("rows 1 and 2 of x[1] begin with %.0f and %.0f; transposed, (3,2) is %.0f\n",
              static_cast<double>(lower(0, 0)), static_cast<double>(lower(1, 0)), static_cast<double>(turned(3, 2)));

  // What attention does all day: 5 tokens, width 8 in two heads, queries, keys and values side by side.
  const auto qkv = drawn<float>({5, 24}, "qkv");
  const View<const float, 2> queries = queries_of(qkv, 1, 4);
  std::printf("queries of head 1: extents %td x %td, strides %td %td, contiguous: %s\n", queries.extent(0),
              queries.extent(1), queries.stride(0), queries.stride(1), queries.is_contiguous() ? "yes" : "no");

  // The library's functions take views, and do not care where the rows lie. linear_forward is y = x W^T (LIN-1): W has
  // a row of weights, here of 4, for each of its outputs, here 3; row t of y holds what they make of row t of x.
  Context context({.threads = 1});
  moeclip::Linear<float> layer(3, 4, false);
  layer.weight = drawn<float>({3, 4}, "weight");
  Tensor<float> copy({5, 4}), from_view({5, 3}), from_copy({5, 3});
  for (index_t t = 0; t < 5; ++t)
    for (index_t c = 0; c < 4; ++c) copy[4 * t + c] = element(queries.data(), t, c, 24, 1);
  moeclip::linear_forward<float>(context, layer, queries, from_view.view<2>());
  moeclip::linear_forward<float>(context, layer, copy.view<2>(), from_copy.view<2>());
  compare("product of that view and of a copy of it", farthest(from_view, from_copy), 0);

  // A stride may be 0.
  const auto bias = drawn<float>({4}, "bias");
  const View<const float, 2> rows(bias.data(), {5, 4}, {0, 1});
  std::printf("a bias as 5 equal rows: strides %td %td, so %td numbers in memory count as %td\n", rows.stride(0),
              rows.stride(1), bias.size(), rows.size());

  // The surprise: strides are free, but some are dear. Both loops add the same million numbers, and the second takes a
  // new line of the cache for each. That alone costs little: with rows 1040 numbers apart, the lines are still there
  // for the next column. But a cache has few places for lines whose addresses differ by a multiple of 4096 bytes, and
  // with rows of 1024 numbers, 8192 bytes, those of a column drive each other out.
  const auto large = drawn<double>({1024, 1040}, "large");
  for (const index_t stride : {1024, 1040}) {
    const View<const double, 2> square(large.data(), {1024, 1024}, {stride, 1});
    double by_rows = 0, by_columns = 0;
    const double along = milliseconds([&] { by_rows = sum(square, true); });
    const double down = milliseconds([&] { by_columns = sum(square, false); });
    std::printf("%s: along rows %.2f ms, down columns %.2f ms%s\n",
                stride == 1024 ? "a million numbers added up" : "the same with rows 1040 numbers apart", along, down,
                std::abs(by_rows - by_columns) < 1e-6 ? "" : ", DIFFERENT");
  }
}

// Exercise 1. Make a view of one axis on the diagonal of a 6 x 6 matrix, and with it the matrix's trace.
// Exercise 2. A signal has 20 numbers. Make a view (18, 3) whose row i holds numbers i, i + 1 and i + 2, which copies
//   nothing (rows may overlap), and use linear_forward on it to compute the moving average of three.
