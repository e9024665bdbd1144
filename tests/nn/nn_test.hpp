// SPDX-License-Identifier: MIT
#pragma once
// What the tests of the layers share: layers of random values, and each formula once more, slowly, in a wider type.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <moeclip/nn/block.hpp>
#include <moeclip/tensor/visit.hpp>
#include <string>
#include <vector>

#include "random_tensor.hpp"

namespace nn_test {

using namespace moeclip;  // NOLINT

/// A matrix in the type of the references.
template <class T>
struct Matrix {
  index_t rows = 0, columns = 0;
  std::vector<Wider<T>> values;

  Matrix(index_t m, index_t n) : rows(m), columns(n), values(static_cast<std::size_t>(m * n)) {}
  Wider<T>& operator()(index_t i, index_t j) { return values[static_cast<std::size_t>(i * columns + j)]; }
  const Wider<T>& operator()(index_t i, index_t j) const { return values[static_cast<std::size_t>(i * columns + j)]; }
};

template <class T>
Matrix<T> widen(View<const T, 2> x) {
  Matrix<T> matrix(x.extent(0), x.extent(1));
  for (index_t i = 0; i < matrix.rows; ++i)
    for (index_t j = 0; j < matrix.columns; ++j) matrix(i, j) = static_cast<Wider<T>>(x(i, j));
  return matrix;
}

/// Gives every parameter of a layer values of its own stream.
template <class T, class Layer>
void randomize_layer(Layer& layer, const std::string& name, float scale = 1.0f) {
  visit_parameters(layer, name, [&](const std::string& path, Tensor<T>& tensor) { randomize(tensor, path, scale); });
}

/// A reference and how far from it rounding may lead.
template <class T>
struct Bounded {
  Matrix<T> value, bound;
};

/// x W^T + b, with the bound c k eps (sum |x| |W| + |b|).
template <class T>
Bounded<T> linear_reference(const Matrix<T>& x, const Tensor<T>& weight, const Tensor<T>& bias) {
  const index_t n = weight.extent(0), k = weight.extent(1);
  Bounded<T> y{Matrix<T>(x.rows, n), Matrix<T>(x.rows, n)};
  for (index_t i = 0; i < x.rows; ++i)
    for (index_t j = 0; j < n; ++j) {
      Wider<T> sum = bias.empty() ? 0 : static_cast<Wider<T>>(bias[j]), size = std::abs(sum);
      for (index_t l = 0; l < k; ++l) {
        const Wider<T> term = x(i, l) * static_cast<Wider<T>>(weight[j * k + l]);
        sum += term, size += std::abs(term);
      }
      y.value(i, j) = sum;
      y.bound(i, j) = static_cast<Wider<T>>(static_cast<double>(k + 4) * eps_of<T>()) * size;
    }
  return y;
}

/// gamma (x - mean) / sqrt(var + 1e-5) + beta, row by row.
template <class T>
Matrix<T> layer_norm_reference(const Matrix<T>& x, const LayerNorm<T>& norm) {
  Matrix<T> y(x.rows, x.columns);
  for (index_t i = 0; i < x.rows; ++i) {
    Wider<T> mean = 0, variance = 0;
    for (index_t c = 0; c < x.columns; ++c) mean += x(i, c) / static_cast<Wider<T>>(x.columns);
    for (index_t c = 0; c < x.columns; ++c)
      variance += (x(i, c) - mean) * (x(i, c) - mean) / static_cast<Wider<T>>(x.columns);
    const Wider<T> rstd = 1 / std::sqrt(variance + static_cast<Wider<T>>(1e-5));
    for (index_t c = 0; c < x.columns; ++c)
      y(i, c) = static_cast<Wider<T>>(norm.gamma[c]) * (x(i, c) - mean) * rstd + static_cast<Wider<T>>(norm.beta[c]);
  }
  return y;
}

/// Heads of softmax(q k^T / sqrt(Dh)) v for qkv (B * T, 3D), before the output projection.
template <class T>
Matrix<T> heads_reference(const Matrix<T>& qkv, TokenLayout layout, index_t heads) {
  const index_t width = qkv.columns / 3, head_width = width / heads;
  Matrix<T> out(qkv.rows, width);
  const Wider<T> scale = 1 / std::sqrt(static_cast<Wider<T>>(head_width));
  for (index_t b = 0; b < layout.batch; ++b)
    for (index_t h = 0; h < heads; ++h)
      for (index_t t = 0; t < layout.tokens; ++t) {
        const index_t row = b * layout.tokens + t, seen = layout.causal ? t + 1 : layout.tokens;
        std::vector<Wider<T>> p(static_cast<std::size_t>(seen));
        Wider<T> sum = 0;
        for (index_t s = 0; s < seen; ++s) {
          Wider<T> score = 0;
          for (index_t c = h * head_width; c < (h + 1) * head_width; ++c)
            score += qkv(row, c) * qkv(b * layout.tokens + s, width + c);
          sum += p[static_cast<std::size_t>(s)] = std::exp(score * scale);
        }
        for (index_t s = 0; s < seen; ++s)
          for (index_t c = h * head_width; c < (h + 1) * head_width; ++c)
            out(row, c) += p[static_cast<std::size_t>(s)] / sum * qkv(b * layout.tokens + s, 2 * width + c);
      }
  return out;
}

template <class T>
Matrix<T> attention_reference(const Matrix<T>& x, const SelfAttention<T>& attention, TokenLayout layout) {
  const Matrix<T> qkv = linear_reference(x, attention.in_proj.weight, attention.in_proj.bias).value;
  return linear_reference(heads_reference<T>(qkv, layout, attention.heads), attention.out_proj.weight,
                          attention.out_proj.bias)
      .value;
}

template <class W>
W activate_reference(kernels::Activation activation, W x) {
  switch (activation) {
    case kernels::Activation::gelu: return x * (1 + std::erf(x / std::sqrt(W(2)))) / 2;
    case kernels::Activation::quick_gelu: return x / (1 + std::exp(-W(1.702L) * x));
    case kernels::Activation::leaky_relu: return x > 0 ? x : W(0.01L) * x;
    default: return x;
  }
}

template <class T>
Matrix<T> mlp_reference(const Matrix<T>& x, const Mlp<T>& mlp, kernels::Activation activation) {
  Matrix<T> hidden = linear_reference(x, mlp.c_fc.weight, mlp.c_fc.bias).value;
  for (auto& value : hidden.values) value = activate_reference(activation, value);
  return linear_reference(hidden, mlp.c_proj.weight, mlp.c_proj.bias).value;
}

template <class T>
Matrix<T> sum_of(Matrix<T> a, const Matrix<T>& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

/// Largest |y - reference| / bound.
template <class T>
double worst_of(View<const T, 2> y, const Bounded<T>& reference) {
  double worst = 0;
  for (index_t i = 0; i < y.extent(0); ++i)
    for (index_t j = 0; j < y.extent(1); ++j) {
      const double off = static_cast<double>(std::abs(static_cast<Wider<T>>(y(i, j)) - reference.value(i, j)));
      worst = std::max(worst, off == 0 ? 0.0 : off / static_cast<double>(reference.bound(i, j)));
      if (!(off < 1e300)) return 1e300;
    }
  return worst;
}

/// Largest |y - reference| in units of eps times the largest magnitude of the reference.
template <class T>
double worst_in_eps(View<const T, 2> y, const Matrix<T>& reference) {
  double off = 0, largest = 0;
  for (index_t i = 0; i < y.extent(0); ++i)
    for (index_t j = 0; j < y.extent(1); ++j) {
      const double one = static_cast<double>(std::abs(static_cast<Wider<T>>(y(i, j)) - reference(i, j)));
      off = one < 1e300 ? std::max(off, one) : 1e300;
      largest = std::max(largest, static_cast<double>(std::abs(reference(i, j))));
    }
  return off == 0 ? 0 : off / (eps_of<T>() * largest);
}

}  // namespace nn_test
