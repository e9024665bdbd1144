// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <moeclip/base/arena.hpp>
#include <vector>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// A computation with nested scopes; fills what it takes and reports whether anything overlapped.
bool runs_clean(Arena& arena, index_t size, std::vector<std::uintptr_t>& places) {
  Arena::Scope outer(arena);
  auto* a = outer.take<float>(size);
  std::fill_n(a, size, 1.0f);
  for (int round = 0; round < 3; ++round) {
    Arena::Scope inner(arena);
    auto* b = inner.take<double>(2 * size);
    auto* c = inner.take<std::uint8_t>(round + 1);
    std::fill_n(b, 2 * size, 2.0);
    std::fill_n(c, round + 1, std::uint8_t{3});
    for (void* place : {static_cast<void*>(a), static_cast<void*>(b), static_cast<void*>(c)})
      places.push_back(reinterpret_cast<std::uintptr_t>(place));
  }
  return std::all_of(a, a + size, [](float value) { return value == 1.0f; });
}

}  // namespace

TEST_CASE("scratch is aligned, and a finished scope gives its memory to the next") {
  Arena arena;
  std::vector<std::uintptr_t> places;
  CHECK(runs_clean(arena, 100, places));
  for (const auto place : places) CHECK(place % kAlignment == 0);
  CHECK(places[1] == places[4]);  // the inner scopes lie in the same place
  CHECK(places[1] != places[0]);
}

TEST_CASE("the second run of a computation takes no memory from the system") {
  for (const index_t size : {index_t{1}, index_t{5000}, index_t{100000}}) {
    CAPTURE(size);
    Arena arena;
    std::vector<std::uintptr_t> first, second, third;
    CHECK(runs_clean(arena, size, first));
    const index_t capacity = arena.capacity();
    CHECK(runs_clean(arena, size, second));
    CHECK(arena.capacity() == capacity);
    CHECK(runs_clean(arena, size, third));
    CHECK(second == third);
  }
}

TEST_CASE("chunks melt into one when the outermost scope ends, and not before") {
  Arena arena;
  {
    Arena::Scope outer(arena);
    auto* first = outer.take<std::byte>(1);
    {
      Arena::Scope inner(arena);
      auto* large = inner.take<std::byte>(1 << 20);
      large[(1 << 20) - 1] = std::byte{1};
    }
    *first = std::byte{7};  // still ours
    CHECK(arena.capacity() == (1 << 16) + (1 << 20));
  }
  CHECK(arena.capacity() == (1 << 16) + (1 << 20));
  Arena::Scope again(arena);
  auto* whole = again.take<std::byte>((1 << 16) + (1 << 20));  // fits the one chunk
  whole[0] = std::byte{1};
  CHECK(arena.capacity() == (1 << 16) + (1 << 20));
}

TEST_CASE("nothing can be taken, and nothing is") {
  Arena arena;
  CHECK(arena.capacity() == 0);
  Arena::Scope scope(arena);
  auto* before = scope.take<int>(4);
  static_cast<void>(scope.take<int>(0));
  auto* after = scope.take<int>(4);
  CHECK(after == before + kAlignment / sizeof(int));
}

TEST_CASE("misuse of an arena is told") {
  Arena arena;
  {
    Arena::Scope scope(arena);
    expect_error(ErrorCode::contract, {"-1"}, [&] { static_cast<void>(scope.take<int>(-1)); });
    expect_error(ErrorCode::contract, {"cannot be taken"},
                 [&] { static_cast<void>(scope.take<double>(std::numeric_limits<index_t>::max() / 8)); });
    expect_error(ErrorCode::contract, {"in use"}, [&] { arena.release(); });
    static_cast<void>(scope.take<int>(1));
  }
  arena.release();
  CHECK(arena.capacity() == 0);
  std::vector<std::uintptr_t> places;
  CHECK(runs_clean(arena, 10, places));  // and it can be used again
}
