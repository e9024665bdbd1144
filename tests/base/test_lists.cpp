// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <moeclip/base/lists.hpp>
#include <moeclip/base/rng.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace moeclip;  // NOLINT

namespace {

struct Part {
  std::string name;
  int weight = 0;

  [[nodiscard]] int lightness() const { return -weight; }
};

std::string names_of(const std::vector<Part>& parts) {
  std::string names;
  for (const Part& part : parts) names += part.name;
  return names;
}

}  // namespace

TEST_CASE("lists of any length are sorted stably, of elements that can only be moved too") {
  const Rng rng(1, "stable");
  for (int size = 0; size < 70; ++size) {
    std::vector<std::unique_ptr<std::pair<index_t, int>>> list;
    for (int i = 0; i < size; ++i)
      list.push_back(std::make_unique<std::pair<index_t, int>>(rng.integer(100 * size + i, 0, 5), i));
    lists::stable_sort(list, [](const auto& x, const auto& y) { return x->first < y->first; });
    for (std::size_t i = 1; i < list.size(); ++i) CHECK(*list[i - 1] < *list[i]);  // equal keys by where they were
  }
}

TEST_CASE("lists are sorted by a member, by what a member function says or by a function, and stably if asked") {
  std::vector<Part> parts = {{"c", 2}, {"a", 3}, {"d", 2}, {"b", 1}};
  lists::stable_sort_by(parts, &Part::weight);
  CHECK(names_of(parts) == "bcda");
  lists::stable_sort_by(parts, &Part::lightness);
  CHECK(names_of(parts) == "acdb");
  lists::sort_by(parts, &Part::name);
  CHECK(names_of(parts) == "abcd");
  lists::stable_sort(parts, [](const Part& a, const Part& b) { return a.weight > b.weight; });
  CHECK(names_of(parts) == "acdb");
  std::vector<int> numbers = {3, 1, 2};
  lists::sort(numbers);
  CHECK(numbers == std::vector<int>{1, 2, 3});
  lists::sort(numbers, [](int a, int b) { return a > b; });
  CHECK(numbers == std::vector<int>{3, 2, 1});
  std::vector<std::uint32_t> order = {0, 1, 2};
  lists::sort_numbers(order, [&](std::uint32_t a, std::uint32_t b) { return numbers[a] < numbers[b]; });
  CHECK(order == std::vector<std::uint32_t>{2, 1, 0});
}

TEST_CASE("elements are found by value, by key and by condition") {
  const std::vector<Part> parts = {{"a", 1}, {"b", 2}, {"c", 2}, {"d", 4}};
  CHECK(lists::find(parts, 2, &Part::weight)->name == "b");
  CHECK(lists::find(parts, 3, &Part::weight) == parts.end());
  CHECK(lists::find_if(parts, [](const Part& part) { return part.weight > 2; })->name == "d");
  CHECK(lists::lower_bound(parts, 2, &Part::weight)->name == "b");
  CHECK(lists::upper_bound(parts, 2, &Part::weight)->name == "d");
  CHECK(lists::upper_bound(parts, 4, &Part::weight) == parts.end());
  CHECK(lists::any_of(parts, [](const Part& part) { return part.name == "c"; }));
  CHECK(lists::none_of(parts, [](const Part& part) { return part.name.empty(); }));
  CHECK(lists::count_if(parts, [](const Part& part) { return part.weight == 2; }) == 2);
  CHECK(lists::adjacent_find(parts, [](const Part& a, const Part& b) { return a.weight == b.weight; })->name == "b");

  const std::array<int, 4> numbers = {1, 2, 2, 5};
  CHECK(*lists::find(numbers, 2) == 2);
  CHECK(lists::find(numbers, 3) == numbers.end());
  CHECK(lists::count(numbers, 2) == 2);
  CHECK(lists::binary_search(numbers, 5));
  CHECK_FALSE(lists::binary_search(numbers, 4));
  CHECK(lists::adjacent_find(numbers) == numbers.begin() + 1);
}

TEST_CASE("lists are compared, copied and changed as a whole") {
  std::vector<int> numbers = {1, 2, 3};
  CHECK(lists::equal(numbers, std::array<int, 3>{1, 2, 3}));
  CHECK_FALSE(lists::equal(numbers, std::array<int, 2>{1, 2}));
  CHECK(lists::equal(numbers, std::array<int, 3>{-1, -2, -3}, [](int a, int b) { return a == -b; }));
  lists::reverse(numbers);
  CHECK(numbers == std::vector<int>{3, 2, 1});
  lists::replace(numbers, 2, 7);
  CHECK(numbers == std::vector<int>{3, 7, 1});
  std::array<int, 4> room = {};
  CHECK(lists::copy(numbers, room.begin()) == room.begin() + 3);
  CHECK(room == std::array<int, 4>{3, 7, 1, 0});
  lists::fill(numbers, 4);
  CHECK(numbers == std::vector<int>{4, 4, 4});
}
