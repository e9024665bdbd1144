// SPDX-License-Identifier: MIT
#pragma once
// Holds a fuzz target to the memory that every reader has: 64 MiB + 4 x the file + 4 x what comes of it, which is
// little for the inputs of a fuzzer. More than that ends the program, as a crash does.

#include <sanitizer/allocator_interface.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

class HeapLimit {
 public:
  explicit HeapLimit(std::size_t file) : most_((std::size_t{64} << 20) + 4 * file), before_(held().load()) {
    static const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    static_cast<void>(installed);
    peak() = held().load();
  }
  ~HeapLimit() {
    const long taken = peak().load() - before_;
    if (taken <= static_cast<long>(most_)) return;
    std::fprintf(stderr, "%ld bytes were held at once, at most %zu are allowed\n", taken, most_);
    std::abort();
  }
  HeapLimit(const HeapLimit&) = delete;
  HeapLimit& operator=(const HeapLimit&) = delete;

 private:
  static std::atomic<long>& held() {
    static std::atomic<long> bytes{0};
    return bytes;
  }
  static std::atomic<long>& peak() {
    static std::atomic<long> bytes{0};
    return bytes;
  }
  static void on_malloc(const volatile void*, std::size_t size) {
    const long now = held().fetch_add(static_cast<long>(size)) + static_cast<long>(size);
    if (now > peak().load()) peak() = now;
  }
  static void on_free(const volatile void* p) {
    if (p != nullptr) held() -= static_cast<long>(__sanitizer_get_allocated_size(const_cast<const void*>(p)));
  }

  std::size_t most_;
  long before_;
};
