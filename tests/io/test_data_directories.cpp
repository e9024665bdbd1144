// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <moeclip/io/data_directories.hpp>

using namespace moeclip;  // NOLINT

TEST_CASE("data are looked for beside the program, where the caller says, where the library's are, in the system's") {
  detail::know_data_folder("");  // told that there are none
  const auto before = data_directories();
  REQUIRE(before.size() >= 4);
  CHECK(before[0] == executable_directory());
  CHECK(before[1] == join_path(parent_directory(before[0]), "share/moeclip"));
  CHECK(before[before.size() - 2] == "/usr/local/share/moeclip");
  CHECK(before.back() == "/usr/share/moeclip");

  for (int i = 0; i < 2; ++i) {  // two translation units that were told the same
    detail::know_data_folder("/opt/data");
    detail::know_data_of_header("/opt/include/moeclip/io/data_directories.hpp");
  }
  auto after = data_directories("/mine");
  CHECK(after[2] == "/mine");
  CHECK(std::ranges::count(after, "/opt/data") == 1);
  CHECK(std::ranges::count(after, "/opt/include/moeclip/io/../../../share/moeclip") == 1);
  CHECK(after.size() == before.size() + 4);
  CHECK(after.back() == "/usr/share/moeclip");
}
