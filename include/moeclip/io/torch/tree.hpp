// SPDX-License-Identifier: MIT
#pragma once
// Turns the graph of a PyTorch pickle into named tensors and values. Names of nested containers are joined with '/',
// list positions count from 0; attributes of TorchScript modules are joined with '.', as state_dict() does.

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "../../base/checked.hpp"
#include "../../base/function_ref.hpp"
#include "../pickle.hpp"
#include "../weight_index.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Where the bytes of a pickled storage are: a part of a WeightStorage.
struct TorchStorage {
  std::uint32_t number = 0;  // in WeightIndex::storages
  std::uint64_t offset = 0;  // in bytes
  std::uint64_t size = 0;    // in bytes
};

/// Finds the storage that a node of kind `storage` names, or throws.
using FindTorchStorage = function_ref<TorchStorage(const PickleGraph&, PickleRef)>;

/// Bytes of the elements that a storage node declares.
inline std::uint64_t declared_size(const PickleGraph& graph, PickleRef storage) {
  const PickleNode& node = graph[storage];
  return checked_mul(static_cast<std::uint64_t>(node.integer), size_of(node.global.dtype), graph.source());
}

class TorchTree {
 public:
  TorchTree(const PickleGraph& graph, std::uint64_t pickle_size, FindTorchStorage find_storage, WeightIndex& index)
      : graph_(graph),
        find_storage_(find_storage),
        index_(index),
        most_visits_(kFreeVisits + pickle_size),
        most_entries_(kFreeEntries + pickle_size / 64),
        most_values_(kFreeValues + pickle_size / 16),
        most_text_(kFreeText + pickle_size) {}

  void walk(PickleRef ref, const std::string& name, int depth = 0) {
    if (depth > kDeepest) fail_limit("levels of containers", kDeepest);
    if (++visits_ > most_visits_) fail_limit("values, counting repeated ones", most_visits_);
    switch (graph_[ref].kind) {
      case PickleKind::dict: return walk_dict(ref, name, '/', depth);
      case PickleKind::list:
      case PickleKind::tuple: return walk_list(ref, name, depth);
      case PickleKind::object: return walk_object(ref, name, depth);
      case PickleKind::tensor: return add_tensor(ref, name);
      case PickleKind::storage: return add_storage(ref, name);
      default: return add_value(graph_[ref], name);
    }
  }

 private:
  // Containers may be shared, so a few bytes can stand for exponentially many values. These are the most that a small
  // pickle may unfold to; large ones get more in proportion.
  static constexpr std::uint64_t kFreeVisits = 1u << 18, kFreeEntries = 1u << 15, kFreeValues = 1u << 16;
  static constexpr std::uint64_t kFreeText = 4u << 20;
  static constexpr int kDeepest = 100;

  void walk_dict(PickleRef dict, const std::string& name, char separator, int depth) {
    bool is_key = true;
    PickleRef key = 0;
    graph_.for_each_child(dict, [&](PickleRef child) {
      if (!std::exchange(is_key, !is_key)) return walk(child, join(name, separator, key_text(key)), depth + 1);
      key = child;
    });
  }

  void walk_list(PickleRef list, const std::string& name, int depth) {
    std::uint64_t position = 0;
    graph_.for_each_child(list, [&](PickleRef child) { walk(child, join(name, '/', concat(position++)), depth + 1); });
  }

  /// The state of a module is the dict of its attributes, or whatever its __getstate__ returned.
  void walk_object(PickleRef object, const std::string& name, int depth) {
    if (graph_[object].count == 0) return;
    const PickleRef state = graph_.children<1>(object)[0];
    if (graph_[state].kind == PickleKind::dict) return walk_dict(state, name, '.', depth);
    walk(state, name, depth + 1);
  }

  std::string join(const std::string& name, char separator, std::string_view part) {
    charge_text(name.size() + part.size());
    return name.empty() ? std::string(part) : concat(name, separator, part);
  }

  std::string key_text(PickleRef key) const {
    const PickleNode& node = graph_[key];
    if (node.kind == PickleKind::text) return std::string(node.text);
    if (node.kind == PickleKind::integer) return node.is_big ? std::string(node.text) : concat(node.integer);
    fail(ErrorCode::unsupported,
         concat(graph_.source(), ": a dict has ", to_string(node.kind), " as key; strings and integers are supported"));
  }

