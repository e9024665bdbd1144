// SPDX-License-Identifier: MIT
#pragma once
// What a computation runs on: its threads and its scratch memory. Everything that computes takes a `Context&`; a
// context serves one computation at a time, and a program may have as many as it likes.

#include "arena.hpp"
#include "thread_pool.hpp"

namespace moeclip { inline namespace abi_v0_1 {

struct ContextOptions {
  int threads = 0;  ///< workers, the calling thread included; 0: one per core
};

class Context {
 public:
  explicit Context(ContextOptions options = {}) : pool_(options.threads) {}

  [[nodiscard]] int threads() const noexcept { return pool_.size(); }
  [[nodiscard]] Arena& arena() noexcept { return arena_; }

  /// Runs task(i, worker) for i in [0, tasks) on all threads (base/thread_pool.hpp).
  void parallel_for(index_t tasks, ThreadPool::Task task) { pool_.run(tasks, task); }

 private:
  ThreadPool pool_;
  Arena arena_;
};

}}  // namespace moeclip::abi_v0_1
