// SPDX-License-Identifier: MIT
// Elementary functions of vectors: exp, logistic, and the activations, at worst about 3 ulp from the exact value, from
// the largest number to the smallest subnormal. Infinities give limits, NaN stays NaN.

/// e^x as (1 + rest) * 2^power, rest in [-0.3, 0.42]. The sum stays open, so that a factor f can be multiplied in as
/// f + f rest, with one rounding less.
struct SplitExp {
  Vec rest, power;
};

/// e^r = 1 + r + r^2 q(r) for |r| <= ln(2) / 2, q minimax of degree 4 (relative error 3e-9), times 2^power.
inline SplitExp expand_exp(Vec r, Vec power) {
  Vec q = broadcast(1.381456037e-03f);
  q = fma(q, r, broadcast(8.368735202e-03f));
  q = fma(q, r, broadcast(4.166838899e-02f));
  q = fma(q, r, broadcast(1.666652113e-01f));
  q = fma(q, r, broadcast(4.999999404e-01f));
  return {fma(mul(r, r), q, r), power};
}

/// The power nearest to x / ln 2.
inline Vec nearest_power(Vec x) { return round(mul(x, broadcast(1.44269502e+00f))); }

/// x - power ln 2. The first product is exact: ln 2 is cut to 24 bits, and the difference needs no more.
inline Vec less_power(Vec x, Vec power) {
  return fnma(power, broadcast(-1.90465430e-09f), fnma(power, broadcast(6.93147182e-01f), x));
}

/// e^x for |x| < 150.
inline SplitExp split_exp(Vec x) {
  const Vec power = nearest_power(x);
  return expand_exp(less_power(x, power), power);
}

/// e^(x + low) for |x| < 150 and a correction `low` far below the last digit of 1.
inline SplitExp split_exp(Vec x, Vec low) {
  const Vec power = nearest_power(x);
  return expand_exp(add(less_power(x, power), low), power);
}

/// Beyond these bounds the result is 0 or infinity anyway; the constant comes first, so that NaN passes.
inline Vec exp(Vec x) {
  const SplitExp e = split_exp(min(broadcast(90.0f), max(broadcast(-106.0f), x)));
  return scale_by_power(add(broadcast(1.0f), e.rest), e.power);
}

/// 1 / (1 + e^-x), from e^-|x| on both sides, so that nothing overflows or cancels.
inline Vec sigmoid(Vec x) {
  const Vec e = exp(sub(zero(), abs(x)));
  return div(select_less(x, zero(), e, broadcast(1.0f)), add(broadcast(1.0f), e));
}

/// The tail of the normal distribution, Q(a) = erfc(a / sqrt 2) / 2, for 0 <= a <= 15, without its e^(-a^2 / 2):
///   Q(a) = e^(-a^2 / 2) R(v) / (1 + 5/16 a),  v = a / (1 + 5/16 a),
/// R(v) = (1 + 5/16 a) erfcx(a / sqrt 2) / 2 falls smoothly from 0.5 to 0.15: minimax of degree 9 on a <= 14.5 in
/// t = 0.763 v - 1, which runs from -1 to 1 (relative error 1e-8). The value is R(v).
inline Vec normal_tail(Vec v) {
  const Vec t = fma(v, broadcast(7.629310489e-01f), broadcast(-1.0f));
  Vec r = broadcast(6.175620456e-06f);
  r = fma(r, t, broadcast(-7.655679838e-06f));
  r = fma(r, t, broadcast(-8.131119102e-05f));
  r = fma(r, t, broadcast(6.317701627e-05f));
  r = fma(r, t, broadcast(9.554867283e-04f));
  r = fma(r, t, broadcast(-1.297657145e-03f));
  r = fma(r, t, broadcast(-1.204550359e-02f));
  r = fma(r, t, broadcast(6.400222331e-02f));
  r = fma(r, t, broadcast(-1.631003469e-01f));
  return fma(r, t, broadcast(2.629744112e-01f));
}

/// e^(-a^2 / 2) with a^2 to twice the digits, since an error in the exponent is one in the result.
inline SplitExp gaussian(Vec a) {
  const Vec square = mul(a, a), square_low = fms(a, a, square);
  return split_exp(mul(square, broadcast(-0.5f)), mul(square_low, broadcast(-0.5f)));
}

/// GELU(x) = x Phi(x) = max(x, 0) - |x| Q(|x|), a Q(a) = e^(-a^2 / 2) v R(v). Beyond 14.5 the tail is below the
/// smallest number. The product v R is kept to twice the digits.
inline Vec gelu(Vec x) {
  const Vec a = min(broadcast(14.5f), abs(x));
  const Vec v = div(a, fma(a, broadcast(0.3125f), broadcast(1.0f)));
  const Vec r = normal_tail(v);
  const Vec product = mul(v, r), product_low = fms(v, r, product);
  const SplitExp e = gaussian(a);
  return sub(max(zero(), x), scale_by_power(add(product, fma(product, e.rest, product_low)), e.power));
}

/// QuickGELU(x) = x / (1 + e^(-1.702 x)), from e^(-1.702 |x|) on both sides; 1.702 |x| is kept to twice the digits. On
/// the left x multiplies the mantissa, before the power of two can make it subnormal.
inline Vec quick_gelu(Vec x) {
  const Vec factor = broadcast(-1.70200002e+00f), factor_low = broadcast(2.19345093e-08f);  // the sum is -1.702
  const Vec a = min(broadcast(80.0f), abs(x));
  const Vec t = mul(a, factor), t_low = fma(a, factor_low, fms(a, factor, t));
  const SplitExp e = split_exp(t, t_low);
  const Vec left = scale_by_power(fnma(a, e.rest, sub(zero(), a)), e.power);
  const Vec denominator = add(broadcast(1.0f), scale_by_power(add(broadcast(1.0f), e.rest), e.power));
  return div(select_less(x, zero(), left, x), denominator);
}

