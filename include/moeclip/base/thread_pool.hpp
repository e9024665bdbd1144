// SPDX-License-Identifier: MIT
#pragma once
// A fixed set of threads that run one loop at a time. The caller works too, so a pool of one has no threads at all.
// Tasks are handed out by a counter. Which thread runs which task is not determined, so a task must not depend on its
// worker except for scratch memory, and all compute in the mode of their caller (float_scope.hpp); then results have
// the same bits for any number of threads.
//
// There is also a single background thread, for work that goes on while the caller does something else, such as reading
// the next pictures. Where a program cannot have threads (WebAssembly without them), a pool has one worker whatever was
// asked for, and what would run in the background runs when it begins: all results are the same.

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "float_scope.hpp"
#include "function_ref.hpp"
#include "types.hpp"

#if defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__)
#define MOECLIP_HAS_THREADS 0
#else
#define MOECLIP_HAS_THREADS 1
#endif

// Without futexes (MinGW), libstdc++ looks at an atomic before it takes the lock to sleep under, and notifies without
// that lock: a notification in between is lost, and the thread sleeps for ever.
#if defined(__GLIBCXX__) && !defined(__linux__)
#define MOECLIP_HAS_ATOMIC_WAIT 0
#include <condition_variable>
#else
#define MOECLIP_HAS_ATOMIC_WAIT 1
#endif

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Where threads sleep until an atomic has changed: what its wait() and notify_all() do, or ought to.
class Bell {
 public:
  /// Returns when `value` is no longer `old`; what was written before the change is visible. Loops come one after the
  /// other, and waking a thread takes as long as a small product, so it looks again and again before it sleeps; each
  /// time it first lets others run who want its processor.
  template <class T>
  void wait(const std::atomic<T>& value, T old) {
    const auto has_changed = [&] { return value.load(std::memory_order_acquire) != old; };
    for (int i = 0; i < kLooks; ++i) {
      if (has_changed()) return;
      std::this_thread::yield();
    }
#if MOECLIP_HAS_ATOMIC_WAIT
    value.wait(old, std::memory_order_acquire);
#else
    std::unique_lock lock(mutex_);
    changed_.wait(lock, has_changed);
#endif
  }

  /// To be called after `value` was changed: wakes all that wait here.
  template <class T>
  void ring([[maybe_unused]] std::atomic<T>& value) {
#if MOECLIP_HAS_ATOMIC_WAIT
    value.notify_all();
#else
    { const std::lock_guard lock(mutex_); }  // who has found the old value sleeps by now
    changed_.notify_all();
#endif
  }

 private:
  static constexpr int kLooks = 200;  // some 50 microseconds
#if !MOECLIP_HAS_ATOMIC_WAIT
  std::mutex mutex_;
  std::condition_variable changed_;
#endif
};

}  // namespace detail

/// Threads that wait for loops. They are started once and end with the pool.
class ThreadPool {
 public:
  /// Called with the number of a task and that of the worker which runs it.
  using Task = function_ref<void(index_t task, int worker)>;

  /// `threads` workers, the calling thread included; 0 means one per core. Throws contract beyond [0, 4096], io if the
  /// system refuses to start one.
  explicit ThreadPool(int threads = 0);

  ~ThreadPool();

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Number of workers, the calling thread included.
  [[nodiscard]] int size() const noexcept { return static_cast<int>(threads_.size()) + 1; }

  /// Runs task(i, worker) for every i in [0, tasks) and returns when all are done; worker is in [0, size()). The first
  /// exception of a task is rethrown here, after the others have stopped. One call at a time; a task must not call run.
  void run(index_t tasks, Task task);

 private:
  void stop();

  void serve(int worker);

  void work(int worker);

  void drain(int worker);

  std::vector<std::thread> threads_;
  const Task* task_ = nullptr;
  index_t tasks_ = 0;
  FloatMode mode_ = 0;  // the caller's
  alignas(64) std::atomic<index_t> next_{0};
  alignas(64) std::atomic<int> busy_{0};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  std::atomic<bool> stop_{false};
  detail::Bell bell_;
#if MOECLIP_HAS_EXCEPTIONS
  std::exception_ptr error_;
  std::mutex error_mutex_;
#endif
};

/// One thread that runs one task at a time beside its owner. The owner alone calls start() and wait(); everything the
/// task wrote is visible when wait() returns.
class BackgroundWorker {
 public:
  using Task = function_ref<void()>;  ///< what is run once on the background thread

  BackgroundWorker();

  /// Lets a running task finish; its exception, if nobody waited for it, is dropped.
  ~BackgroundWorker();

  BackgroundWorker(const BackgroundWorker&) = delete;
  BackgroundWorker& operator=(const BackgroundWorker&) = delete;

  /// Begins `task`, which must live until wait() returns. The one before must have been waited for.
  void start(Task task);

  /// Returns when the task is done, at once if there is none. Rethrows its exception.
  void wait();

 private:
  enum class State : int { idle, busy, stopping };

  void join_task() { bell_.wait(state_, State::busy); }

  void serve();

  void run();

  std::optional<Task> task_;
  FloatMode mode_ = 0;  // of whoever began the task
  std::atomic<State> state_{State::idle};
  detail::Bell bell_;
#if MOECLIP_HAS_EXCEPTIONS
  std::exception_ptr error_;
#endif
  std::thread thread_;  // last: it may use all of the above
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_BASE)

