// SPDX-License-Identifier: MIT
#pragma once
// One low-rank expert (EXP-1 in this folder's README):  o = (alpha / r) B A x.
// A (r x D) is frozen and, with FOFS, sees only its own chunk of the channels; B (D x r) is trained.

#include "../kernels/gemm.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct Expert {
  Tensor<T> lora_a;  // (R, D)
  Tensor<T> lora_b;  // (D, R)

  Expert() = default;
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

}  // namespace moeclip::inline MOECLIP_ABI_NS
