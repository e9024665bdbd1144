// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <moeclip/base/thread_pool.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "expect_error.hpp"

// Sanitizers take terabytes of addresses themselves. GCC and clang say in different ways that there is one.
#if !defined(__linux__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_LIMIT_ON_ADDRESSES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_LIMIT_ON_ADDRESSES 0
#endif
#endif
#if !defined(HAS_LIMIT_ON_ADDRESSES)
#define HAS_LIMIT_ON_ADDRESSES 1
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace moeclip;  // NOLINT

TEST_CASE("every task runs once, on a worker of the pool") {
  for (int threads = 1; threads <= 4; ++threads) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    CHECK(pool.size() == (MOECLIP_HAS_THREADS ? threads : 1));
    for (const index_t tasks : {0, 1, 2, 3, 7, 100}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
      std::atomic<int> strangers{0};
      auto task = [&](index_t i, int worker) {
        ++runs[static_cast<std::size_t>(i)];
        if (worker < 0 || worker >= threads) ++strangers;
      };
      pool.run(tasks, task);
      for (const auto& count : runs) CHECK(count == 1);
      CHECK(strangers == 0);
    }
    auto never = [](index_t, int) { FAIL("ran"); };
    pool.run(-5, never);
  }
}

TEST_CASE("two tasks never share a worker at one time") {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> busy(4);
  std::atomic<int> clashes{0};
  auto task = [&](index_t, int worker) {
    if (busy[static_cast<std::size_t>(worker)].fetch_add(1) != 0) ++clashes;
    busy[static_cast<std::size_t>(worker)].fetch_sub(1);
  };
  for (int loop = 0; loop < 50; ++loop) pool.run(64, task);
  CHECK(clashes == 0);
}

TEST_CASE("results of a loop are visible when it returns, over many small loops") {
  for (int threads = 1; threads <= 4; ++threads) {
    ThreadPool pool(threads);
    std::vector<index_t> values(5, 0);
    auto task = [&](index_t i, int) { values[static_cast<std::size_t>(i)] += i; };
    constexpr index_t kLoops = 2000;
    index_t wrong = 0;
    for (index_t loop = 1; loop <= kLoops; ++loop) {
      pool.run(5, task);
      wrong += std::accumulate(values.begin(), values.end(), index_t{0}) != 10 * loop;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("the exception of a task reaches the caller, and the pool goes on") {
  for (int threads = 1; threads <= 4; ++threads) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    for (const index_t tasks : {1, 3, 1000}) {
      std::atomic<index_t> runs{0};
      auto failing = [&](index_t i, int) {
        ++runs;
        if (i == tasks / 2) fail(ErrorCode::limit, "task failed");
      };
      expect_error(ErrorCode::limit, {"task failed"}, [&] { pool.run(tasks, failing); });
      CHECK(runs >= 1);
      CHECK(runs <= tasks);
      std::atomic<index_t> sum{0};
      auto adding = [&](index_t i, int) { sum += i; };
      pool.run(100, adding);
      CHECK(sum == 4950);
    }
  }
}

TEST_CASE("of many exceptions one is thrown, and none is left for the next loop") {
  ThreadPool pool(4);
  auto all_fail = [](index_t i, int) { throw std::out_of_range(std::to_string(i)); };
  for (int round = 0; round < 20; ++round) CHECK_THROWS_AS(pool.run(50, all_fail), std::out_of_range);
  auto nothing = [](index_t, int) {};
  CHECK_NOTHROW(pool.run(50, nothing));
}

TEST_CASE("pools of impossible sizes are refused, zero means one worker per core") {
  expect_error(ErrorCode::contract, {"-1"}, [] { ThreadPool pool(-1); });
  expect_error(ErrorCode::contract, {"5000"}, [] { ThreadPool pool(5000); });
  CHECK(ThreadPool(0).size() >= 1);
}

#if HAS_LIMIT_ON_ADDRESSES
TEST_CASE("a thread that cannot be started is told, with what helps, and those before it end") {
  const pid_t child = ::fork();
  if (child == 0) {  // its limit is its own
    const rlimit limit{std::uint64_t{1} << 30, std::uint64_t{1} << 30};
    ::setrlimit(RLIMIT_AS, &limit);
    std::string message;
    try {
      const ThreadPool pool(1000);  // each has a stack of megabytes
    } catch (const Error& error) {
      message = error.what();
    }
    const bool is_told =
        message.find(" of 1000 could not be started (") != message.npos && message.find("--threads 1") != message.npos;
    ::_exit(is_told ? 10 : 11);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 10);
}
#endif

TEST_CASE("a pool that never worked ends as well as one that did") {
  for (int i = 0; i < 20; ++i) {
    ThreadPool idle(3);
    ThreadPool busy(3);
    auto nothing = [](index_t, int) {};
    busy.run(3, nothing);
  }
}

TEST_CASE("a background worker runs its tasks one by one, and what they wrote is there after waiting") {
  BackgroundWorker worker;
  worker.wait();  // for nothing
  index_t sum = 0;
  for (index_t i = 1; i <= 2000; ++i) {
    auto task = [&] { sum += i; };
    worker.start(task);
    worker.wait();
    REQUIRE(sum == i * (i + 1) / 2);
  }
}

TEST_CASE("a background worker works beside its owner") {
  BackgroundWorker worker;
  std::atomic<bool> go{false};
  auto task = [&] { go.wait(false); };
  worker.start(task);
  expect_error(ErrorCode::contract, {"waited for"}, [&] { worker.start(task); });
  go = true;
  go.notify_all();
  worker.wait();
  worker.start(task);
  worker.wait();
}

TEST_CASE("the exception of a background task is rethrown once, and the worker goes on") {
  BackgroundWorker worker;
  auto failing = [] { fail(ErrorCode::io, "gone.png"); };
  for (int round = 0; round < 3; ++round) {
    worker.start(failing);
    expect_error(ErrorCode::io, {"gone.png"}, [&] { worker.wait(); });
    worker.wait();
  }
}

TEST_CASE("a background worker ends in any state") {
  std::atomic<int> runs{0};
  auto task = [&] { ++runs; };
  auto failing = [&] { ++runs, fail(ErrorCode::io, "nobody hears this"); };
  for (int i = 0; i < 20; ++i) {
    BackgroundWorker idle, busy, broken;
    busy.start(task);
    broken.start(failing);
  }
  CHECK(runs == 40);  // a task that was started is finished
}
