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

/// Reports FLOP/s, and how many operations one iteration is.
inline void set_flops(benchmark::State& state, double flops) {
  state.counters["FLOP/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["flops"] = flops;
}

/// Times work(), which is so many operations.
template <class Work>
void time_flops(benchmark::State& state, double flops, const Work& work) {
  for (auto _ : state) work();
  set_flops(state, flops);
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

/// Registers a loop of operations in registers, `operations` a step, on all threads at once: how fast it is while all
/// are at work, in the best of some runs of a tenth of a millisecond, which neighbours on the machine leave us now and
/// then.
inline void add_spin(const std::string& name, int threads, float (*spin)(index_t) noexcept, index_t operations) {
  const auto measure = [=](benchmark::State& state) {
    constexpr index_t kSteps = 20000;
    moeclip::Context context({.threads = threads});
    const auto run = [&] {
      return moeclip::kernels::detail::run_together(context, [&](index_t) { benchmark::DoNotOptimize(spin(kSteps)); });
    };
    for (auto _ : state) state.SetIterationTime(moeclip::kernels::detail::shortest(1e-3, run));
    set_flops(state, static_cast<double>(kSteps * operations * threads));
  };
  benchmark::RegisterBenchmark(name.c_str(), measure)->Unit(benchmark::kMillisecond)->UseManualTime();
}

/// Multiply-adds in registers, beside the other measurements of `workload`.
inline void add_ceiling(const std::string& workload) {
  for_each_setting([&](moeclip::kernels::Isa isa, int threads, const std::string& label) {
    const moeclip::kernels::KernelTable& table = moeclip::kernels::table_of(isa);
    add_spin(workload + "/ceiling/" + label, threads, table.spin, table.spin_flops);
  });
}

}  // namespace bench
