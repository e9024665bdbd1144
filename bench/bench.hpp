// SPDX-License-Identifier: MIT
#pragma once
// What the benchmarks share. Run them interleaved, since machines are shared and clocks move:
//   bench_gemm --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
// "peak" is the share of the multiply-add rate that was measured right before, on the same threads with the same
// instruction set.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include <moeclip/base/context.hpp>
#include <moeclip/base/rng.hpp>
#include <moeclip/kernels/probe.hpp>

namespace bench {

using moeclip::index_t;

inline std::vector<float> random_values(index_t count, const char* name, float scale = 1.0f) {
  std::vector<float> values(static_cast<std::size_t>(count));
  const moeclip::Rng rng(1, name);
  for (index_t i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = rng.uniform(i, scale);
  return values;
}

/// Times work() and reports FLOP/s; `peak` (FLOP/s) adds the share of it.
template <class Work>
void time_flops(benchmark::State& state, double flops, double peak, const Work& work) {
  for (auto _ : state) work();
  const double total = flops * static_cast<double>(state.iterations());
  state.counters["FLOP/s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  if (peak > 0) state.counters["peak"] = benchmark::Counter(total / peak, benchmark::Counter::kIsRate);
}

/// Registers one measurement in wall-clock time.
template <class Function>
void add(const std::string& name, const Function& function) {
  benchmark::RegisterBenchmark(name.c_str(), function)->Unit(benchmark::kMillisecond)->UseRealTime();
}

/// Calls visit(isa, threads, label) for every instruction set that this machine runs (scalar on request), 1 and 2
/// threads.
template <class Visit>
void for_each_setting(const Visit& visit) {
  using moeclip::kernels::Isa;
  for (const Isa isa : moeclip::kernels::compiled()) {
    if (isa == Isa::scalar || !moeclip::kernels::supported(isa)) continue;
    for (const int threads : {1, 2})
      visit(isa, threads, std::string(to_string(isa)) + "/threads:" + std::to_string(threads));
  }
}

}  // namespace bench
