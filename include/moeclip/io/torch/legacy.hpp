// SPDX-License-Identifier: MIT
#pragma once
// What torch.save wrote before 1.6 (and still writes on request): five pickles in a row, a magic number, a version,
// facts about the machine, the structure, and the list of storage keys; then each storage as its element count and its
// elements.

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "../../base/checked.hpp"
#include "../pickle.hpp"
#include "tree.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// 0x1950a86a20f9469cfc6c
inline constexpr std::string_view kTorchMagic = "119547037146038801333356";

class TorchLegacyReader {
 public:
  explicit TorchLegacyReader(WeightBytes file) : reader_(file.bytes(), file.name) {
    index_.kind = WeightKind::torch_legacy;
    index_.path = file.name;
    index_.files.push_back(std::move(file));
  }

  WeightIndex run() {
    expect_header();
    const std::uint64_t begin = reader_.offset();
    const Pickle structure = next_pickle();
    const std::uint64_t size = reader_.offset() - begin;
    gather_storages(structure.graph);
    read_storages();
    const auto find_storage = [&](const PickleGraph& graph, PickleRef ref) { return storage(graph, ref); };
    TorchTree(structure.graph, size, find_storage, index_).walk(structure.root, "");
    expect_unique_names(index_);
    expect_affordable(index_);
    return std::move(index_);
  }

 private:
  struct Declared {
    std::uint64_t element_size = 0, count = 0;
    bool is_read = false;
    std::uint32_t number = 0;  // in WeightIndex::storages, once it is read
  };

  [[noreturn]] void fail_format(std::string_view problem) const {
    fail(ErrorCode::format, concat(index_.path, ": ", problem));
  }

  Pickle next_pickle() {
    const Bytes rest = index_.files[0].bytes().subspan(static_cast<std::size_t>(reader_.offset()));
    Pickle pickle = read_pickle(rest, index_.path);
    reader_.skip(pickle.size);
    return pickle;
  }

  void expect_header() {
    const Pickle magic = next_pickle();
    const PickleNode& number = magic.graph[magic.root];
    if (number.kind != PickleKind::integer || !number.is_big || number.text != kTorchMagic)
      fail(ErrorCode::unsupported, concat(index_.path,
                                          ": a Python pickle that torch.save did not write; save the tensors "
                                          "with torch.save or as safetensors"));
    const Pickle version = next_pickle();
    if (version.graph[version.root].kind != PickleKind::integer || version.graph[version.root].integer != 1001)
      fail(ErrorCode::unsupported, concat(index_.path, ": not version 1001 of the old torch.save format"));
    const Pickle machine = next_pickle();
    if (machine.graph[machine.root].kind != PickleKind::dict) fail_format("the facts about the machine are not a dict");
    bool is_key = true;
    PickleRef key = 0;
    machine.graph.for_each_child(machine.root, [&](PickleRef child) {
      if (std::exchange(is_key, !is_key)) {
        key = child;
      } else if (machine.graph[key].text == "little_endian" && machine.graph[child].integer == 0) {
        fail(ErrorCode::unsupported,
             concat(index_.path, ": was saved on a big-endian machine; save it on a common one"));
      }
    });
  }

  /// The data does not say how large an element is; the structure does.
  void gather_storages(const PickleGraph& graph) {
    for (PickleRef ref = 0; ref < graph.size(); ++ref) {
      const PickleNode& node = graph[ref];
      if (node.kind != PickleKind::storage) continue;
      const Declared declared{size_of(node.global.dtype), static_cast<std::uint64_t>(node.integer)};
      const auto [at, is_new] = by_key_.try_emplace(std::string(node.text), declared);
      if (!is_new && (at->second.element_size != declared.element_size || at->second.count != declared.count))
        fail_format(concat("storage ", in_quotes(node.text), " is declared twice with different sizes"));
    }
  }

  void read_storages() {
    const Pickle keys = next_pickle();
    if (keys.graph[keys.root].kind != PickleKind::list) fail_format("the list of storages is not a list");
    keys.graph.for_each_child(keys.root, [&](PickleRef key) {
      if (keys.graph[key].kind != PickleKind::text) fail_format("the key of a storage is not a string");
      read_storage(keys.graph[key].text);
    });
  }

  void read_storage(std::string_view key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) fail_format(concat("storage ", in_quotes(key), " belongs to no tensor"));
    Declared& declared = found->second;
    if (std::exchange(declared.is_read, true)) fail_format(concat("storage ", in_quotes(key), " comes twice"));
    const std::uint64_t count = reader_.u64le();
    if (count != declared.count)
      fail_format(concat("storage ", in_quotes(key), " has ", counted(count, "element"), ", but ", declared.count,
                         " are declared"));
    const std::uint64_t size = checked_mul(count, declared.element_size, index_.path);
    declared.number = static_cast<std::uint32_t>(index_.storages.size());
    index_.storages.push_back({0, reader_.offset(), size, size, 0, false, false});
    reader_.skip(size);
  }

  TorchStorage storage(const PickleGraph& graph, PickleRef ref) const {
    const PickleNode& node = graph[ref];
    const auto found = by_key_.find(node.text);
    if (found == by_key_.end() || !found->second.is_read)
      fail_format(concat("storage ", in_quotes(node.text), " is missing"));
    const TorchStorage whole{found->second.number, 0, declared_size(graph, ref)};
    if (node.count == 0) return whole;
    const auto [key, offset, count] = graph.children<3>(ref);
    const std::uint64_t element = size_of(node.global.dtype);
    const std::uint64_t begin = checked_mul(static_cast<std::uint64_t>(graph[offset].integer), element, index_.path);
    const std::uint64_t size = checked_mul(static_cast<std::uint64_t>(graph[count].integer), element, index_.path);
    if (!range_fits(begin, size, whole.size))
      fail_format(concat("storage view ", in_quotes(graph[key].text), " does not fit"));
    return {whole.number, begin, size};
  }

  WeightIndex index_;
  ByteReader reader_;
  std::map<std::string, Declared, std::less<>> by_key_;
};

}  // namespace detail

/// Reads the structure of a file that torch.save wrote without zip; tensors stay where they are. Errors as in
/// read_torch_zip.
inline WeightIndex read_torch_legacy(WeightBytes file) { return detail::TorchLegacyReader(std::move(file)).run(); }

}}  // namespace moeclip::abi_v0_1
