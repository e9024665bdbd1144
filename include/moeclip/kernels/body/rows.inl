// SPDX-License-Identifier: MIT
// Reductions and normalisation of one row. Four sums run side by side and are added in a fixed order.

/// Sum of value(i, n) over the row: the lanes of elements i to i + n.
template <class Value>
inline float sum_row(index_t width, const Value& value) {
  Vec sum[4] = {zero(), zero(), zero(), zero()};
  index_t i = 0;
  for (; i + 4 * kLanes <= width; i += 4 * kLanes) {
    MOECLIP_UNROLL
    for (index_t u = 0; u < 4; ++u) sum[u] = add(sum[u], value(i + u * kLanes, kLanes));
  }
  for (; i < width; i += kLanes) sum[0] = add(sum[0], value(i, width - i < kLanes ? width - i : kLanes));
  return sum_lanes(add(add(sum[0], sum[1]), add(sum[2], sum[3])));
}

struct RowMoments {
  float mean, rstd;
};

/// Mean and 1 / sqrt(variance + eps) of a row, with the biased variance, in two passes.
inline RowMoments row_moments(index_t width, const float* x, float eps) {
  const auto count = static_cast<float>(width);
  const float mean = sum_row(width, [x](index_t i, index_t n) { return load_lanes(x + i, n); }) / count;
  const Vec center = broadcast(mean);
  const float variance = sum_row(width,
                                 [x, center](index_t i, index_t n) {
                                   const Vec d = sub(load_lanes(x + i, n), center);
                                   const Vec square = mul(d, d);
                                   return n < kLanes ? keep_some(square, n) : square;
                                 }) /
                         count;
  return {mean, 1.0f / std::sqrt(variance + eps)};
}

inline void layer_norm_row(index_t width, const float* x, const float* gamma, const float* beta, float eps,
                           float* y) noexcept {
  const auto [mean, rstd] = row_moments(width, x, eps);
  const Vec center = broadcast(mean), scale = broadcast(rstd);
  for (index_t i = 0; i < width; i += kLanes) {
    const index_t n = width - i;
    const Vec normal = mul(sub(load_lanes(x + i, n), center), scale);
    store_lanes(y + i, fma(load_lanes(gamma + i, n), normal, load_lanes(beta + i, n)), n);
  }
}

inline float row_norm(index_t width, const float* x) noexcept {
  return std::sqrt(sum_row(width, [x](index_t i, index_t n) {
    const Vec v = load_lanes(x + i, n);
    return mul(v, v);
  }));
}

inline void divide_row(index_t n, float divisor, const float* x, float* y) noexcept {
  map(n, x, y, [divisor](Vec v) { return div(v, broadcast(divisor)); });
}

inline void softmax_row(index_t width, const float* x, float* y) noexcept {
  float highest = x[0];
  index_t i = 0;
  if (width >= kLanes) {
    Vec most = load(x);
    for (; i + kLanes <= width; i += kLanes) most = max(most, load(x + i));
    highest = max_lane(most);
  }
  for (; i < width; ++i) highest = x[i] > highest ? x[i] : highest;
  const Vec shift = broadcast(highest);
  map(width, x, y, [shift](Vec v) { return exp(sub(v, shift)); });
  const float sum = sum_row(width, [y](index_t k, index_t n) { return load_lanes(y + k, n); });
  divide_row(width, sum, y, y);
}
