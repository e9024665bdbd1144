// SPDX-License-Identifier: MIT
#pragma once
// The nearest of a set of vectors (NEA-1 in this folder's README). |f - m|^2 = |f|^2 - 2 (f . m - |m|^2 / 2), so the
// nearest has the largest f . m - |m|^2 / 2, and the search is a matrix product; the distance to the one that was found
// is then taken from the difference of the two, which is exact where they are almost equal and the product is not.

#include <span>
#include <utility>

#include "../kernels/gemm.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// -|m|^2 / 2 of each of the rows m (M, F).
template <class T>
void half_squares(View<const T, 2> rows, T* halves) {
  for (index_t i = 0; i < rows.extent(0); ++i) {
    halves[i] = 0;
    for (index_t c = 0; c < rows.extent(1); ++c) halves[i] -= rows(i, c) * rows(i, c) / 2;
  }
}

}  // namespace detail

/// Vectors among which others are looked up. The rows stay as they are; a packed copy is made for the product.
template <class T>
class NearestRows {
 public:
  NearestRows() = default;

  /// rows (M, F); at least one.
  NearestRows(Context& context, Tensor<T> rows)
      : rows_(std::move(rows)),
        packed_(kernels::pack<T>(context, rows_.extent(1), rows_.extent(0),
                                 kernels::transposed(kernels::row_major<T>(rows_.data(), rows_.extent(1))))),
        halves_({rows_.extent(0)}) {
    detail::half_squares(std::as_const(rows_).template view<2>(), halves_.data());
  }

  [[nodiscard]] const Tensor<T>& rows() const { return rows_; }   ///< (M, F)
  [[nodiscard]] index_t size() const { return rows_.extent(0); }  ///< M

  /// For each of `queries` (N, F): which row is nearest (the first of equals), and how far it is.
  void find(Context& context, View<const T, 2> queries, std::span<index_t> nearest, std::span<T> distances) const;

  /// The rows that are nearest to row `row`, itself first, as many as `found` takes, at most size().
  void around(Context& context, index_t row, std::span<index_t> found) const;

  /// |query - row|, for `query` (F).
  [[nodiscard]] T distance(const T* query, index_t row) const;

 private:
  Tensor<T> rows_;                   // (M, F)
  kernels::PackedMatrix<T> packed_;  // its transpose
  Tensor<T> halves_;                 // (M), their half squares
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "coreset.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void NearestRows<T>::find(Context& context, View<const T, 2> queries, std::span<index_t> nearest,
                          std::span<T> distances) const {
  MOECLIP_EXPECT(size() > 0 && queries.extent(1) == rows_.extent(1), "vectors of length ", queries.extent(1),
                 " were looked up among ", size(), " of length ", rows_.extent(1));
  constexpr index_t kQueries = 128;  // at a time: their products stay in the cache
  for (index_t begin = 0; begin < queries.extent(0); begin += kQueries) {
    const index_t count = (std::min)(kQueries, queries.extent(0) - begin);
    Arena::Scope scratch(context.arena());
    const View<T, 2> products(scratch.take<T>(count * size()), {count, size()});
    kernels::gemm<T>(context, count, kernels::row_major<T>(&queries(begin, 0), queries.stride(0)), packed_,
                     products.data(), size(), {.bias = halves_.data()});
    context.parallel_for(count, [&](index_t i, int) {
      const T* const product = &products(i, 0);
      const index_t row = std::max_element(product, product + size()) - product;
      nearest[static_cast<std::size_t>(begin + i)] = row;
      distances[static_cast<std::size_t>(begin + i)] = distance(&queries(begin + i, 0), row);
    });
  }
}

template <class T>
void NearestRows<T>::around(Context& context, index_t row, std::span<index_t> found) const {
  MOECLIP_EXPECT(std::ssize(found) <= size(), found.size(), " neighbours among ", size(), " rows");
  Arena::Scope scratch(context.arena());
  T* const products = scratch.take<T>(size());
  kernels::gemm<T>(context, 1, kernels::row_major<T>(rows_.data() + row * rows_.extent(1), rows_.extent(1)), packed_,
                   products, size(), {.bias = halves_.data()});
  products[row] = std::numeric_limits<T>::infinity();  // another may lie in the same place
  const std::span<index_t> order(scratch.take<index_t>(size()), static_cast<std::size_t>(size()));
  std::iota(order.begin(), order.end(), index_t{0});
  std::partial_sort(order.begin(), order.begin() + std::ssize(found), order.end(), [&](index_t a, index_t b) {
    return products[a] != products[b] ? products[a] > products[b] : a < b;
  });
  std::copy_n(order.begin(), found.size(), found.begin());
}

template <class T>
T NearestRows<T>::distance(const T* query, index_t row) const {
  return std::sqrt(detail::squared_distance(query, rows_.data() + row * rows_.extent(1), rows_.extent(1)));
}

MOECLIP_INSTANTIATE_CLASS(NearestRows)

}}  // namespace moeclip::abi_v0_1

#endif
