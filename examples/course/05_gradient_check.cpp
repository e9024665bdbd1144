// SPDX-License-Identifier: MIT
// Lesson 5. Checking gradients. Whoever writes backward passes by hand needs a judge that knows nothing of them. Along
// a direction d the loss L has the derivative <gradient, d>, and with f(h) = L(x + h d)
//
//   <gradient, d> = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h + O(h^4)                         (CHK-1)
//
// since f(h) - f(-h) = 2h f' + h^3 f'''/3 + O(h^5): the weights 8 and -1 let the f''' cancel. Each difference of two
// nearly equal losses is off by rounding, eps |L|, which is divided by h. h^4 and eps/h balance at h = eps^(1/5), where
// eps^(4/5) is left; eps is the distance from 1 to the next number, 2^-52 in double and 2^-23 in float. On trial is a
// layer with an activation, y = gelu(z), gelu(z) = z Phi(z) with the normal distribution's Phi, and
//
//   z = x W^T + b;   d_x = d_z W,   d_W += d_z^T x,   d_b += sum over tokens of d_z              (LIN-1, LIN-1')
//
// Output:
// h = 1e-01: off by 2e-06
// h = 1e-02: off by 2e-10
// h = eps^(1/5) = 7e-04: off by less than 1e-11
// h = 1e-09: off by more than that: yes
// LIN-1' in loops and in the library: the same numbers
// the library's d_W, d_x and d_b against differences: right, right, right
// an activation's slope at the wrong place: WRONG
// in float, h = eps^(1/5) = 4e-02: the right gradient is off by ..., that wrong one by 0.1

#include <limits>
#include <moeclip/nn/linear.hpp>

#include "lesson.hpp"

/// y for 5 tokens, and the loss sum y * target, so that d_y = target. `before` is z.
template <class T>
struct Example {
  moeclip::Linear<T> layer{4, 3, true};
  Tensor<T> x = drawn<T>({5, 3}, "x"), target = drawn<T>({5, 4}, "target");
  Tensor<T> before = Tensor<T>({5, 4}), y = Tensor<T>({5, 4});
  Context context{{.threads = 1}};

