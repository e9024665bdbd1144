// SPDX-License-Identifier: MIT
#pragma once
// The affine map y = x W^T + b (LIN-1 in this folder's README), weights stored (outputs, inputs) as PyTorch does.
//
// A frozen layer can be packed: its weight moves into the layout that the matrix kernels read, once, and the plain
// tensor is given up, so a large model is held in memory only once.

#include "../kernels/gemm.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct Linear {
  Tensor<T> weight;                 // (N, K): outputs, inputs; empty once packed
  Tensor<T> bias;                   // (N), or empty
  kernels::PackedMatrix<T> packed;  // W^T for the kernels; empty until pack()

  Linear() = default;
  Linear(index_t outputs, index_t inputs, bool has_bias)
      : weight(Tensor<T>::uninitialised({outputs, inputs})), bias(Tensor<T>::uninitialised({has_bias ? outputs : 0})) {}

  [[nodiscard]] index_t inputs() const { return packed.empty() ? weight.extent(1) : packed.rows(); }
  [[nodiscard]] index_t outputs() const { return packed.empty() ? weight.extent(0) : packed.columns(); }

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight", self.weight);
    if (!self.bias.empty()) visitor("bias", self.bias);
  }
};

/// Packs the weight and releases the plain tensor. The layer can be used as before, but no longer visited or changed.
template <class T>
void pack(Context& context, Linear<T>& layer) {
  const index_t outputs = layer.weight.extent(0), inputs = layer.weight.extent(1);
  const auto weight = kernels::row_major<T>(layer.weight.data(), inputs);
  layer.packed = kernels::pack<T>(context, inputs, outputs, kernels::transposed(weight));
  layer.weight = Tensor<T>();
}

/// What is done to x W^T + b on its way out.
struct LinearOptions {
  kernels::Activation activation = kernels::Activation::none;
  bool accumulate = false;  ///< add to what `y` holds (a residual branch) instead of replacing it
};

/// y(i) = activation(W x(i) + b), for x (M, K) with any row stride and y (M, N) likewise.
template <class T>
void linear_forward(Context& context, const Linear<T>& layer, View<const T, 2> x, View<T, 2> y,
                    LinearOptions options = {}) {
  MOECLIP_EXPECT(x.extent(1) == layer.inputs() && y.extent(1) == layer.outputs() && x.extent(0) == y.extent(0),
                 "linear layer (", layer.outputs(), ",", layer.inputs(), ") was given x (", x.extent(0), ",",
                 x.extent(1), ") and y (", y.extent(0), ",", y.extent(1), ")");
  kernels::Epilogue<T> epilogue;
  epilogue.bias = layer.bias.empty() ? nullptr : layer.bias.data();
  epilogue.activation = options.activation;
  epilogue.accumulate = options.accumulate;
  const kernels::MatrixRef<T> a{x.data(), x.stride(0), x.stride(1)};
  const index_t m = x.extent(0);
  if (!layer.packed.empty()) {
    kernels::gemm<T>(context, m, a, layer.packed, y.data(), y.stride(0), epilogue);
  } else {
    const auto weight = kernels::row_major<T>(layer.weight.data(), layer.inputs());
    kernels::gemm<T>(context, {m, layer.outputs(), layer.inputs()}, a, kernels::transposed(weight), y.data(),
                     y.stride(0), epilogue);
  }
}

}  // namespace moeclip::inline MOECLIP_ABI_NS
