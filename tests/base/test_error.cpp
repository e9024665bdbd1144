// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/base/error.hpp>
#include <set>
#include <string>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("every error code has its own name") {
  std::set<std::string> names;
  for (const ErrorCode code : {ErrorCode::contract, ErrorCode::io, ErrorCode::format, ErrorCode::unsupported,
                               ErrorCode::limit, ErrorCode::missing, ErrorCode::mismatch})
    names.insert(to_string(code));
  CHECK(names.size() == 7);
  CHECK(names.count("unknown") == 0);
  CHECK(std::string(to_string(static_cast<ErrorCode>(99))) == "unknown");
}

TEST_CASE("fail throws an Error that is a runtime_error") {
  expect_error(ErrorCode::missing, {"the cat is gone"}, [] { fail(ErrorCode::missing, "the cat is gone"); });
  CHECK_THROWS_AS(fail(ErrorCode::io, "x"), std::runtime_error);
}

TEST_CASE("an expectation names the contract and evaluates its condition once") {
  int evaluated = 0;
  const auto positive = [&](int value) {
    ++evaluated;
    return value > 0;
  };
  MOECLIP_EXPECT(positive(1), "unused");
  CHECK(evaluated == 1);
  expect_error(ErrorCode::contract, {"n is -3 of 2.5"},
               [&] { MOECLIP_EXPECT(positive(-3), "n is ", -3, " of ", 2.5); });
  CHECK(evaluated == 2);
  if (evaluated == 2)
    MOECLIP_EXPECT(true, "an expectation is one statement");
  else
    FAIL("unreachable");
}

TEST_CASE("an internal assertion is evaluated in checked builds only") {
  int evaluated = 0;
  const auto broken = [&] { return ++evaluated == 0; };
#if defined(MOECLIP_ENABLE_ASSERT)
  expect_error(ErrorCode::contract, {"internal assertion failed", "broken()"}, [&] { MOECLIP_ASSERT(broken()); });
  CHECK(evaluated == 1);
#else
  MOECLIP_ASSERT(broken());
  CHECK(evaluated == 0);
#endif
}
