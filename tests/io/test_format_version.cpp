// SPDX-License-Identifier: MIT
#include <moeclip/io/format_version.hpp>

#include <cstdint>
#include <limits>

#include "expect_error.hpp"

using namespace moeclip;

namespace test_format_version {

TEST_CASE("a version of a format is read, newer, older, or none") {
  const auto read = [](const Json& stated, std::int64_t first, std::int64_t last) {
    detail::expect_version(stated, {first, last}, "a.moeclip", "a model file", "export it again");
  };
  for (const std::int64_t version : {2, 3, 4}) CHECK_NOTHROW(read(version, 2, 4));
  CHECK_NOTHROW(read("3", 2, 4));
  expect_error(ErrorCode::unsupported,
               {"a.moeclip: is a model file of version 5, newer than this program", "versions 2 to 4",
                "use a newer moeclip, or export it again"},
               [&] { read(5, 2, 4); });
  expect_error(ErrorCode::unsupported, {"version 1, older than", "use the moeclip that wrote it, or export it again"},
               [&] { read(1, 2, 4); });
  expect_error(ErrorCode::unsupported, {"version 0, older than", "reads version 1:"}, [&] { read("0", 1, 1); });
  expect_error(ErrorCode::unsupported, {"older"}, [&] { read(-7, 1, 1); });
  expect_error(ErrorCode::unsupported, {"newer"}, [&] { read((std::numeric_limits<std::uint64_t>::max)(), 1, 1); });
  expect_error(ErrorCode::unsupported, {"newer"}, [&] { read((std::numeric_limits<std::int64_t>::max)(), 1, 1); });
  for (const Json& none : {Json(), Json(1.0), Json("one"), Json(""), Json("1 "), Json(true), Json::array()})
    expect_error(ErrorCode::format, {"which is no version", "export it again"}, [&] { read(none, 1, 1); });
}

}  // namespace test_format_version
