// SPDX-License-Identifier: MIT
#include <moeclip/data/layout/csv.hpp>

#include <doctest/doctest.h>

#include "expect_error.hpp"

using namespace moeclip;

TEST_CASE("tables with any of the separators, quotes and line ends") {
  const CsvRows rows{{"a", "b"}, {"1", "x y"}};
  CHECK(parse_csv("a,b\n1,x y\n", "t") == rows);
  CHECK(parse_csv("a;b\r\n1; x y \r\n", "t") == rows);
  CHECK(parse_csv("\xEF\xBB\xBF"
                  "a\tb\n\n1\tx y",
                  "t") == rows);
  CHECK(parse_csv("\"a\",\"b\"\n 1, \"x y\" \n", "t") == rows);
  CHECK(parse_csv("a,b\n\"1,\n\"\"2\"\"\",\n", "t") == CsvRows{{"a", "b"}, {"1,\n\"2\"", ""}});
  CHECK(parse_csv("a,b,", "t") == CsvRows{{"a", "b", ""}});
  CHECK(parse_csv("", "t").empty());
  CHECK(parse_csv("\n \n", "t").empty());
  expect_error(ErrorCode::format, {"t", "quote"}, [] { parse_csv("a,\"b\n", "t"); });
}
