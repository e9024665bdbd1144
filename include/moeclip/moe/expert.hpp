// SPDX-License-Identifier: MIT
#pragma once
// One low-rank expert (EXP-1 in this folder's README) computes o = (alpha / r) B A x. A (r x D) is frozen and, with
// FOFS, sees only its own chunk of the channels; B (D x r) is trained. The backward pass (EXP-1') is d_h = (alpha / r)
// B^T d_o,  d_B = (alpha / r) d_o h^T,  d_x = A^T d_h,  d_A = d_h x^T,  with h = A x.

#include <span>

#include "../base/process_group.hpp"
#include "../kernels/gemm.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The parameters of one expert.
template <class T>
struct Expert {
  Tensor<T> lora_a;  // (R, D)
  Tensor<T> lora_b;  // (D, R)

  Expert() = default;
  /// Shapes for tokens of width D and rank R; values to be filled in.
  Expert(index_t width, index_t rank)
      : lora_a(Tensor<T>::uninitialised({rank, width})), lora_b(Tensor<T>::uninitialised({width, rank})) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("lora_A.weight", self.lora_a);
    visitor("lora_B.weight", self.lora_b);
  }
};

/// out(n) = scale * B A x(n) for x (N, D) and out (N, D), both contiguous; scale = alpha / r.
template <class T>
void expert_forward(Context& context, const Expert<T>& expert, T scale, View<const T, 2> x, View<T, 2> out) {
  const index_t tokens = x.extent(0), rank = expert.lora_a.extent(0), width = expert.lora_a.extent(1);
  Arena::Scope scratch(context.arena());
  T* hidden = scratch.take<T>(tokens * rank);
  const auto a = kernels::row_major<T>(expert.lora_a.data(), width);
  const auto b = kernels::row_major<T>(expert.lora_b.data(), rank);
  kernels::gemm<T>(context, {tokens, rank, width}, kernels::row_major<T>(x.data(), width), kernels::transposed(a),
                   hidden, rank);  // (1) h = A x
  for (index_t i = 0; i < tokens * rank; ++i) hidden[i] *= scale;
  kernels::gemm<T>(context, {tokens, width, rank}, kernels::row_major<T>(hidden, rank), kernels::transposed(b),
                   out.data(), width);  // (2) o = B h
}

/// Where the backward pass of an expert puts its results. All are added to what is there; null: not wanted.
template <class T>
struct ExpertGradient {
  View<T, 2> d_x;                      ///< (N, D) contiguous
  T* lora_a = nullptr;                 ///< (R, D)
  T* lora_b = nullptr;                 ///< (D, R)
  BatchShare share = {};               ///< whose pictures the rows are of
  std::span<const index_t> ends = {};  ///< behind which row those of each picture end; without, all have equally many

  /// The rows of picture b, of `rows` in all, begin here; those of the last end where one more would begin.
  [[nodiscard]] index_t begin_of(index_t b, index_t rows) const {
    if (ends.empty()) return rows / share.held() * b;
    return b == 0 ? 0 : ends[static_cast<std::size_t>(b - 1)];
  }
};

namespace detail {

/// d_B and d_A of the rows of one picture after the other, in the order of the whole batch: h (N, R) and d_h (N, R).
template <class T>
void add_expert_weights(Context& context, View<const T, 2> x, View<const T, 2> d_out, View<const T, 2> hidden,
                        View<const T, 2> d_hidden, const ExpertGradient<T>& gradient) {
  const index_t tokens = x.extent(0), width = x.extent(1), rank = hidden.extent(1);
  const auto size = static_cast<std::size_t>(rank * width);
  kernels::Epilogue<T> add;
  add.accumulate = true;
  const auto each_picture = [&](auto&& add_rows) {
    for (index_t b = 0; b < gradient.share.own(); ++b) {
      const index_t begin = gradient.begin_of(b, tokens), end = gradient.begin_of(b + 1, tokens);
      if (begin < end) add_rows(begin, end - begin);
    }
  };
  if (gradient.lora_b != nullptr)
    gradient.share.in_order(std::span<T>(gradient.lora_b, size), [&] {
      each_picture([&](index_t begin, index_t rows) {
        kernels::gemm<T>(context, {width, rank, rows},
                         kernels::transposed(kernels::row_major<T>(d_out.data() + begin * width, width)),
                         kernels::row_major<T>(hidden.data() + begin * rank, rank), gradient.lora_b, rank, add);
      });
    });
  if (gradient.lora_a != nullptr)
    gradient.share.in_order(std::span<T>(gradient.lora_a, size), [&] {
      each_picture([&](index_t begin, index_t rows) {
        kernels::gemm<T>(context, {rank, width, rows},
                         kernels::transposed(kernels::row_major<T>(d_hidden.data() + begin * rank, rank)),
                         kernels::row_major<T>(x.data() + begin * width, width), gradient.lora_a, width, add);
      });
    });
}

}  // namespace detail

/// For d_out (N, D), the gradient of the output at x (N, D), both contiguous. h is computed again rather than kept.
template <class T>
void expert_backward(Context& context, const Expert<T>& expert, T scale, View<const T, 2> x, View<const T, 2> d_out,
                     const ExpertGradient<T>& gradient) {
  const index_t tokens = x.extent(0), rank = expert.lora_a.extent(0), width = expert.lora_a.extent(1);
  Arena::Scope scratch(context.arena());
  T *hidden = scratch.take<T>(tokens * rank), *d_hidden = scratch.take<T>(tokens * rank);
  const auto a = kernels::row_major<T>(expert.lora_a.data(), width);
  const auto b = kernels::row_major<T>(expert.lora_b.data(), rank);
  const auto x_rows = kernels::row_major<T>(x.data(), width), d_out_rows = kernels::row_major<T>(d_out.data(), width);
  kernels::Epilogue<T> add;
  add.accumulate = true;
  kernels::gemm<T>(context, {tokens, rank, width}, d_out_rows, b, d_hidden, rank);  // (2')
  for (index_t i = 0; i < tokens * rank; ++i) d_hidden[i] *= scale;
  if (gradient.lora_b != nullptr) {
    kernels::gemm<T>(context, {tokens, rank, width}, x_rows, kernels::transposed(a), hidden, rank);
    for (index_t i = 0; i < tokens * rank; ++i) hidden[i] *= scale;
  }
  const auto d_hidden_rows = kernels::row_major<T>(d_hidden, rank);
  if (gradient.d_x.data() != nullptr)
    kernels::gemm<T>(context, {tokens, width, rank}, d_hidden_rows, a, gradient.d_x.data(), width, add);  // (1')
  detail::add_expert_weights<T>(context, x, d_out, View<T, 2>(hidden, {tokens, rank}),
                                View<T, 2>(d_hidden, {tokens, rank}), gradient);
}

}}  // namespace moeclip::abi_v0_1
