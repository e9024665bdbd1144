// SPDX-License-Identifier: MIT
#pragma once
// A matrix product that each of the two files makes for itself.

#include <moeclip/moeclip.hpp>
#include <vector>

namespace {

inline std::vector<float> product() {
  using namespace moeclip;
  constexpr index_t m = 37, n = 29, k = 61;
  std::vector<float> a(m * k), b(k * n), c(m * n);
  const Rng rng(1, "link");
  for (index_t i = 0; i < m * k; ++i) a[static_cast<std::size_t>(i)] = rng.uniform(i);
  for (index_t i = 0; i < k * n; ++i) b[static_cast<std::size_t>(i)] = rng.uniform(m * k + i);
  Context context({.threads = 2});
  const auto packed = kernels::pack<float>(context, k, n, kernels::row_major(b.data(), n));
  kernels::gemm<float>(context, m, kernels::row_major(a.data(), k), packed, c.data(), n);
  return c;
}

}  // namespace
