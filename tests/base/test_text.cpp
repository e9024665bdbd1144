// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <moeclip/base/rng.hpp>
#include <moeclip/base/text.hpp>
#include <string>

using namespace moeclip;  // NOLINT

TEST_CASE("concat joins every kind of piece") {
  CHECK(concat() == "");
  const std::string name = "nut.png";
  CHECK(concat("row ", 3, " of ", name, ' ', std::string_view("(x)"), '.', true, false) ==
        "row 3 of nut.png (x).truefalse");
  CHECK(concat(std::numeric_limits<std::int64_t>::min(), " ", std::numeric_limits<std::uint64_t>::max()) ==
        "-9223372036854775808 18446744073709551615");
  CHECK(concat(std::uint8_t{65}, " ", std::int16_t{-7}) == "65 -7");
  CHECK(concat(std::string(3, '\0')).size() == 3);
}

TEST_CASE("numbers are written so that they read back the same") {
  CHECK(concat(0.1) == "0.1");
  CHECK(concat(0.1f) == "0.1");
  CHECK(concat(-0.0) == "-0");
  CHECK(concat(std::numeric_limits<double>::infinity()) == "inf");
  const Rng rng(1, "text");
  for (index_t i = 0; i < 1000; ++i) {
    const double value = rng.unit(2 * i) * std::ldexp(1.0, static_cast<int>(rng.integer(2 * i + 1, -900, 900)));
    CHECK(std::strtod(concat(value).c_str(), nullptr) == value);
  }
}

TEST_CASE("fixed writes what printf would") {
  CHECK(fixed(0.5, 3) == "0.500");
  CHECK(fixed(-1.25, 1) == "-1.2");  // ties to even, as the exact binary value has it
  CHECK(fixed(2.675, 2) == "2.67");
  CHECK(fixed(0, 0) == "0");
  CHECK(fixed(999.999, 2) == "1000.00");
  CHECK(fixed(std::numeric_limits<double>::max(), 2).size() == 312);  // 309 digits, the point, two more
}

TEST_CASE("a count and its noun") {
  CHECK(counted(1, "picture") == "1 picture");
  CHECK(counted(2, "picture") == "2 pictures");
  CHECK(counted(std::size_t{0}, "good patch") == "0 good patches");
  CHECK(counted(1, "class") == "1 class");
  CHECK(counted(3, "class") == "3 classes");
  CHECK(counted(-1, "entry") == "-1 entries");
  CHECK(counted(2, "epoch") == "2 epochs");
  CHECK(counted(2, "key") == "2 keys");
}
