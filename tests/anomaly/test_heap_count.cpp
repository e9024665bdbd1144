// SPDX-License-Identifier: MIT
// Counts what the whole test program takes from the heap: this file replaces operator new for all of it. Other files
// see declarations only, so that no compiler mixes the replacements with the originals.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "heap_count.hpp"

namespace {

std::atomic<long> allocations{0};

void* take(std::size_t size) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}

void* take_aligned(std::size_t size, std::align_val_t alignment) noexcept {
  ++allocations;
  const auto step = static_cast<std::size_t>(alignment);
#if defined(_MSC_VER)
  return _aligned_malloc(size, step);
#else
  return std::aligned_alloc(step, (size + step - 1) / step * step);
#endif
}

void give_back_aligned(void* memory) noexcept {
#if defined(_MSC_VER)
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}

void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return or_throw(take(size)); }
void* operator new[](std::size_t size) { return or_throw(take(size)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return or_throw(take_aligned(size, alignment)); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return take_aligned(size, alignment);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { give_back_aligned(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { give_back_aligned(memory); }

long heap_allocations() { return allocations; }

TEST_CASE("the counter counts") {
  const long before = heap_allocations();
  void* volatile plain = ::operator new(10);
  void* volatile aligned = ::operator new (10, std::align_val_t{64}, std::nothrow);
  CHECK(heap_allocations() == before + 2);
  ::operator delete(plain);
  ::operator delete (aligned, std::align_val_t{64});
}
