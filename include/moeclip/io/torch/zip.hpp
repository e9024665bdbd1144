// SPDX-License-Identifier: MIT
#pragma once
// PyTorch's zip archives: what torch.save writes since 1.6, and TorchScript. Inside one top folder there are `data.pkl`
// (the structure), `data/KEY` for each storage and `byteorder`; TorchScript adds code/ and constants, which are not
// needed for weights and never run.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../pickle.hpp"
#include "../zip.hpp"
#include "tree.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

class TorchZipReader {
 public:
  explicit TorchZipReader(WeightBytes file) : zip_(ZipArchive::open(file.bytes(), file.name)) {
    index_.path = file.name;
    // Inflating may cost this much more than the file itself; honest archives are stored, or gain a few percent.
    most_inflated_ = (std::uint64_t{16} << 20) + 2 * file.size;
    most_pickle_ = (std::uint64_t{4} << 20) + 2 * file.size;
    index_.files.push_back(std::move(file));
  }

  WeightIndex run() {
    const ZipEntry& structure = find_structure();
    prefix_ = structure.name.substr(0, structure.name.size() - kStructure.size());
    expect_little_endian();
    const bool is_script = zip_.find(concat(prefix_, "constants.pkl")) != nullptr || has_code();
    index_.kind = is_script ? WeightKind::torch_script : WeightKind::torch_zip;
    std::vector<std::byte> buffer;
    const Bytes bytes = zip_.contents(structure, most_pickle_, buffer);
    const Pickle pickle = read_pickle(bytes, index_.path, is_script);
    const auto find_storage = [&](const PickleGraph& graph, PickleRef ref) { return storage(graph, ref); };
    TorchTree(pickle.graph, bytes.size(), find_storage, index_).walk(pickle.root, "");
    expect_unique_names(index_);
    expect_affordable(index_);
    return std::move(index_);
  }

 private:
  static constexpr std::string_view kStructure = "data.pkl";

  /// The one `data.pkl` at the top or in a top folder.
  const ZipEntry& find_structure() const {
    const ZipEntry* found = nullptr;
    for (const ZipEntry& entry : zip_.entries()) {
      const std::size_t slash = entry.name.find('/');
      const std::string_view name = slash == std::string_view::npos ? entry.name : entry.name.substr(slash + 1);
      if (name != kStructure) continue;
      if (found != nullptr)
        fail(ErrorCode::format, concat(index_.path, ": the archive holds two checkpoints, ", in_quotes(found->name),
                                       " and ", in_quotes(entry.name)));
      found = &entry;
    }
    if (found == nullptr) fail_without_structure();
    return *found;
  }

  [[noreturn]] void fail_without_structure() const {
    std::string_view guess = "is it a checkpoint at all?";
    for (const ZipEntry& entry : zip_.entries()) {
      if (entry.name.ends_with(".npy")) guess = "it looks like NumPy's .npz; save the arrays as safetensors";
      if (entry.name.ends_with("/model.json"))
        guess = "it looks like TorchScript of PyTorch 1.3 or older; save it anew";
      if (entry.name.ends_with(".safetensors") || entry.name.ends_with(".pt") || entry.name.ends_with(".pth"))
        guess = "it holds a weight file; unpack it";
    }
    fail(ErrorCode::unsupported, concat(index_.path, ": a zip archive without data.pkl (",
                                        counted(zip_.entries().size(), "entry"), "): ", guess));
  }

  bool has_code() const {
    const std::string folder = concat(prefix_, "code/");
    for (const ZipEntry& entry : zip_.entries())
      if (entry.name.starts_with(folder)) return true;
    return false;
  }

  void expect_little_endian() const {
    const ZipEntry* const entry = zip_.find(concat(prefix_, "byteorder"));
    if (entry == nullptr) return;
    std::vector<std::byte> buffer;
    const std::string_view order = as_text(zip_.contents(*entry, 64, buffer));
    if (order == "big")
      fail(ErrorCode::unsupported, concat(index_.path, ": was saved on a big-endian machine; save it on a common one"));
    if (order != "little") fail(ErrorCode::format, concat(index_.path, ": the byte order is ", in_quotes(order)));
  }

  TorchStorage storage(const PickleGraph& graph, PickleRef ref) {
    const PickleNode& node = graph[ref];
    if (node.count != 0) fail(ErrorCode::format, concat(index_.path, ": a storage is a view of another one"));
    const std::uint64_t size = declared_size(graph, ref);
    const auto known = by_key_.find(node.text);
    const std::uint32_t number = known != by_key_.end() ? known->second : add_storage(node.text);
    if (index_.storages[number].size != size)
      fail(ErrorCode::format, concat(index_.path, ": storage ", in_quotes(node.text), " holds ",
                                     counted(index_.storages[number].size, "byte"), ", but ", size, " are declared"));
    return {number, 0, size};
  }

  std::uint32_t add_storage(std::string_view key) {
    const ZipEntry* const entry = zip_.find(concat(prefix_, "data/", key));
    if (entry == nullptr)
      fail(ErrorCode::format, concat(index_.path, ": the archive lacks the storage ", in_quotes(key)));
    if (entry->is_deflated && entry->size > most_inflated_)
      fail(ErrorCode::limit,
           concat(index_.path, ": storage ", in_quotes(key), " inflates to ", counted(entry->size, "byte"),
                  "; at most ", most_inflated_, " are accepted from a file of this size"));
    const auto number = static_cast<std::uint32_t>(index_.storages.size());
    const bool has_crc = entry->crc != 0;  // torch can be told not to make checksums, and then writes 0
    index_.storages.push_back(
        {0, entry->data_offset, entry->packed_size, entry->size, entry->crc, has_crc, entry->is_deflated});
    by_key_.emplace(key, number);
    return number;
  }

  ZipArchive zip_;
  WeightIndex index_;
  std::string prefix_;
  std::uint64_t most_inflated_ = 0, most_pickle_ = 0;
  std::map<std::string, std::uint32_t, std::less<>> by_key_;
};

}  // namespace detail

/// Reads the structure of a torch.save or TorchScript archive; tensors stay where they are. Throws format if it is
/// broken, unsupported for what is not plain tensors, limit for sizes beyond what the file warrants.
inline WeightIndex read_torch_zip(WeightBytes file) { return detail::TorchZipReader(std::move(file)).run(); }

}}  // namespace moeclip::abi_v0_1