  void charge_text(std::uint64_t bytes) {
    text_ += bytes;
    if (text_ > most_text_) fail_limit("bytes of names and text", most_text_);
  }

  void add_tensor(PickleRef tensor, const std::string& name) {
    const auto [storage, offset, extents, strides] = graph_.children<4>(tensor);
    const std::string what = concat(graph_.source(), ": tensor ", in_quotes(name));
    WeightEntry entry;
    entry.name = name;
    entry.dtype = graph_[tensor].global.dtype;
    std::array<std::uint64_t, Shape::kMaxRank> values{};
    entry.shape = checked_shape(numbers(extents, values, what), what);
    const auto steps = numbers(strides, values, what);
    for (std::size_t i = 0; i < steps.size(); ++i) entry.strides[i] = checked_index(steps[i], what);
    entry.offset = checked_mul(static_cast<std::uint64_t>(graph_[offset].integer), size_of(entry.dtype), what);
    place(std::move(entry), storage, what);
  }

  /// A storage that is saved by itself is a flat tensor.
  void add_storage(PickleRef storage, const std::string& name) {
    const std::string what = concat(graph_.source(), ": storage ", in_quotes(name));
    WeightEntry entry;
    entry.name = name;
    entry.dtype = graph_[storage].global.dtype;
    const std::uint64_t extents[] = {find_storage_(graph_, storage).size / size_of(entry.dtype)};
    entry.shape = checked_shape(extents, what);
    entry.strides = row_major_strides(entry.shape);
    place(std::move(entry), storage, what);
  }

  void place(WeightEntry entry, PickleRef storage, std::string_view what) {
    if (index_.entries.size() >= most_entries_) fail_limit("tensors", most_entries_);
    const TorchStorage found = find_storage_(graph_, storage);
    expect_inside(entry, found.size, what);
    entry.storage = found.number;
    entry.offset = entry.shape.size() == 0 ? 0 : entry.offset + found.offset;
    index_.entries.push_back(std::move(entry));
  }

  /// The children of a tuple of natural numbers (pickle/build.hpp saw to that), kept in `values`.
  std::span<const std::uint64_t> numbers(PickleRef tuple, std::array<std::uint64_t, Shape::kMaxRank>& values,
                                         std::string_view what) const {
    const std::size_t count = graph_[tuple].count;
    if (count > values.size())
      fail(ErrorCode::limit, concat(what, " has ", count, " axes; at most ", values.size(), " are supported"));
    std::size_t i = 0;
    graph_.for_each_child(tuple, [&](PickleRef n) { values[i++] = static_cast<std::uint64_t>(graph_[n].integer); });
    return std::span(values).first(count);
  }

  void add_value(const PickleNode& node, const std::string& name) {
    if (index_.values.size() >= most_values_) fail_limit("values", most_values_);
    charge_text(node.text.size());
    using Kind = WeightValue::Kind;
    switch (node.kind) {
      case PickleKind::none: return add_value(name, Kind::null, "null");
      case PickleKind::boolean: return add_value(name, Kind::boolean, node.integer != 0 ? "true" : "false");
      case PickleKind::integer:
        return add_value(name, Kind::number, node.is_big ? std::string(node.text) : concat(node.integer));
      case PickleKind::real: return add_value(name, Kind::number, concat(node.real));
      case PickleKind::text: return add_value(name, Kind::text, std::string(node.text));
      case PickleKind::device: return add_value(name, Kind::other, concat("device ", node.text));
      case PickleKind::bytes: return add_value(name, Kind::other, concat(counted(node.text.size(), "byte")));
      default: return add_value(name, Kind::other, concat("torch.", node.text));
    }
  }

  void add_value(const std::string& name, WeightValue::Kind kind, std::string text) {
    index_.values.push_back({name, kind, std::move(text)});
  }

  [[noreturn]] void fail_limit(std::string_view what, std::uint64_t most) const {
    fail(ErrorCode::limit, concat(graph_.source(), ": more than ", most, " ", what));
  }

  const PickleGraph& graph_;
  FindTorchStorage find_storage_;
  WeightIndex& index_;
  std::uint64_t most_visits_, most_entries_, most_values_, most_text_;
  std::uint64_t visits_ = 0, text_ = 0;
};

}}}  // namespace moeclip::abi_v0_1::detail
