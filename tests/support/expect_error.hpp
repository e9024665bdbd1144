// SPDX-License-Identifier: MIT
#pragma once
// Checks what an error says, not only that there is one: its code and the facts that a person needs.

#include <doctest/doctest.h>

#include <initializer_list>
#include <moeclip/base/error.hpp>
#include <string>
#include <string_view>

/// Checks that call() throws moeclip::Error with `code` and a message that contains each of `facts`.
template <class Call>
void expect_error(moeclip::ErrorCode code, std::initializer_list<std::string_view> facts, const Call& call) {
  try {
    call();
  } catch (const moeclip::Error& error) {
    const std::string message = error.what();
    CAPTURE(message);
    CHECK(moeclip::to_string(error.code()) == std::string(moeclip::to_string(code)));
    for (const std::string_view fact : facts) {
      CAPTURE(fact);
      CHECK(message.find(fact) != std::string::npos);
    }
    return;
  }
  FAIL_CHECK("an error was expected and none was thrown");
}
