// SPDX-License-Identifier: MIT
#pragma once
// The algorithms of the standard library over whole lists, as in std::ranges, but without its concepts: a compiler
// checks those anew at each use, which made a quarter of what reading this library costs. A `key` is what is compared
// instead of an element: a pointer to a member, or a function of the element.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>
#include <vector>

#include "function_ref.hpp"
#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace lists {

/// The key of an element.
template <class Element, class Key>
decltype(auto) key_of(Element&& element, const Key& key) {
  if constexpr (std::is_member_object_pointer_v<Key>)
    return (element.*key);
  else if constexpr (std::is_member_function_pointer_v<Key>)
    return (element.*key)();
  else
    return key(element);
}

/// Sorts by `<`, or by `less`.
template <class List>
void sort(List& list) {
  std::sort(std::begin(list), std::end(list));
}
template <class List, class Less>
void sort(List& list, const Less& less) {
  std::sort(std::begin(list), std::end(list), less);
}

/// Sorts by `<` of the keys.
template <class List, class Key>
void sort_by(List& list, const Key& key) {
  std::sort(std::begin(list), std::end(list),
            [&](const auto& a, const auto& b) { return key_of(a, key) < key_of(b, key); });
}

/// Sorts numbers of elements of something else: one function for whatever they number.
void sort_numbers(std::vector<std::uint32_t>& numbers, function_ref<bool(std::uint32_t a, std::uint32_t b)> less);

/// As sort and sort_by; what is equal keeps its order. Runs of 1, 2, 4, ... elements are merged. std::stable_sort of
/// libstdc++ 12 calls a function that clang 19 warns of wherever it is used.
template <class List, class Less>
void stable_sort(List& list, const Less& less) {
  using Element = std::remove_reference_t<decltype(*std::begin(list))>;
  using Moved = std::move_iterator<decltype(std::begin(list))>;
  std::vector<Element> from(Moved(std::begin(list)), Moved(std::end(list))), to;
  to.reserve(from.size());
  const auto size = static_cast<std::ptrdiff_t>(from.size());
  for (std::ptrdiff_t run = 1; run < size; run *= 2, from.swap(to), to.clear())
    for (std::ptrdiff_t first = 0; first < size; first += 2 * run) {
      const auto at = [&](std::ptrdiff_t i) { return std::make_move_iterator(from.begin() + (std::min)(i, size)); };
      std::merge(at(first), at(first + run), at(first + run), at(first + 2 * run), std::back_inserter(to), less);
    }
  std::move(from.begin(), from.end(), std::begin(list));
}
/// By `<` of the keys; what is equal keeps its order.
template <class List, class Key>
void stable_sort_by(List& list, const Key& key) {
  stable_sort(list, [&](const auto& a, const auto& b) { return key_of(a, key) < key_of(b, key); });
}

/// The first element that is `value`, or whose key is; the end if there is none.
template <class List, class Value>
auto find(List&& list, const Value& value) {
  return std::find(std::begin(list), std::end(list), value);
}
template <class List, class Value, class Key>
auto find(List&& list, const Value& value, const Key& key) {
  return std::find_if(std::begin(list), std::end(list),
                      [&](const auto& element) { return key_of(element, key) == value; });
}
/// The first element that fulfils a condition.
template <class List, class Condition>
auto find_if(List&& list, const Condition& is_wanted) {
  return std::find_if(std::begin(list), std::end(list), is_wanted);
}

/// Whether some element fulfils the condition, a key.
template <class List, class Condition>
bool any_of(const List& list, const Condition& condition) {
  for (const auto& element : list)
    if (key_of(element, condition)) return true;
  return false;
}
/// True if no element fulfils the condition.
template <class List, class Condition>
bool none_of(const List& list, const Condition& condition) {
  return !any_of(list, condition);
}

/// How many elements are `value`.
template <class List, class Value>
auto count(const List& list, const Value& value) {
  return std::count(std::begin(list), std::end(list), value);
}
/// How many elements fulfil a condition.
template <class List, class Condition>
auto count_if(const List& list, const Condition& condition) {
  return std::count_if(std::begin(list), std::end(list), condition);
}

/// In a sorted list: whether `value` is in it.
template <class List, class Value>
bool binary_search(const List& list, const Value& value) {
  return std::binary_search(std::begin(list), std::end(list), value);
}
/// In a list that is sorted by the keys: the first element whose key is not below `value`.
template <class List, class Value, class Key>
auto lower_bound(List&& list, const Value& value, const Key& key) {
  return std::lower_bound(std::begin(list), std::end(list), value,
                          [&](const auto& element, const Value& wanted) { return key_of(element, key) < wanted; });
}
/// In a list that is sorted by the keys: the first element whose key is above `value`.
template <class List, class Value, class Key>
auto upper_bound(List&& list, const Value& value, const Key& key) {
  return std::upper_bound(std::begin(list), std::end(list), value,
                          [&](const Value& wanted, const auto& element) { return wanted < key_of(element, key); });
}

/// The first element that equals the one behind it, or `is_like` it; the end if there is none.
template <class List>
auto adjacent_find(List&& list) {
  return std::adjacent_find(std::begin(list), std::end(list));
}
template <class List, class Like>
auto adjacent_find(List&& list, const Like& is_like) {
  return std::adjacent_find(std::begin(list), std::end(list), is_like);
}

/// Whether two lists have the same length and equal elements.
template <class A, class B>
bool equal(const A& a, const B& b) {
  return std::equal(std::begin(a), std::end(a), std::begin(b), std::end(b));
}
template <class A, class B, class Like>
bool equal(const A& a, const B& b, const Like& is_like) {
  return std::equal(std::begin(a), std::end(a), std::begin(b), std::end(b), is_like);
}

/// Sets all elements to `value`.
template <class List, class Value>
void fill(List&& list, const Value& value) {
  std::fill(std::begin(list), std::end(list), value);
}
/// Copies the elements to `out` and what follows it; returns the end of the copy.
template <class List, class Out>
Out copy(const List& list, Out out) {
  return std::copy(std::begin(list), std::end(list), out);
}
/// Puts `value` wherever `old` is.
template <class List, class Value>
void replace(List& list, const Value& old, const Value& value) {
  std::replace(std::begin(list), std::end(list), old, value);
}
/// Puts the elements in the opposite order.
template <class List>
void reverse(List& list) {
  std::reverse(std::begin(list), std::end(list));
}

}}}  // namespace moeclip::abi_v0_1::lists

#if MOECLIP_DEFINES(MOECLIP_BASE)

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void lists::sort_numbers(std::vector<std::uint32_t>& numbers,
                                      function_ref<bool(std::uint32_t a, std::uint32_t b)> less) {
  std::sort(numbers.begin(), numbers.end(), less);
}

}}  // namespace moeclip::abi_v0_1

#endif
