// SPDX-License-Identifier: MIT
#pragma once
// What a pickle describes: a graph of plain values. Nodes are numbered, containers are chains of numbered children, and
// text stays in the bytes it came from, so that a hostile pickle costs a small multiple of its own size, and no more
// than the limits below. A container may contain itself: whoever walks the graph bounds depth and visits.

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "../../base/error.hpp"
#include "names.hpp"

namespace moeclip { inline namespace abi_v0_1 {

enum class PickleKind : std::uint8_t {
  none,
  boolean,  // integer
  integer,  // integer, or text (decimal digits) where 64 bits are too few
  real,     // real
  text,     // text
  bytes,    // text
  tuple,    // children
  list,     // children; also sets
  dict,     // children: key, value, key, value ...; also OrderedDict
  device,   // text
  global,   // global: a name
  storage,  // text = key, integer = element count, global; children: key, offset and size of a legacy view
  tensor,   // children: storage, offset, sizes, strides; global
  object,   // TorchScript module; child: its state, once BUILD has come
};

inline const char* to_string(PickleKind kind) {
  constexpr const char* kNames[] = {"None",   "a bool", "an integer", "a float", "a string",  "bytes",    "a tuple",
                                    "a list", "a dict", "a device",   "a name",  "a storage", "a tensor", "an object"};
  return kNames[static_cast<std::size_t>(kind)];
}

using PickleRef = std::uint32_t;  // number of a node

struct PickleNode {
  PickleKind kind = PickleKind::none;
  bool is_big = false;           // an integer that only `text` can hold
  bool is_ordered_dict = false;  // accepts a state by BUILD
  PickleGlobal global;
  std::uint32_t first = 0, last = 0, count = 0;  // children: a chain of cells
  std::string_view text;
  std::int64_t integer = 0;
  double real = 0;
};

class PickleGraph {
 public:
  /// Limits follow from the size of the pickle: room for small ones to be dense, a fixed ratio beyond.
  PickleGraph(std::uint64_t pickle_size, std::string source)
      : source_(std::move(source)),
        most_nodes_(std::min<std::uint64_t>(kFreeNodes + pickle_size / 32, kNoCell - 1)),
        most_cells_(std::min<std::uint64_t>(kFreeCells + pickle_size / 8, kNoCell - 1)) {}

  [[nodiscard]] const std::string& source() const noexcept { return source_; }
  [[nodiscard]] const PickleNode& operator[](PickleRef ref) const { return nodes_[ref]; }
  [[nodiscard]] PickleNode& operator[](PickleRef ref) { return nodes_[ref]; }

  /// Number of values; each below it is a PickleRef.
  [[nodiscard]] PickleRef size() const noexcept { return static_cast<PickleRef>(nodes_.size()); }

  PickleRef add(const PickleNode& node) {
    if (nodes_.size() >= most_nodes_) fail_limit("values", most_nodes_);
    nodes_.push_back(node);
    return static_cast<PickleRef>(nodes_.size() - 1);
  }
  PickleRef add(PickleKind kind) {
    PickleNode node;
    node.kind = kind;
    return add(node);
  }

  void append(PickleRef container, PickleRef child) {
    if (cells_.size() >= most_cells_) fail_limit("items", most_cells_);
    const auto cell = static_cast<std::uint32_t>(cells_.size());
    cells_.push_back({child, kNoCell});
    PickleNode& node = nodes_[container];
    (node.count++ == 0 ? node.first : cells_[node.last].next) = cell;
    node.last = cell;
  }

  /// Calls visit(child) for each child that `container` has now, in order.
  template <class Visit>
  void for_each_child(PickleRef container, Visit&& visit) const {
    std::uint32_t cell = nodes_[container].first;
    for (std::uint32_t i = 0, n = nodes_[container].count; i < n; ++i, cell = cells_[cell].next)
      visit(cells_[cell].child);
  }

  /// The first children of `container`, at most `Most`; the rest of the array is zero.
  template <std::size_t Most>
  [[nodiscard]] std::array<PickleRef, Most> children(PickleRef container) const {
    std::array<PickleRef, Most> refs{};
    std::uint32_t cell = nodes_[container].first;
    for (std::uint32_t i = 0, n = nodes_[container].count; i < n && i < Most; ++i, cell = cells_[cell].next)
      refs[i] = cells_[cell].child;
    return refs;
  }

  /// Text that had to be decoded and so is not in the pickle's bytes.
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

 private:
  struct Cell {
    PickleRef child;
    std::uint32_t next;
  };
  static constexpr std::uint32_t kNoCell = ~std::uint32_t{0};
  static constexpr std::uint64_t kFreeNodes = 3u << 16;  // 11 MB, about 10,000 tensors
  static constexpr std::uint64_t kFreeCells = 1u << 20;  // 8 MB

  [[noreturn]] void fail_limit(std::string_view what, std::uint64_t most) const {
    fail(ErrorCode::limit,
         concat(source_, ": the pickle has more than ", most, " ", what, "; it does not look like weights"));
  }

  std::string source_;
  std::uint64_t most_nodes_, most_cells_;
  std::deque<PickleNode> nodes_;
  std::deque<Cell> cells_;
  std::deque<std::string> kept_;
};

}}  // namespace moeclip::abi_v0_1
