// SPDX-License-Identifier: MIT
// Lesson 6. A ViT block. Tokens x (T, D) pass two branches, each of which adds to what is there:
//
//   x <- x + Attention(LN(x)),   x <- x + MLP(LN(x))                                             (BLK-1)
//   Attention: (q | k | v) = x W_in^T + b_in,  o = softmax(q k^T / sqrt(Dh)) v per head,  o W_out^T + b_out   (ATT-1)
//   MLP: W2 gelu(W1 x + b1) + b2,  4 D wide inside                                               (MLP-1)
//
// W1, W2 and all W are rows of weights as in LIN-1 (lesson 5), gelu is that lesson's, LN and attention are lessons 4
// and 3. It is all that a vision transformer repeats: 12 times in ViT-B, 24 times in ViT-L.
//
// Output:
// block of the lesson and of the library: the same numbers
// tokens shuffled before, or after the block: the same numbers
// numbers in a block of ViT-L: 12596224 = 12 D^2 + 13 D
// both branches end in zeros: the block hands its input on unchanged: yes
// ... and the gradient too: yes

#include <moeclip/nn/block.hpp>

#include "lesson.hpp"

constexpr index_t kTokens = 10, kWidth = 24, kHeads = 3, kHead = kWidth / kHeads;
using Matrix = Tensor<double>;
using moeclip::kernels::Activation;

/// x W^T + b  (LIN-1)
static Matrix linear(const moeclip::Linear<double>& layer, const Matrix& x) {
  Matrix y({x.extent(0), layer.outputs()});
  for (index_t t = 0; t < y.extent(0); ++t)
    for (index_t j = 0; j < y.extent(1); ++j)
      y[t * y.extent(1) + j] = dot(row(x, t), row(layer.weight, j)) + layer.bias[j];
  return y;
}

/// LN-1, as in lesson 4.
static Matrix layer_norm(const moeclip::LayerNorm<double>& norm, const Matrix& x) {
  Matrix y(x.shape());
  for (index_t t = 0; t < x.extent(0); ++t) {
    double mean = 0, variance = 0;
    for (const double value : row(x, t)) mean += value / kWidth;
    for (const double value : row(x, t)) variance += (value - mean) * (value - mean) / kWidth;
    for (index_t c = 0; c < kWidth; ++c)
      y[t * kWidth + c] =
          norm.gamma[c] * (x[t * kWidth + c] - mean) / std::sqrt(variance + moeclip::kLayerNormEps) + norm.beta[c];
  }
  return y;
}

/// ATT-1, head by head and query by query, as in lesson 3.
static Matrix attention(const moeclip::SelfAttention<double>& layer, const Matrix& x) {
  const Matrix qkv = linear(layer.in_proj, x);
  Matrix heads(x.shape());
  const auto part = [&](index_t t, index_t which, index_t head) {
    return std::span<const double>(&qkv[t * 3 * kWidth + which * kWidth + head * kHead], kHead);
  };
  for (index_t head = 0; head < kHeads; ++head)
    for (index_t t = 0; t < kTokens; ++t) {
      double weights[kTokens], sum = 0;
      for (index_t j = 0; j < kTokens; ++j)
        sum += weights[j] = std::exp(dot(part(t, 0, head), part(j, 1, head)) / std::sqrt(double{kHead}));
      for (index_t j = 0; j < kTokens; ++j)
        for (index_t d = 0; d < kHead; ++d)
          heads[t * kWidth + head * kHead + d] += weights[j] / sum * part(j, 2, head)[static_cast<std::size_t>(d)];
    }
  return linear(layer.out_proj, heads);
}

/// BLK-1
static Matrix block_of_the_lesson(const moeclip::Block<double>& block, Matrix x) {
  const auto add = [&x](const Matrix& branch) {
    for (index_t i = 0; i < x.size(); ++i) x[i] += branch[i];
  };
  add(attention(block.attention, layer_norm(block.ln_1, x)));
  Matrix hidden = linear(block.mlp.c_fc, layer_norm(block.ln_2, x));
  for (double& value : hidden) value *= 0.5 * (1 + std::erf(value / std::sqrt(2.0)));  // gelu
  add(linear(block.mlp.c_proj, hidden));
  return x;
}

/// The library's, for one picture, not causal. It keeps for the backward pass what `saved` has room for.
static Matrix block_of_the_library(Context& context, const moeclip::Block<double>& block, Matrix x,
                                   moeclip::BlockSaved<double>* saved = nullptr) {
  moeclip::block_forward<double>(context, block, Activation::gelu, {1, kTokens, false}, x.view<2>(), saved);
  return x;
}

/// The tokens in another order: token t goes to place 7 t mod 10.
static Matrix shuffled(const Matrix& x) {
  Matrix y(x.shape());
  for (index_t t = 0; t < kTokens; ++t) std::copy_n(&x[t * kWidth], kWidth, &y[7 * t % kTokens * kWidth]);
  return y;
}

int main() {
  moeclip::Block<double> block(kWidth, kHeads, 4 * kWidth);
  moeclip::visit_parameters(block, "", [](const std::string& name, Matrix& tensor) {
    moeclip::fill_uniform(tensor, 1, name, 0.3f, name.starts_with("ln_") && name.ends_with("weight") ? 1.0f : 0.0f);
  });
  Context context({.threads = 1});
  const auto x = drawn<double>({kTokens, kWidth}, "x");
  const Matrix y = block_of_the_library(context, block, x);
  compare("block of the lesson and of the library", farthest(block_of_the_lesson(block, x), y), 1e-12);

  // The surprise: without the causal mask nothing in a block knows where a token stands. Attention adds up over all of
  // them, everything else looks at one. A picture cut into patches and shuffled gives the same tokens, shuffled; what
  // makes a picture of them is the position embedding alone, added once, before the first block.
  compare("tokens shuffled before, or after the block",
          farthest(block_of_the_library(context, block, shuffled(x)), shuffled(y)), 1e-12);

  index_t numbers = 0;
  moeclip::Block<float> large(1024, 16, 4096);
  moeclip::visit_parameters(large, "", [&](const std::string&, Tensor<float>& tensor) { numbers += tensor.size(); });
  std::printf("numbers in a block of ViT-L: %td = 12 D^2 + 13 D\n", numbers);

  // Why deep stacks train at all: y = x + f(x) hands the gradient on whatever f does (BLK-1').
  for (moeclip::Linear<double>* last : {&block.attention.out_proj, &block.mlp.c_proj}) moeclip::zero_parameters(*last);
  moeclip::BlockSaved<double> saved;
  const Matrix same = block_of_the_library(context, block, x, &saved);
  const auto d_y = drawn<double>({kTokens, kWidth}, "d_y");
  Matrix d = d_y;
  moeclip::block_backward<double>(context, block, Activation::gelu, {1, kTokens, false}, saved, d.view<2>(), nullptr);
  std::printf("both branches end in zeros: the block hands its input on unchanged: %s\n",
              farthest(same, x) == 0 ? "yes" : "no");
  std::printf("... and the gradient too: %s\n", farthest(d, d_y) == 0 ? "yes" : "no");
}

// Exercise 1. Add positions, one row of D numbers per token, before the block. Does shuffling still go through?
// Exercise 2. How many multiplications does a block take for T tokens? Which part of them is attention's T^2, in ViT-L
//   (D = 1024) at T = 257 and at T = 1370?
