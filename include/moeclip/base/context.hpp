// SPDX-License-Identifier: MIT
#pragma once
// What a computation runs on: its threads and its scratch memory. Everything that computes takes a `Context&`; a
// context serves one computation at a time, and a program may have as many as it likes.

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

 private:
  ThreadPool pool_;
  Arena arena_;
};

}}  // namespace moeclip::abi_v0_1