  Example() {
    layer.weight = drawn<T>({4, 3}, "weight");
    layer.bias = drawn<T>({4}, "bias");
  }
  double loss() {
    moeclip::linear_forward<T>(context, layer, x.template view<2>(), y.template view<2>(),
                               {.activation = moeclip::kernels::Activation::gelu}, before.template view<2>());
    double sum = 0;
    for (index_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * static_cast<double>(target[i]);
    return sum;
  }
};

/// What is claimed to be the gradient of all three.
template <class T>
struct Claim {
  moeclip::Linear<T> layer{4, 3, true};
  Tensor<T> x = Tensor<T>({5, 3});
};

/// LIN-1' in loops: what d_z makes of the gradients of all three.
static Claim<double> linear_backward_in_loops(const Example<double>& example, const Tensor<double>& d_z) {
  Claim<double> claim;
  moeclip::zero_parameters(claim.layer);
  for (index_t t = 0; t < 5; ++t)
    for (index_t j = 0; j < 4; ++j) {
      claim.layer.bias[j] += d_z[t * 4 + j];
      for (index_t i = 0; i < 3; ++i) {
        claim.layer.weight[j * 3 + i] += d_z[t * 4 + j] * example.x[t * 3 + i];
        claim.x[t * 3 + i] += d_z[t * 4 + j] * example.layer.weight[j * 3 + i];
      }
    }
  return claim;
}

/// d_z = d_y gelu'(z). With `is_wrong`, gelu' is taken at y, where gelu has been.
template <class T>
static Tensor<T> behind_gelu(Example<T>& example, bool is_wrong) {
  example.loss();
  Tensor<T> d = example.target;
  for (index_t i = 0; i < d.size(); ++i)
    d[i] *= moeclip::kernels::reference::slope(moeclip::kernels::Activation::gelu,
                                               is_wrong ? example.y[i] : example.before[i]);
  return d;
}

/// d_y goes through gelu, then through LIN-1', the library's.
template <class T>
static Claim<T> backward(Example<T>& example, bool is_wrong = false) {
  Claim<T> claim;
  moeclip::zero_parameters(claim.layer);
  const Tensor<T> d = behind_gelu(example, is_wrong);
  moeclip::linear_backward<T>(example.context, example.layer, example.x.template view<2>(), d.template view<2>(),
                              claim.x.template view<2>(), &claim.layer);
  return claim;
}

/// (CHK-1) for one tensor and a random direction: how far differences are from <claimed, d>, as a share of what
/// <claimed, d> may be, |claimed| |d|.
template <class T>
static double error(Example<T>& example, Tensor<T>& value, const Tensor<T>& claimed, double h) {
  const Tensor<T> start = value, d = drawn<T>(value.shape(), "direction");
  const auto f = [&](double step) {
    for (index_t i = 0; i < value.size(); ++i) value[i] = start[i] + static_cast<T>(step) * d[i];
    return example.loss();
  };
  const double difference = (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h);
  value = start;
  return std::abs(difference - dot(claimed.values(), d.values())) / (length(claimed.values()) * length(d.values()));
}

int main() {
  Example<double> example;
  const Claim<double> claim = backward(example);
  Tensor<double>& weight = example.layer.weight;

  // As h shrinks the error falls as h^4, until rounding takes over, which grows as 1/h.
  for (const double h : {1e-1, 1e-2})
    std::printf("h = %.0e: off by %.0e\n", h, error(example, weight, claim.layer.weight, h));
  const double h = std::pow(std::numeric_limits<double>::epsilon(), 0.2), limit = 1e-11;
  const auto verdict = [&](double off) { return off < limit ? "right" : "WRONG"; };
  std::printf("h = eps^(1/5) = %.0e: off by %s than 1e-11\n", h,
              error(example, weight, claim.layer.weight, h) < limit ? "less" : "MORE");
  std::printf("h = 1e-09: off by more than that: %s\n",
              error(example, weight, claim.layer.weight, 1e-9) > limit ? "yes" : "no");

  const Claim<double> loops = linear_backward_in_loops(example, behind_gelu(example, false));
  compare("LIN-1' in loops and in the library",
          farthest(loops.x, claim.x) + farthest(loops.layer.weight, claim.layer.weight) +
              farthest(loops.layer.bias, claim.layer.bias),
          1e-14);
  std::printf("the library's d_W, d_x and d_b against differences: %s, %s, %s\n",
              verdict(error(example, weight, claim.layer.weight, h)), verdict(error(example, example.x, claim.x, h)),
              verdict(error(example, example.layer.bias, claim.layer.bias, h)));

  // A mistake that looks plausible, and whose training would go on somehow.
  const Claim<double> wrong = backward(example, true);
  std::printf("an activation's slope at the wrong place: %s\n", verdict(error(example, weight, wrong.layer.weight, h)));

  // The surprise: float is nearly blind. At its best h 3e-6 is left, of double's 3e-13: it still sees a wrong slope,
  // but no error below 1e-6. The library's layers are templates for this reason: double is checked by differences,
  // float against double.
  Example<float> single;
  const Claim<float> in_float = backward(single), wrong_in_float = backward(single, true);
  const double own_h = std::pow(static_cast<double>(std::numeric_limits<float>::epsilon()), 0.2);
  std::printf("in float, h = eps^(1/5) = %.0e: the right gradient is off by %.0e, that wrong one by %.1f\n", own_h,
              error(single, single.layer.weight, in_float.layer.weight, own_h),
              error(single, single.layer.weight, wrong_in_float.layer.weight, own_h));
}

// Exercise 1. The simpler (f(h) - f(-h)) / 2h is off by h^2. Which h is best for it, and how small does its error get?
// Exercise 2. For a function written for any scalar, such as f(x) = sum tanh(x_i), std::complex gives the derivative
//   without a difference: f'(x) = imag f(x + ih) / h. Try h = 1e-100.
