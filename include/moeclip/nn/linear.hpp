// SPDX-License-Identifier: MIT
#pragma once
// The affine map y = x W^T + b (LIN-1 in this folder's README), weights stored (outputs, inputs) as PyTorch does.
//
// A frozen layer can be packed: its weight moves into the layout that the matrix kernels read, once, in float or in
// narrow numbers, and the plain tensor is given up, so a large model is held in memory only once.

#include "../kernels/packed_weight.hpp"
#include "../kernels/rows.hpp"
#include "../tensor/visit.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Parameters of a linear layer with K inputs and N outputs.
template <class T>
struct Linear {
  Tensor<T> weight;                 // (N, K): outputs, inputs; empty once packed
  Tensor<T> bias;                   // (N), or empty
  kernels::PackedWeight<T> packed;  // W^T for the kernels; empty until pack()

  Linear() = default;
  /// Uninitialised parameters; without `has_bias` the bias is empty and counts as zero.
  Linear(index_t outputs, index_t inputs, bool has_bias)
      : weight(Tensor<T>::uninitialised({outputs, inputs})), bias(Tensor<T>::uninitialised({has_bias ? outputs : 0})) {}

  /// K, also when the layer is packed.
  [[nodiscard]] index_t inputs() const { return packed.empty() ? weight.extent(1) : packed.rows(); }
  /// N, also when the layer is packed.
  [[nodiscard]] index_t outputs() const { return packed.empty() ? weight.extent(0) : packed.columns(); }

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight", self.weight);
    if (!self.bias.empty()) visitor("bias", self.bias);
  }
};

/// Packs the weight in `precision` and releases the plain tensor. The layer can be used as before, but no longer
/// visited or changed. For int8, `scales` (N) are those that the rows of the weight are multiples of, if it was rounded
/// before.
template <class T>
void pack(Context& context, Linear<T>& layer, kernels::Precision precision = kernels::Precision::f32,
          const Tensor<T>& scales = {}) {
  const index_t outputs = layer.weight.extent(0), inputs = layer.weight.extent(1);
  const auto weight = kernels::row_major<T>(layer.weight.data(), inputs);
  layer.packed = kernels::pack_weight<T>(context, inputs, outputs, kernels::transposed(weight), precision,
                                         scales.empty() ? nullptr : scales.data());
  layer.weight = Tensor<T>();
}

/// What is done to x W^T + b on its way out.
struct LinearOptions {
  kernels::Activation activation = kernels::Activation::none;  ///< applied after the bias, before `accumulate`
  bool accumulate = false;  ///< add to what `y` holds (a residual branch) instead of replacing it
};

/// y(i) = activation(W x(i) + b), for x (M, K) with any row stride and y (M, N) likewise. `before`, if it has data,
/// receives W x(i) + b; its rows lie as far apart as those of y.
template <class T>
void linear_forward(Context& context, const Linear<T>& layer, View<const T, 2> x, View<T, 2> y,
                    LinearOptions options = {}, View<T, 2> before = {}) {
  MOECLIP_EXPECT(x.extent(1) == layer.inputs() && y.extent(1) == layer.outputs() && x.extent(0) == y.extent(0),
                 "linear layer (", layer.outputs(), ",", layer.inputs(), ") was given x (", x.extent(0), ",",
                 x.extent(1), ") and y (", y.extent(0), ",", y.extent(1), ")");
  MOECLIP_EXPECT(before.data() == nullptr || (before.extents() == y.extents() && before.stride(0) == y.stride(0)),
                 "what goes into the activation is kept in the shape of y");
  kernels::Epilogue<T> epilogue;
  epilogue.bias = layer.bias.empty() ? nullptr : layer.bias.data();
  epilogue.activation = options.activation;
  epilogue.accumulate = options.accumulate;
  epilogue.before = before.data();
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

/// What is done to d_y W on its way into d_x.
template <class T>
struct LinearBackward {
  bool accumulate = false;                                     ///< add to what d_x holds
  kernels::Activation activation = kernels::Activation::none;  ///< whose slope is taken at `before`
  const T* before = nullptr;  ///< where x = activation(before), before as d_x: multiply by activation'(before)
};

/// From y = x W^T + b and d_y (M, N):  (LIN-1')
///   d_x = d_y W          (M, K), skipped if d_x has no data
///   d_W += d_y^T x       (N, K), d_b += column sums of d_y (N); skipped if `gradient` is null
/// x (M, K) is read for d_W only. The channels of d_y, and of x if it is used, are contiguous.
template <class T>
void linear_backward(Context& context, const Linear<T>& layer, View<const T, 2> x, View<const T, 2> d_y, View<T, 2> d_x,
                     Linear<T>* gradient, LinearBackward<T> options = {}) {
  const index_t m = d_y.extent(0), n = layer.outputs(), k = layer.inputs();
  MOECLIP_EXPECT(d_y.extent(1) == n && (d_x.data() == nullptr || (d_x.extent(0) == m && d_x.extent(1) == k)),
                 "backward of a linear layer (", n, ",", k, ") was given d_y (", m, ",", d_y.extent(1), ") and d_x (",
                 d_x.extent(0), ",", d_x.extent(1), ")");
  const kernels::MatrixRef<T> d_out{d_y.data(), d_y.stride(0), d_y.stride(1)};
  kernels::Epilogue<T> epilogue;
  epilogue.activation = options.activation;
  epilogue.accumulate = options.accumulate;
  epilogue.slope_at = options.before;
  if (d_x.data() != nullptr && !layer.packed.empty())
    kernels::gemm<T>(context, m, d_out, kernels::transposed(layer.packed), d_x.data(), d_x.stride(0), epilogue);
  else if (d_x.data() != nullptr)
    kernels::gemm<T>(context, {m, k, n}, d_out, kernels::row_major<T>(layer.weight.data(), k), d_x.data(),
                     d_x.stride(0), epilogue);
  if (gradient == nullptr) return;
  MOECLIP_EXPECT(x.extent(0) == m && x.extent(1) == k && gradient->weight.size() == n * k, "the gradient (",
                 gradient->outputs(), ",", gradient->inputs(), ") of a linear layer (", n, ",", k, ") was given x (",
                 x.extent(0), ",", x.extent(1), ")");
  kernels::gemm<T>(context, {n, k, m}, kernels::transposed(d_out), {x.data(), x.stride(0), x.stride(1)},
                   gradient->weight.data(), k, {.accumulate = true});
  if (!gradient->bias.empty()) kernels::column_sums<T>(context, m, n, d_y.data(), d_y.stride(0), gradient->bias.data());
}

}}  // namespace moeclip::abi_v0_1