inline Vec leaky_relu(Vec x) { return select_less(x, zero(), mul(x, broadcast(0.01f)), x); }

template <Activation kActivation>
inline Vec apply(Vec x) {
  if constexpr (kActivation == Activation::gelu) return gelu(x);
  if constexpr (kActivation == Activation::quick_gelu) return quick_gelu(x);
  if constexpr (kActivation == Activation::leaky_relu) return leaky_relu(x);
  return x;
}

/// GELU'(x) = Phi(x) + x phi(x) = 1 - h(x) on the right, h(-x) on the left, where
///   h(a) = Q(a) - a phi(a) = e^(-a^2 / 2) (R(v) / (1 + 5/16 a) - a / sqrt(2 pi)).
/// Its zero, x = -0.752, apart, where the difference cancels, both sides keep their digits.
inline Vec gelu_slope(Vec x) {
  const Vec a = min(broadcast(15.0f), abs(x));
  const Vec inverse = div(broadcast(1.0f), fma(a, broadcast(0.3125f), broadcast(1.0f)));
  const Vec tail = mul(normal_tail(mul(a, inverse)), inverse);
  const Vec h = fnma(a, broadcast(3.989422917e-01f), tail);
  const SplitExp e = gaussian(a);
  const Vec left = scale_by_power(fma(h, e.rest, h), e.power);
  return select_less(x, zero(), left, sub(broadcast(1.0f), left));
}

/// QuickGELU'(x) = s + z s (1 - s), z = 1.702 x, s = 1 / (1 + e^-z): 1 - h on the right, h on the left, where
///   h = e (1 + e - |z|) / (1 + e)^2,  e = e^-|z|.
inline Vec quick_gelu_slope(Vec x) {
  const Vec factor = broadcast(-1.70200002e+00f), factor_low = broadcast(2.19345093e-08f);  // the sum is -1.702
  const Vec a = min(broadcast(80.0f), abs(x));
  const Vec z = mul(a, factor), z_low = fma(a, factor_low, fms(a, factor, z));
  const SplitExp e = split_exp(z, z_low);
  const Vec denominator = add(broadcast(1.0f), scale_by_power(add(broadcast(1.0f), e.rest), e.power));
  const Vec ratio = div(add(denominator, z), mul(denominator, denominator));
  const Vec left = scale_by_power(fma(ratio, e.rest, ratio), e.power);
  return select_less(x, zero(), left, sub(broadcast(1.0f), left));
}

inline Vec leaky_relu_slope(Vec x) { return select_less(zero(), x, broadcast(1.0f), broadcast(0.01f)); }

template <Activation kActivation>
inline Vec slope(Vec x) {
  if constexpr (kActivation == Activation::gelu) return gelu_slope(x);
  if constexpr (kActivation == Activation::quick_gelu) return quick_gelu_slope(x);
  if constexpr (kActivation == Activation::leaky_relu) return leaky_relu_slope(x);
  return broadcast(1.0f);
}

inline Vec load_lanes(const float* p, index_t n) { return n >= kLanes ? load(p) : load_some(p, n); }
inline void store_lanes(float* p, Vec x, index_t n) {
  if (n >= kLanes)
    store(p, x);
  else
    store_some(p, x, n);
}

/// y = function(x), n elements. The function is an object: a lambda without captures would also become a plain
/// function, and that one g++ compiles without the instruction set of the region.
template <class Function>
inline void map(index_t n, const float* x, float* y, Function function) {
  index_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, function(load(x + i)));
  if (i < n) store_some(y + i, function(load_some(x + i, n - i)), n - i);
}

template <Activation kActivation>
struct Apply {
  Vec operator()(Vec x) const { return apply<kActivation>(x); }
};
struct Exp {
  Vec operator()(Vec x) const { return exp(x); }
};
struct Sigmoid {
  Vec operator()(Vec x) const { return sigmoid(x); }
};

inline void activate_all(Activation activation, index_t n, const float* x, float* y) noexcept {
  switch (activation) {
    case Activation::none: return map(n, x, y, Apply<Activation::none>{});
    case Activation::gelu: return map(n, x, y, Apply<Activation::gelu>{});
    case Activation::quick_gelu: return map(n, x, y, Apply<Activation::quick_gelu>{});
    case Activation::leaky_relu: return map(n, x, y, Apply<Activation::leaky_relu>{});
  }
}

/// d_x = d_y slope(x), n elements; d_x may be d_y or x.
template <Activation kActivation>
inline void multiply_slopes(index_t n, const float* x, const float* d_y, float* d_x) {
  for (index_t i = 0; i < n; i += kLanes) {
    const Vec value = slope<kActivation>(load_lanes(x + i, n - i));
    store_lanes(d_x + i, mul(load_lanes(d_y + i, n - i), value), n - i);
  }
}

inline void activate_backward_all(Activation activation, index_t n, const float* x, const float* d_y,
                                  float* d_x) noexcept {
  switch (activation) {
    case Activation::none: return multiply_slopes<Activation::none>(n, x, d_y, d_x);
    case Activation::gelu: return multiply_slopes<Activation::gelu>(n, x, d_y, d_x);
    case Activation::quick_gelu: return multiply_slopes<Activation::quick_gelu>(n, x, d_y, d_x);
    case Activation::leaky_relu: return multiply_slopes<Activation::leaky_relu>(n, x, d_y, d_x);
  }
}

inline void exp_all(index_t n, const float* x, float* y) noexcept { map(n, x, y, Exp{}); }
inline void sigmoid_all(index_t n, const float* x, float* y) noexcept { map(n, x, y, Sigmoid{}); }
