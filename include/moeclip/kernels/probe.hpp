// SPDX-License-Identifier: MIT
#pragma once
// Measures what the machine can do at best: multiply-adds in registers, and reading memory. Other figures are given as
// shares of these. Each measurement takes about `seconds`.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "../base/arena.hpp"
#include "../base/context.hpp"
#include "dispatch.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

namespace detail {

/// Seconds of work(thread) on all threads of `context` at the same time, from when all are awake to when all are done.
template <class Work>
double run_together(Context& context, const Work& work) {
  using Clock = std::chrono::steady_clock;
  std::atomic<int> asleep{context.threads()};
  std::vector<Clock::time_point> begin(static_cast<std::size_t>(context.threads())), end(begin.size());
  context.parallel_for(context.threads(), [&](index_t i, int) {  // who waits here takes no second task
    asleep.fetch_sub(1);
    while (asleep.load() > 0) std::this_thread::yield();
    begin[static_cast<std::size_t>(i)] = Clock::now();
    work(i);
    end[static_cast<std::size_t>(i)] = Clock::now();
  });
  return std::chrono::duration<double>(*std::max_element(end.begin(), end.end()) -
                                       *std::min_element(begin.begin(), begin.end()))
      .count();
}

/// Calls run(), which returns seconds, for about so many `seconds`, and returns the least.
template <class Run>
double shortest(double seconds, const Run& run) {
  double least = 1e300;
  for (double total = 0; total < seconds;) {
    const double one = run();
    total += one;
    least = (std::min)(least, one);
  }
  return least;
}

}  // namespace detail

/// Floating-point operations per second of all threads of `context` together, with the active instruction set.
inline double peak_flops(Context& context, double seconds = 0.2) {
  const KernelTable& table = active();
  constexpr index_t kSteps = 200000;  // about a millisecond
  std::atomic<float> sink{0.0f};
  const double time = detail::shortest(
      seconds, [&] { return detail::run_together(context, [&](index_t) { sink.store(table.spin(kSteps)); }); });
  return static_cast<double>(kSteps) * static_cast<double>(table.spin_flops) * context.threads() / time;
}

/// Bytes per second that all threads of `context` together read from memory.
inline double read_bandwidth(Context& context, double seconds = 0.2) {
  const KernelTable& table = active();
  constexpr index_t kFloats = index_t{1} << 25;  // 128 MiB: beyond the caches of most machines
  AlignedBuffer<float> memory(kFloats);
  std::fill(memory.data(), memory.data() + kFloats, 1.0f);
  std::atomic<float> sink{0.0f};
  const index_t part = kFloats / context.threads();
  const double time = detail::shortest(seconds, [&] {
    return detail::run_together(context, [&](index_t i) { sink.store(table.norm(part, memory.data() + i * part)); });
  });
  return static_cast<double>(part * context.threads()) * sizeof(float) / time;
}

}}}  // namespace moeclip::abi_v0_1::kernels
