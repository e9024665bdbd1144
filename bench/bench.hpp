// SPDX-License-Identifier: MIT
#pragma once
// What the benchmarks share. Run them interleaved, since machines are shared and clocks move:
//   bench_gemm --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
// Names are workload/who/instruction set/threads, and `ceiling` is among those who: multiply-adds in registers and
// nothing else. peers/compare.py makes tables of ratios of it all.

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

/// Times work() and reports FLOP/s, and how many operations one work() is.
template <class Work>
void time_flops(benchmark::State& state, double flops, const Work& work) {
  for (auto _ : state) work();
  state.counters["FLOP/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["flops"] = flops;
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
    if (isa == Isa::scalar || base_of(isa) != isa || !moeclip::kernels::supported(isa)) continue;
    for (const int threads : {1, 2})
      visit(isa, threads, std::string(to_string(isa)) + "/threads:" + std::to_string(threads));
  }
}

/// Multiply-adds in registers, beside the other measurements of `workload`.
inline void add_ceiling(const std::string& workload) {
  using namespace moeclip;
  for_each_setting([&](kernels::Isa isa, int threads, const std::string& label) {
    add(workload + "/ceiling/" + label, [=](benchmark::State& state) {
      constexpr index_t kSteps = 20000;  // a millisecond or two: waking the threads does not count
      const kernels::KernelTable& table = kernels::table_of(isa);
      Context context({.threads = threads});
      time_flops(state, static_cast<double>(kSteps * table.spin_flops * threads), [&] {
        context.parallel_for(threads, [&](index_t, int) { benchmark::DoNotOptimize(table.spin(kSteps)); });
      });
    });
  });
}

}  // namespace bench
