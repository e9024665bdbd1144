// SPDX-License-Identifier: MIT
#pragma once
// Measures what the machine can do at best: multiply-adds in registers, and reading memory. Other figures are given as
// shares of these. Each measurement takes about `seconds`.

#include <algorithm>
#include <atomic>
#include <chrono>

#include "../base/arena.hpp"
#include "../base/context.hpp"
#include "dispatch.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

namespace detail {

/// Runs work() for about `seconds` and returns the shortest time of one run, in seconds.
template <class Work>
double shortest_run(double seconds, const Work& work) {
  using Clock = std::chrono::steady_clock;
  const auto elapsed = [](Clock::time_point since) {
    return std::chrono::duration<double>(Clock::now() - since).count();
  };
  const auto start = Clock::now();
  double shortest = 1e300;
  do {
    const auto before = Clock::now();
    work();
    shortest = (std::min)(shortest, elapsed(before));
  } while (elapsed(start) < seconds);
  return shortest;
}

}  // namespace detail

/// Floating-point operations per second of all threads of `context` together, with the active instruction set.
inline double peak_flops(Context& context, double seconds = 0.2) {
  const KernelTable& table = active();
  constexpr index_t kSteps = 20000;  // a few hundred microseconds: waking the threads does not count
  std::atomic<float> sink{0.0f};
  const double time = detail::shortest_run(
      seconds, [&] { context.parallel_for(context.threads(), [&](index_t, int) { sink.store(table.spin(kSteps)); }); });
  return static_cast<double>(kSteps) * static_cast<double>(table.spin_flops) * context.threads() / time;
}

/// Bytes per second that all threads of `context` together read from memory.
inline double read_bandwidth(Context& context, double seconds = 0.2) {
  const KernelTable& table = active();
  constexpr index_t kFloats = index_t{1} << 25, kParts = 64;  // 128 MiB: beyond the caches of most machines
  AlignedBuffer<float> memory(kFloats);
  std::fill(memory.data(), memory.data() + kFloats, 1.0f);
  std::atomic<float> sink{0.0f};
  const double time = detail::shortest_run(seconds, [&] {
    context.parallel_for(kParts, [&](index_t part, int) {
      sink.store(table.norm(kFloats / kParts, memory.data() + part * (kFloats / kParts)));
    });
  });
  return static_cast<double>(kFloats) * sizeof(float) / time;
}

}}}  // namespace moeclip::abi_v0_1::kernels
