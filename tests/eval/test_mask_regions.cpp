// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <map>
#include <moeclip/eval/mask_regions.hpp>
#include <set>

#include "eval_test.hpp"
#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("regions and their sizes equal those found by spreading") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const Pictures p = random_pictures(seed, 3, seed == 1 ? 1 : 4 + 3 * static_cast<index_t>(seed));
    const auto label = slow_regions(p);
    std::map<index_t, std::uint32_t> wanted;
    for (const index_t region : label) ++wanted[region];
    Context context({.threads = 1});
    std::vector<std::uint32_t> sizes(label.size());
    index_t regions = 0;
    for (index_t i = 0; i < p.n; ++i) regions += region_sizes(context, p.mask(i), sizes.data() + i * p.h * p.w);
    CHECK(regions == std::ssize(wanted) - (wanted.contains(-1) ? 1 : 0));
    for (std::size_t i = 0; i < label.size(); ++i) CHECK(sizes[i] == (label[i] < 0 ? 0 : wanted[label[i]]));
  }
}

TEST_CASE("regions of masks that are full, empty or a snake") {
  Context context({.threads = 1});
  Image mask(9, 7, 1);
  std::vector<std::uint32_t> sizes(63);
  mask.fill(0);
  CHECK(region_sizes(context, mask.view(), sizes.data()) == 0);
  mask.fill(1);
  CHECK(region_sizes(context, mask.view(), sizes.data()) == 1);
  CHECK(sizes == std::vector<std::uint32_t>(63, 63));
  for (index_t y = 1; y < 7; y += 2)
    for (index_t x = 0; x < 8; ++x) mask.row(y)[(y % 4 == 1 ? x : x + 1)] = 0;
  CHECK(region_sizes(context, mask.view(), sizes.data()) == 1);
  CHECK(region_sizes(context, {mask.data(), 1, 7, 1, 9}, sizes.data()) == 3);  // one column of it, rows apart
  expect_error(ErrorCode::contract, {"gray"},
               [&] { return region_sizes(context, Image(2, 2, 3).view(), sizes.data()); });
}
