// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <moeclip/base/read_number.hpp>
#include <moeclip/base/rng.hpp>
#include <moeclip/base/text.hpp>
#include <string>

using namespace moeclip;  // NOLINT

namespace {

/// What a reader makes of a text: the value's bits, how many letters it took, and whether it failed.
template <class Reader>
std::string reading(const Reader& reader, const std::string& text) {
  double value = 7;
  const auto [end, error] = reader(text.data(), text.data() + text.size(), value);
  return concat(std::isnan(value) ? std::string(std::signbit(value) ? "-nan" : "nan") : concat(value), " ",
                end - text.data(), error == std::errc() ? "" : concat(" error ", static_cast<int>(error)));
}

std::string here(const std::string& text) { return reading(detail::real_by_strtod, text); }
std::string chosen(const std::string& text) { return reading(read_number<double>, text); }

}  // namespace

TEST_CASE("read_number reads what std::from_chars reads") {
  std::int64_t integer = 0;
  const std::string digits = "-12x";
  CHECK(read_number(digits.data(), digits.data() + digits.size(), integer).ptr == digits.data() + 3);
  CHECK(integer == -12);
  CHECK(here("0.5") == "0.5 3");
  CHECK(here("-1.e3,") == "-1 3");
  CHECK(here("+1") == "7 0 error 22");
  CHECK(here("1e999") == "7 5 error 34");
  CHECK(here("4.9e-324") == "5e-324 8");
}

TEST_CASE("both ways to read a real number agree") {
  for (const std::string text : {"",
                                 "-",
                                 ".",
                                 "-.",
                                 "1",
                                 "-1",
                                 "+1",
                                 " 1",
                                 "1 ",
                                 "01",
                                 "1.",
                                 "1.5",
                                 ".5",
                                 "-.5",
                                 "1..2",
                                 "1e5",
                                 "1e+5",
                                 "1e-5",
                                 "1e",
                                 "1e+",
                                 "1E5",
                                 "1e5.5",
                                 "0x10",
                                 "1,5",
                                 "inf",
                                 "-inf",
                                 "Infinity",
                                 "infinit",
                                 "nan",
                                 "NaN",
                                 "-nan",
                                 "nanx",
                                 "i",
                                 "1e999",
                                 "-1e999",
                                 "1e-999",
                                 "0e999",
                                 "1e-320",
                                 "4.9e-324",
                                 "2e-324",
                                 "2.2250738585072011e-308",
                                 "0.1",
                                 "--1",
                                 "1-",
                                 "e5"})
    CHECK_MESSAGE(here(text) == chosen(text), text);
  const Rng rng(1, "read_number");
  for (index_t i = 0; i < 200; ++i) {
    const std::string text =
        concat(static_cast<double>(rng.uniform(i)) * std::pow(10.0, static_cast<double>(i % 600) - 300));
    CHECK_MESSAGE(here(text) == chosen(text), text);
  }
}