#include <algorithm>
#include <utility>
#include "error.hpp"

namespace moeclip { inline namespace abi_v0_1 {

#if MOECLIP_HAS_EXCEPTIONS
namespace detail {

[[noreturn]] MOECLIP_COLD inline void fail_to_start(std::string_view what, std::string_view why) {
  fail(ErrorCode::io, concat(what, " could not be started (", why,
                             "): fewer threads need less, --threads 1 the least; or allow more memory and processes "
                             "(ulimit -v, ulimit -u)"));
}

}  // namespace detail
#endif

MOECLIP_FUNC ThreadPool::ThreadPool(int threads) {
  MOECLIP_EXPECT(threads >= 0 && threads <= 4096, "a pool of ", threads, " threads was asked for");
#if MOECLIP_HAS_THREADS
  if (threads == 0) threads = static_cast<int>((std::max)(1u, std::thread::hardware_concurrency()));
#else
  threads = 1;
#endif
  threads_.reserve(static_cast<std::size_t>(threads - 1));
  for (int worker = 1; worker < threads; ++worker) {
#if MOECLIP_HAS_EXCEPTIONS
    try {
      threads_.emplace_back([this, worker] { serve(worker); });
    } catch (const std::system_error& error) {
      stop();  // those that wait already; nothing else would end them
      detail::fail_to_start(concat("thread ", worker + 1, " of ", threads), error.what());
    } catch (...) {
      stop();
      throw;
    }
#else
    threads_.emplace_back([this, worker] { serve(worker); });
#endif
  }
}

MOECLIP_FUNC ThreadPool::~ThreadPool() { stop(); }

MOECLIP_FUNC void ThreadPool::stop() {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  bell_.ring(generation_);
  for (auto& thread : threads_) thread.join();
}

MOECLIP_FUNC void ThreadPool::run(index_t tasks, Task task) {
  if (tasks <= 0) return;
  if (threads_.empty() || tasks == 1) {
    for (index_t i = 0; i < tasks; ++i) task(i, 0);
    return;
  }
  task_ = &task;
  tasks_ = tasks;
  mode_ = float_mode();
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  bell_.ring(generation_);
  work(0);
  for (int busy = busy_.load(std::memory_order_acquire); busy != 0; busy = busy_.load(std::memory_order_acquire))
    bell_.wait(busy_, busy);
#if MOECLIP_HAS_EXCEPTIONS
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
#endif
}

MOECLIP_FUNC void ThreadPool::serve(int worker) {
  std::uint32_t seen = 0;
  while (true) {
    bell_.wait(generation_, seen);
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    set_float_mode(mode_);
    work(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) bell_.ring(busy_);
  }
}

MOECLIP_FUNC void ThreadPool::work(int worker) {
#if MOECLIP_HAS_EXCEPTIONS
  try {
    drain(worker);
  } catch (...) {
    next_.store(tasks_, std::memory_order_relaxed);  // the others stop at their next task
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
  }
#else
  drain(worker);
#endif
}

MOECLIP_FUNC void ThreadPool::drain(int worker) {
  for (index_t i = next_.fetch_add(1, std::memory_order_relaxed); i < tasks_;
       i = next_.fetch_add(1, std::memory_order_relaxed))
    (*task_)(i, worker);
}

MOECLIP_FUNC BackgroundWorker::BackgroundWorker() {
#if MOECLIP_HAS_THREADS && MOECLIP_HAS_EXCEPTIONS
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::system_error& error) {
    detail::fail_to_start("a thread that works in the background", error.what());
  }
#elif MOECLIP_HAS_THREADS
  thread_ = std::thread([this] { serve(); });
#endif
}

MOECLIP_FUNC BackgroundWorker::~BackgroundWorker() {
  join_task();
  task_.reset();
  state_.store(State::stopping, std::memory_order_release);
  bell_.ring(state_);
  if (thread_.joinable()) thread_.join();
}

MOECLIP_FUNC void BackgroundWorker::start(Task task) {
  MOECLIP_EXPECT(state_.load(std::memory_order_acquire) == State::idle && !task_,
                 "a background worker was given a task before the last one was waited for");
  task_.emplace(task);
  mode_ = float_mode();
#if MOECLIP_HAS_THREADS
  state_.store(State::busy, std::memory_order_release);
  bell_.ring(state_);
#else
  run();
#endif
}

MOECLIP_FUNC void BackgroundWorker::wait() {
  join_task();
  task_.reset();
#if MOECLIP_HAS_EXCEPTIONS
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
#endif
}

MOECLIP_FUNC void BackgroundWorker::serve() {
  while (true) {
    bell_.wait(state_, State::idle);
    if (state_.load(std::memory_order_acquire) == State::stopping) return;
    run();
    state_.store(State::idle, std::memory_order_release);
    bell_.ring(state_);
  }
}

MOECLIP_FUNC void BackgroundWorker::run() {
  set_float_mode(mode_);
#if MOECLIP_HAS_EXCEPTIONS
  try {
    (*task_)();
  } catch (...) {
    error_ = std::current_exception();
  }
#else
  (*task_)();
#endif
}

}}  // namespace moeclip::abi_v0_1

#endif
