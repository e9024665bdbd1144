// SPDX-License-Identifier: MIT
#pragma once
// The working memory of the pickle machine: a stack of values with marks on it, and a memo of values to come back to.
// All three are bounded, and nothing below the last mark can be reached, as in Python.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../base/error.hpp"
#include "graph.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

class PickleStack {
 public:
  explicit PickleStack(std::string_view source) : source_(source) {}

  [[nodiscard]] bool is_empty() const noexcept { return values_.empty() && marks_.empty(); }

  void push(PickleRef ref) {
    if (values_.size() >= kMostValues) fail_limit("values on its stack", kMostValues);
    values_.push_back(ref);
  }
  [[nodiscard]] PickleRef top() const { return values_[from_top(1)]; }
  PickleRef pop() {
    const PickleRef ref = top();
    values_.pop_back();
    return ref;
  }

  void mark() {
    if (marks_.size() >= kMostMarks) fail_limit("open marks", kMostMarks);
    marks_.push_back(static_cast<std::uint32_t>(values_.size()));
  }
  /// Removes the last mark; gives the place of the first value above it.
  std::size_t pop_mark() {
    if (marks_.empty()) fail_format("a MARK is missing");
    const std::size_t place = marks_.back();
    marks_.pop_back();
    return place;
  }
  /// Place of the first of the last `count` values.
  [[nodiscard]] std::size_t from_top(std::size_t count) const {
    if (values_.size() - floor() < count) fail_format("an operand is missing");
    return values_.size() - count;
  }

  /// The value below `place`: the container for those that begin there.
  [[nodiscard]] PickleRef below(std::size_t place) const {
    if (place <= floor()) fail_format("the container for some items is missing");
    return values_[place - 1];
  }
  /// Moves the values from `place` up into `container`. A dict takes keys and values in turn.
  void move_into(PickleGraph& graph, PickleRef container, std::size_t place) {
    if (graph[container].kind == PickleKind::dict && (values_.size() - place) % 2 != 0)
      fail_format("a dict has a key without a value");
    for (std::size_t i = place; i < values_.size(); ++i) graph.append(container, values_[i]);
    values_.resize(place);
  }

  void memoize(std::size_t number) {
    if (number >= kMostMemos) fail_limit("memos", kMostMemos);
    if (number >= memo_.size()) memo_.resize(number + 1, kNoRef);
    if (memo_[number] == kNoRef) ++memo_count_;
    memo_[number] = top();
  }
  /// Under the next number, which Python takes to be how many there are.
  void memoize() { memoize(memo_count_); }
  void recall(std::size_t number) {
    if (number >= memo_.size() || memo_[number] == kNoRef) fail_format(concat("memo ", number, " was never set"));
    push(memo_[number]);
  }

 private:
  static constexpr std::size_t kMostValues = 1u << 19;  // TorchScript pushes a whole dict before it is filled
  static constexpr std::size_t kMostMarks = 1u << 12;
  static constexpr std::size_t kMostMemos = 1u << 19;
  static constexpr PickleRef kNoRef = ~PickleRef{0};

  [[nodiscard]] std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  [[noreturn]] void fail_format(std::string_view problem) const {
    fail(ErrorCode::format, concat(source_, ": pickle: ", problem));
  }
  [[noreturn]] void fail_limit(std::string_view what, std::size_t most) const {
    fail(ErrorCode::limit, concat(source_, ": pickle: more than ", most, " ", what));
  }

  std::string source_;
  std::vector<PickleRef> values_, memo_;
  std::vector<std::uint32_t> marks_;
  std::size_t memo_count_ = 0;
};

}}}  // namespace moeclip::abi_v0_1::detail
