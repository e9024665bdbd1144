// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/base/context.hpp>
#include <vector>

using namespace moeclip;  // NOLINT

TEST_CASE("a context has the threads that were asked for") {
  CHECK(Context({.threads = 1}).threads() == 1);
  CHECK(Context({.threads = 3}).threads() == (MOECLIP_HAS_THREADS ? 3 : 1));
  CHECK(Context().threads() >= 1);
}

TEST_CASE("a loop fills scratch that was taken before it") {
  for (const int threads : {1, 2, 4}) {
    Context context({.threads = threads});
    for (int round = 0; round < 3; ++round) {
      Arena::Scope scratch(context.arena());
      auto* squares = scratch.take<index_t>(1000);
      context.parallel_for(1000, [&](index_t i, int) { squares[i] = i * i; });
      index_t wrong = 0;
      for (index_t i = 0; i < 1000; ++i) wrong += squares[i] != i * i;
      CHECK(wrong == 0);
    }
    CHECK(context.arena().capacity() > 0);
  }
}

TEST_CASE("contexts of one program do not disturb each other") {
  Context a({.threads = 2}), b({.threads = 2});
  Arena::Scope scratch_a(a.arena()), scratch_b(b.arena());
  auto* x = scratch_a.take<int>(16);
  auto* y = scratch_b.take<int>(16);
  a.parallel_for(16, [&](index_t i, int) { x[i] = 1; });
  b.parallel_for(16, [&](index_t i, int) { y[i] = 2; });
  for (int i = 0; i < 16; ++i) CHECK(x[i] + y[i] == 3);
}
