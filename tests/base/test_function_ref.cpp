// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <memory>
#include <moeclip/base/function_ref.hpp>
#include <string>
#include <type_traits>
#include <utility>

using namespace moeclip;  // NOLINT

namespace {

int twice(int value) { return 2 * value; }

int apply(function_ref<int(int)> function, int value) { return function(value); }

struct Counter {
  int calls = 0;
  int operator()(int value) { return value + ++calls; }
};

struct Constant {
  int operator()(int) const { return 9; }
};

}  // namespace

TEST_CASE("refers to pointers to functions, lambdas and objects") {
  int (*const pointer)(int) = twice;
  CHECK(apply(pointer, 4) == 8);
  CHECK(apply([](int value) { return value - 1; }, 4) == 3);
  Counter counter;
  CHECK(apply(counter, 10) == 11);
  CHECK(apply(counter, 10) == 12);  // the object itself, not a copy
  CHECK(counter.calls == 2);
  const Constant constant;
  CHECK(apply(constant, 0) == 9);
}

TEST_CASE("what cannot be called so does not convert") {
  static_assert(!std::is_convertible_v<int, function_ref<int(int)>>);
  static_assert(!std::is_convertible_v<Counter&, function_ref<int(std::string)>>);
  static_assert(!std::is_convertible_v<int (&)(int), function_ref<int(int)>>);  // a function is no object
}

TEST_CASE("a copy refers to the same callable, not to the reference it came from") {
  Counter counter;
  const function_ref<int(int)> second = [&] {
    const function_ref<int(int)> first(counter);
    return first;
  }();
  CHECK(second(0) == 1);
  CHECK(counter.calls == 1);
}

TEST_CASE("arguments are passed as they are declared") {
  auto grow = [](std::string& text, std::unique_ptr<int> number) { text += std::to_string(*number); };
  const function_ref<void(std::string&, std::unique_ptr<int>)> reference(grow);
  std::string text = "n";
  reference(text, std::make_unique<int>(5));
  CHECK(text == "n5");
}

TEST_CASE("a result is converted, and dropped for void") {
  auto number = [](int value) { return static_cast<short>(value); };
  CHECK(function_ref<long(int)>(number)(7) == 7);
  int seen = 0;
  auto noisy = [&](int value) { return seen = value; };
  const function_ref<void(int)> quiet(noisy);
  quiet(3);
  CHECK(seen == 3);
}
