// SPDX-License-Identifier: MIT
#pragma once
// What a computation runs on: its threads and its scratch memory. Everything that computes takes a `Context&`; a
// context serves one computation at a time, and a program may have as many as it likes.

#include <algorithm>

#include "arena.hpp"
#include "float_scope.hpp"
#include "thread_pool.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How a Context is set up.
struct ContextOptions {
  int threads = 0;  ///< workers, the calling thread included; 0: one per core
};

/// Threads and scratch memory for one computation at a time. Neither copied nor moved: pass it by reference.
class Context {
 public:
  /// Starts the threads. Throws contract if their number is negative or above 4096.
  explicit Context(ContextOptions options = {}) : pool_(options.threads) {}

  [[nodiscard]] int threads() const noexcept { return pool_.size(); }  ///< workers, the calling thread included
  [[nodiscard]] Arena& arena() noexcept { return arena_; }             ///< scratch; only the calling thread may take it

  /// Runs task(i, worker) for i in [0, tasks) on all threads (base/thread_pool.hpp).
  void parallel_for(index_t tasks, ThreadPool::Task task) { pool_.run(tasks, task); }

  /// Threads that so many multiply-adds are worth: waking one takes as long as about a million.
  [[nodiscard]] int threads_for(double multiply_adds) const noexcept { return multiply_adds >= 1e6 ? threads() : 1; }

  /// Runs task(i, worker) for i in [0, tasks), on as many threads as all those multiply-adds are worth.
  template <class Task>
  void share(index_t tasks, double multiply_adds, const Task& task) {
    if (threads_for(multiply_adds) > 1) return parallel_for(tasks, task);
    for (index_t i = 0; i < tasks; ++i) task(i, 0);
  }

  /// Runs part(begin, end) over [0, count), where each item touches `width` elements, in pieces that a thread is worth
  /// waking for: 64 KiB of float, some microseconds of work, so that input and output of a piece fit L2.
  template <class Part>
  void for_pieces(index_t count, index_t width, const Part& part) {
    const index_t step = (std::max)(index_t{1}, 16384 / (std::max)(index_t{1}, width));
    parallel_for((count + step - 1) / step, [&](index_t i, int) { part(i * step, (std::min)(count, (i + 1) * step)); });
  }

 private:
  ThreadPool pool_;
  Arena arena_;
};

}}  // namespace moeclip::abi_v0_1
