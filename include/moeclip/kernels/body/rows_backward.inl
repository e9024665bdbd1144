// SPDX-License-Identifier: MIT
// Gradients of the row operations, and sums over rows. Sums within a row run in the order of rows.inl.

/// d_x = y (d_y - sum y d_y).
inline void softmax_row_backward(index_t width, const float* y, const float* d_y, float* d_x) noexcept {
  const Vec mean = broadcast(
      sum_row(width, [y, d_y](index_t i, index_t n) { return mul(load_lanes(y + i, n), load_lanes(d_y + i, n)); }));
  for (index_t i = 0; i < width; i += kLanes) {
    const index_t n = width - i;
    store_lanes(d_x + i, mul(load_lanes(y + i, n), sub(load_lanes(d_y + i, n), mean)), n);
  }
}

/// d_x = (d_y - u (u d_y)) / norm, u = x / norm; where the divisor was eps, d_x = d_y / eps.
inline void normalize_row_backward(index_t width, const float* x, float eps, const float* d_y, float* d_x) noexcept {
  const float norm = row_norm(width, x);
  if (norm < eps) return divide_row(width, eps, d_y, d_x);
  const Vec divisor = broadcast(norm);
  const Vec along = broadcast(sum_row(width, [x, d_y, divisor](index_t i, index_t n) {
    return mul(div(load_lanes(x + i, n), divisor), load_lanes(d_y + i, n));
  }));
  for (index_t i = 0; i < width; i += kLanes) {
    const index_t n = width - i;
    const Vec unit = div(load_lanes(x + i, n), divisor);
    store_lanes(d_x + i, div(fnma(unit, along, load_lanes(d_y + i, n)), divisor), n);
  }
}

/// With normal = (x - mean) rstd and g = gamma d_y:  d_x = rstd (g - mean(g) - normal mean(g normal)).
inline void layer_norm_row_backward(const LayerNormRowGradient<float>& row) noexcept {
  const index_t width = row.width;
  const auto count = static_cast<float>(width);
  const auto [mean, rstd] = row_moments(width, row.x, row.eps);
  const Vec center = broadcast(mean), scale = broadcast(rstd);
  const auto normal_at = [&row, center, scale](index_t i, index_t n)
                             MOECLIP_INLINE_LAMBDA { return mul(sub(load_lanes(row.x + i, n), center), scale); };
  const auto g_at = [&row](index_t i, index_t n)
                        MOECLIP_INLINE_LAMBDA { return mul(load_lanes(row.gamma + i, n), load_lanes(row.d_y + i, n)); };
  for (index_t i = 0; row.d_gamma != nullptr && i < width; i += kLanes) {
    const index_t n = width - i;
    const Vec d = load_lanes(row.d_y + i, n);
    store_lanes(row.d_gamma + i, fma(d, normal_at(i, n), load_lanes(row.d_gamma + i, n)), n);
    store_lanes(row.d_beta + i, add(load_lanes(row.d_beta + i, n), d), n);
  }
  if (row.d_x == nullptr) return;
  const Vec mean_g = broadcast(sum_row(width, g_at) / count);
  const Vec mean_gn =
      broadcast(sum_row(width, [&](index_t i, index_t n) { return mul(g_at(i, n), normal_at(i, n)); }) / count);
  for (index_t i = 0; i < width; i += kLanes) {
    const index_t n = width - i;
    const Vec value = mul(scale, fnma(normal_at(i, n), mean_gn, sub(g_at(i, n), mean_g)));
    store_lanes(row.d_x + i, row.accumulate ? add(load_lanes(row.d_x + i, n), value) : value, n);
  }
}

/// sums(j) += sum_i x(i, j), vector by vector of columns. Four sums run side by side, as in sum_row.
inline void column_sums_strip(index_t rows, index_t width, const float* x, index_t stride, float* sums) noexcept {
  for (index_t j = 0; j < width; j += kLanes) {
    const index_t n = width - j;
    Vec sum[4] = {zero(), zero(), zero(), zero()};
    const float* row = x + j;
    index_t i = 0;
    for (; i + 4 <= rows; i += 4, row += 4 * stride) {
      MOECLIP_UNROLL
      for (index_t u = 0; u < 4; ++u) sum[u] = add(sum[u], load_lanes(row + u * stride, n));
    }
    for (; i < rows; ++i, row += stride) sum[0] = add(sum[0], load_lanes(row, n));
    store_lanes(sums + j, add(load_lanes(sums + j, n), add(add(sum[0], sum[1]), add(sum[2], sum[3]))), n);
  }
}
