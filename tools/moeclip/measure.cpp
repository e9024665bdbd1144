// SPDX-License-Identifier: MIT
#include "measure.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <moeclip/kernels/gemm.hpp>
#include <vector>

namespace cli {

using moeclip::index_t;

double best_rate(double seconds, moeclip::function_ref<double()> work) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto begin = Clock::now();
  double best = 0;
  for (int calls = 0; calls < 2 || seconds_since(begin) < seconds; ++calls) {
    const auto start = Clock::now();
    const double done = work();
    best = std::max(best, done / std::max(seconds_since(start), 1e-9));
  }
  return best;
}

double matrix_flops(moeclip::Context& context, double seconds) {
  namespace kernels = moeclip::kernels;
  constexpr index_t kFewestRows = 64, kMostRows = 1024, kSide = 512;
  std::vector<float> a(kMostRows * kSide), b(kSide * kSide), c(kMostRows * kSide);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 7) - 3.0f;
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 5) - 2.0f;
  const auto packed = kernels::pack(context, kSide, kSide, kernels::row_major<float>(b.data(), kSide));
  const auto multiply = [&](index_t rows) {
    kernels::gemm(context, rows, kernels::row_major<float>(a.data(), kSide), packed, c.data(), kSide);
    return 2.0 * static_cast<double>(rows) * kSide * kSide;
  };
  // The more rows, the less the work between products counts; but several products shall fit into the time.
  const double guess = best_rate(0, [&] { return multiply(kFewestRows); });
  const double rows = std::min(guess * seconds / 8 / (2.0 * kSide * kSide), 1.0 * kMostRows);
  return best_rate(seconds, [&] { return multiply(std::max(static_cast<index_t>(rows), kFewestRows)); });
}

double read_bandwidth(moeclip::Context& context, double seconds) {
  constexpr index_t kWords = index_t{16} << 20;     // 128 MiB, more than the caches that one program usually gets
  constexpr index_t kPerTask = index_t{128} << 10;  // 1 MiB: small enough to keep all threads busy to the end
  std::vector<std::uint64_t> memory(kWords, 1);
  std::atomic<std::uint64_t> total{0};  // the sum is used, so that it is not optimised away
  const auto read = [&](index_t task, int) {
    const std::uint64_t* const words = memory.data() + task * kPerTask;
    std::uint64_t sums[8] = {};  // independent, so that loads do not wait for additions
    for (index_t i = 0; i < kPerTask; i += 8)
      for (index_t lane = 0; lane < 8; ++lane) sums[lane] += words[i + lane];
    for (const std::uint64_t sum : sums) total += sum;
  };
  return best_rate(seconds, [&] {
    context.parallel_for(kWords / kPerTask, read);
    return static_cast<double>(kWords) * sizeof(std::uint64_t);
  });
}

}  // namespace cli
