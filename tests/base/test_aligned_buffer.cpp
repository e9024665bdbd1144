// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <moeclip/base/arena.hpp>
#include <utility>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("buffers of any size and element are aligned to a cache line") {
  for (const index_t size : {1, 2, 63, 64, 65, 1000}) {
    AlignedBuffer<float> floats(size);
    AlignedBuffer<std::uint8_t> bytes(size);
    CHECK(reinterpret_cast<std::uintptr_t>(floats.data()) % kAlignment == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment == 0);
    CHECK(floats.size() == size);
    floats.data()[size - 1] = 1;  // the sanitizers watch the ends
    bytes.data()[size - 1] = 1;
  }
}

TEST_CASE("an empty buffer holds nothing") {
  AlignedBuffer<int> none, zero(0);
  CHECK(none.data() == nullptr);
  CHECK(zero.data() == nullptr);
  CHECK(zero.empty());
}

TEST_CASE("moving hands the memory over") {
  AlignedBuffer<int> a(3), b(5);
  a.data()[2] = 42;
  int* const memory = a.data();
  AlignedBuffer<int> c(std::move(a));
  CHECK(c.data() == memory);
  CHECK(c.data()[2] == 42);
  CHECK(a.size() == 0);  // NOLINT: what is left is an empty buffer
  b = std::move(c);
  CHECK(b.data() == memory);
  CHECK(b.size() == 3);
}

TEST_CASE("sizes that no memory can hold are refused") {
  expect_error(ErrorCode::contract, {"-1"}, [] { AlignedBuffer<float> negative(-1); });
  expect_error(ErrorCode::contract, {"cannot be allocated"},
               [] { AlignedBuffer<double> overflow(std::numeric_limits<index_t>::max() / 4); });
}
