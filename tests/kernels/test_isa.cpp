// SPDX-License-Identifier: MIT
#include <string>

#include <moeclip/kernels/dispatch.hpp>

#include "kernel_test.hpp"

using namespace moeclip;
using namespace moeclip::kernels;

TEST_CASE("isa: scalar is always there and tables name themselves") {
  CHECK(compiled().front() == Isa::scalar);
  CHECK(supported(Isa::scalar));
  for (const Isa isa : compiled()) {
    const KernelTable& table = table_of(isa);
    CHECK(table.isa == base_of(isa));
    CHECK(narrow_table_of(isa).isa == isa);
    CHECK(table.block_rows % table.tile_rows == 0);
    CHECK(table.block_columns % table.tile_columns == 0);
  }
}

TEST_CASE("isa: select changes the active table") {
  kernel_test::for_each_isa(
      [] {
        CHECK(active().isa == base_of(active_isa()));
        CHECK(supported(active_isa()));
      },
      true);
}

TEST_CASE("isa: an absent instruction set is refused by name") {
  const Isa absent = supported(Isa::neon) ? Isa::avx2 : Isa::neon;
  try {
    select(absent);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::unsupported);
    CHECK(std::string(error.what()).find(to_string(absent)) != std::string::npos);
    CHECK(std::string(error.what()).find("scalar") != std::string::npos);
  }
}
