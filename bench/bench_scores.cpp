// SPDX-License-Identifier: MIT
// Metrics of a data set: anomaly maps of 518 x 518 pixels into a table, and AUROC, AP, F1-max and AUPRO out of it, for
// 96, 1,008 and 10,000 maps, in this order, with the largest amount of memory that the process had until then: it
// does not grow with the maps. The result is checked against a table that keeps every score.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <moeclip/eval/score_table.hpp>
#include <moeclip/tensor/tensor.hpp>

#include "bench.hpp"

using namespace moeclip;

namespace {

constexpr index_t kSize = 518;

/// Map i: sigmoids of soft waves and noise, and a disk as its mask where scores are higher.
struct Case {
  Tensor<float> map{{kSize, kSize}};
  Image mask{kSize, kSize, 1};

  void draw(index_t i) {
    const Rng rng(static_cast<std::uint64_t>(i), "map");
    const double phase = 6.28 * rng.unit(0), x0 = kSize * rng.unit(1), y0 = kSize * rng.unit(2);
    const double radius = 20 + 60 * rng.unit(3);
    for (index_t y = 0; y < kSize; ++y)
      for (index_t x = 0; x < kSize; ++x) {
        const auto px = static_cast<double>(x), py = static_cast<double>(y);
        const bool is_inside = std::hypot(px - x0, py - y0) < radius;
        const double noise = static_cast<double>((x * 7919 + y * 104729 + i * 31 + x * y) % 997) / 997;
        const double logit = 2 * std::sin(px / 40 + phase) + std::cos(py / 57) + noise - 4 + (is_inside ? 3 : 0);
        map.data()[y * kSize + x] = static_cast<float>(1 / (1 + std::exp(-logit)));
        mask.row(y)[x] = is_inside ? 255 : 0;
      }
  }
};

/// MiB, as Linux counts them; 0 elsewhere.
double peak_memory() {
  constexpr int kLine = 256;
  char line[kLine];
  double mib = 0;
  std::FILE* const status = std::fopen("/proc/self/status", "r");
  if (status == nullptr) return 0;
  while (std::fgets(line, kLine, status) != nullptr)
    if (std::strncmp(line, "VmHWM:", 6) == 0) mib = std::atof(line + 6) / 1024;
  std::fclose(status);
  return mib;
}

constexpr index_t kDifferent = 16;  // maps; a set repeats them a whole number of times, which changes no metric

/// Draws them, and returns what a table that keeps every score says of them.
double draw(std::vector<Case>& cases, Context& context) {
  ScoreTable exact({.is_exact = true});
  for (index_t i = 0; i < kDifferent; ++i) {
    Case& one = cases[static_cast<std::size_t>(i)];
    one.draw(i);
    exact.add_map(context, std::as_const(one.map).view<2>(), one.mask.view());
  }
  return exact.metrics().aupro.value;
}

void maps(benchmark::State& state) {
  static Context context({.threads = 1});
  static std::vector<Case> cases(kDifferent);
  static const double wanted = draw(cases, context);
  for (auto _ : state) {
    ScoreTable table;
    for (index_t i = 0; i < state.range(0); ++i) {
      const Case& one = cases[static_cast<std::size_t>(i % kDifferent)];
      table.add_map(context, one.map.view<2>(), one.mask.view());
    }
    const Metric aupro = table.metrics().aupro;
    if (!(std::abs(aupro.value - wanted) <= aupro.error + 1e-9)) state.SkipWithError("AUPRO is wrong");
    state.counters["peak MiB"] = peak_memory();
    state.counters["error"] = aupro.error;
  }
}
BENCHMARK(maps)->Arg(96)->Arg(1008)->Arg(10000)->Iterations(1)->Unit(benchmark::kSecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
