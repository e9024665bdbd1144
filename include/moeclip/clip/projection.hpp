// SPDX-License-Identifier: MIT
#pragma once
// The projection is the last step of both towers: y = x P leads into the joint space, with P stored as (inputs,
// outputs), as OpenAI does (PRJ-1, PRJ-1' in this folder's README).

#include "../kernels/gemm.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// y = x P for x (M, D), rows at any stride, projection P (D, C) and y (M, C).
template <class T>
void project_forward(Context& context, const Tensor<T>& projection, View<const T, 2> x, View<T, 2> y) {
  const index_t width = projection.extent(0), embed = projection.extent(1);
  kernels::gemm<T>(context, {x.extent(0), embed, width}, kernels::row_major<T>(x.data(), x.stride(0)),
                   kernels::row_major<T>(projection.data(), embed), y.data(), y.stride(0));
}

/// d_x = d_y P^T, gradient += x^T d_y, for d_y (M, C), d_x (M, D) and the gradient of P (D, C).
template <class T>
void project_backward(Context& context, const Tensor<T>& projection, View<const T, 2> x, View<const T, 2> d_y,
                      View<T, 2> d_x, Tensor<T>& gradient) {
  const index_t rows = x.extent(0), width = projection.extent(0), embed = projection.extent(1);
  const auto right = kernels::row_major<T>(d_y.data(), d_y.stride(0));
  kernels::Epilogue<T> add;
  add.accumulate = true;
  kernels::gemm<T>(context, {width, embed, rows}, kernels::transposed(kernels::row_major<T>(x.data(), x.stride(0))),
                   right, gradient.data(), embed, add);
  kernels::gemm<T>(context, {rows, width, embed}, right,
                   kernels::transposed(kernels::row_major<T>(projection.data(), embed)), d_x.data(), d_x.stride(0));
}

}}  // namespace moeclip::abi_v0_1
