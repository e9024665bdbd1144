// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/data/hold_out.hpp>
#include <numeric>
#include <set>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("a fifth is held out, one of five at least, none of fewer") {
  for (const index_t count : {0, 1, 4}) CHECK(held_out(count, 0.2, 1).empty());
  CHECK(held_out(5, 0.01, 1).size() == 1);
  CHECK(held_out(5, 0.99, 1).size() == 4);
  CHECK(held_out(20, 0, 1).empty());
  const auto held = held_out(20, 0.2, 1);
  CHECK(held.size() == 4);
  CHECK(std::ranges::is_sorted(held));
  CHECK(std::set(held.begin(), held.end()).size() == 4);
  CHECK(held == held_out(20, 0.2, 1));
  CHECK(held != held_out(20, 0.2, 2));
  expect_error(ErrorCode::contract, {"1"}, [] { held_out(20, 1, 1); });
}

TEST_CASE("both parts have all classes, good and defective, and together they are the whole") {
  std::vector<DatasetEntry> entries;
  for (int i = 0; i < 40; ++i) entries.push_back({concat("data/", i, ".png"), i % 2, i < 20 ? "nut" : "cap", ""});
  const SampleSource source(entries);
  const auto [rest, held] = hold_out(source, 0.2, 111);
  CHECK(rest.size() == 32);
  CHECK(held.size() == 8);
  std::set<std::string> files;
  for (const SampleSource* part : {&rest, &held}) {
    CHECK(part->classes().size() == 2);
    std::set<std::pair<std::string, int>> kinds;
    for (index_t i = 0; i < part->size(); ++i) {
      files.insert(part->file(i));
      kinds.insert({part->class_name(i), part->entry(i)->label});
    }
    CHECK(kinds.size() == 4);
  }
  CHECK(files.size() == 40);
  CHECK(rest.fingerprint() != source.fingerprint());
  CHECK(rest.fingerprint() == hold_out(source, 0.2, 111).rest.fingerprint());
}

TEST_CASE("samples of one thing are in one part, and count once") {
  std::vector<DatasetEntry> entries;
  std::vector<index_t> firsts;
  for (index_t i = 0; i < 20; ++i) {
    entries.push_back({concat(i, ".png"), 0, "nut", ""});
    firsts.push_back(i % 10);  // ten things, each twice
  }
  const SampleSource source(entries);
  const auto [rest, held] = hold_out(source, 0.2, 111, firsts);
  REQUIRE(held.size() == 4);
  CHECK(rest.size() == 16);
  CHECK(held.file(2) == concat(10 + held_out(10, 0.2, 111)[0], ".png"));
  std::iota(firsts.begin(), firsts.end(), index_t{0});
  CHECK(hold_out(source, 0.2, 111, firsts).rest.fingerprint() == hold_out(source, 0.2, 111).rest.fingerprint());
  for (std::size_t i = 0; i < 20; ++i) firsts[i] = static_cast<index_t>(i - i % 5);
  CHECK(hold_out(source, 0.2, 111, firsts).held.size() == 0);  // four things
  firsts[0] = 1;
  expect_error(ErrorCode::contract, {"before"}, [&] { hold_out(source, 0.2, 111, firsts); });
  firsts.pop_back();
  expect_error(ErrorCode::contract, {"19"}, [&] { hold_out(source, 0.2, 111, firsts); });
}
