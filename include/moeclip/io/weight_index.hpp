// SPDX-License-Identifier: MIT
#pragma once
// What a weight file holds and where, whatever its format: files in memory, storages (runs of bytes in them, possibly
// compressed) and entries (strided views of storages). The format readers fill it, and WeightFile reads through it.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../base/checked.hpp"
#include "../base/lists.hpp"
#include "../tensor/shape.hpp"
#include "bytes.hpp"
#include "dtype.hpp"
#include "file.hpp"
#include "naming.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The bytes of one file, and who keeps them. They are writable, so that tensors may borrow them.
struct WeightBytes {
  std::shared_ptr<void> owner;          // keeps the bytes: the mapping, or a vector
  std::shared_ptr<MappedFile> mapping;  // null for bytes that do not come from a file
  std::byte* data = nullptr;            // the first byte
  std::uint64_t size = 0;               // in bytes
  std::string name;                     // for messages: the path, or what was given with the bytes

  /// The same bytes, to be read.
  [[nodiscard]] Bytes bytes() const { return {data, static_cast<std::size_t>(size)}; }

  /// The file `path`, mapped. Throws io as MappedFile::open.
  static WeightBytes map(const std::string& path) {
    auto file = MappedFile::open(path);
    return {file, file, file->data(), file->size(), path};
  }
  /// Takes over `bytes`, which are in memory already; messages use `name`.
  static WeightBytes keep(std::vector<std::byte> bytes, std::string name) {
    auto owner = std::make_shared<std::vector<std::byte>>(std::move(bytes));
    return {owner, nullptr, owner->data(), owner->size(), std::move(name)};
  }
};

/// A run of bytes in a file that entries view.
struct WeightStorage {
  std::uint32_t file = 0;         // number in WeightIndex::files
  std::uint64_t offset = 0;       // in the file
  std::uint64_t packed_size = 0;  // in the file
  std::uint64_t size = 0;         // of what it holds
  std::uint32_t crc = 0;          // CRC-32 of what it holds; only if has_crc
  bool has_crc = false;           // not every file stores one
  bool is_deflated = false;       // must be inflated before it is viewed
};

/// A named tensor. Element (i, j, ...) begins `offset` + (i * strides[0] + j * strides[1] ...) * size_of(dtype) bytes
/// into its storage.
struct WeightEntry {
  std::string name;           // nested containers are joined with '/', TorchScript modules with '.'
  DType dtype = DType::f32;   // as stored
  Shape shape;                // outermost extent first
  std::uint32_t storage = 0;  // number in WeightIndex::storages
  std::uint64_t offset = 0;   // in bytes
  std::array<index_t, Shape::kMaxRank> strides{};  // of each axis, in elements, not negative

  /// Bytes of all elements, packed densely.
  [[nodiscard]] std::uint64_t byte_size() const { return static_cast<std::uint64_t>(shape.size()) * size_of(dtype); }
};

/// Something beside tensors that a checkpoint holds, like an epoch: text as it is, a number in decimal, "true".
struct WeightValue {
  /// What `text` spells; `other` is something that is described only, like a device.
  enum class Kind : std::uint8_t { null, boolean, number, text, other };

  std::string name;        // as of tensors
  Kind kind = Kind::null;  // how to read `text`
  std::string text;        // the value, in words where it is neither text nor number
};

/// The formats: safetensors, torch.save since 1.6 (zip), TorchScript, torch.save before 1.6 (legacy), and an index file
/// with parts (sharded).
enum class WeightKind : std::uint8_t { safetensors, torch_zip, torch_script, torch_legacy, sharded };

/// What people call the format, for messages.
inline const char* to_string(WeightKind kind) {
  switch (kind) {
    case WeightKind::safetensors: return "safetensors";
    case WeightKind::torch_zip: return "PyTorch checkpoint";
    case WeightKind::torch_script: return "TorchScript archive";
    case WeightKind::torch_legacy: return "PyTorch checkpoint (before 1.6)";
    case WeightKind::sharded: return "sharded checkpoint";
  }
  return "unknown";
}

/// All that one weight file, or one sharded model, holds.
struct WeightIndex {
  WeightKind kind = WeightKind::safetensors;  // the format that was recognised
  std::string path;                           // for messages: the file, or the index file of a sharded model
  std::vector<WeightBytes> files;             // one, or each part of a sharded model
  std::vector<WeightStorage> storages;        // of all files
  std::vector<WeightEntry> entries;           // in the order of the file
  std::vector<WeightValue> values;            // likewise
  std::vector<std::pair<std::string, std::string>> metadata;  // of safetensors, or beside a checkpoint
};

/// The __metadata__ of a safetensors file: keys and their texts.
using Metadata = std::span<const std::pair<std::string, std::string>>;

/// The text of `key`, or null.
inline const std::string* find_metadata(Metadata metadata, std::string_view key) {
  for (const auto& [name, text] : metadata)
    if (name == key) return &text;
  return nullptr;
}

namespace detail {

/// Extents from a file as a Shape. Throws limit for more axes or elements than can be handled.
inline Shape checked_shape(std::span<const std::uint64_t> extents, std::string_view what) {
  if (extents.size() > Shape::kMaxRank)
    fail(ErrorCode::limit,
         concat(what, " has ", extents.size(), " axes; at most ", int{Shape::kMaxRank}, " are supported"));
  std::array<index_t, Shape::kMaxRank> checked{};
  std::uint64_t product = 1;  // also of empty tensors' other extents, as Shape wants it
  for (std::size_t i = 0; i < extents.size(); ++i) {
    checked[i] = checked_index(extents[i], what);
    product = checked_mul(product, std::max<std::uint64_t>(extents[i], 1), what);
  }
  checked_index(checked_mul(product, 8, what), what);  // bytes of the widest element
  return Shape(std::span<const index_t>(checked.data(), extents.size()));
}

/// Row-major strides of `shape`, in elements.
inline std::array<index_t, Shape::kMaxRank> row_major_strides(const Shape& shape) {
  std::array<index_t, Shape::kMaxRank> strides{};
  index_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= std::max<index_t>(shape[axis], 1);
  }
  return strides;
}

/// Throws format if the element furthest from the start of `entry` lies beyond `available` bytes of its storage.
inline void expect_inside(const WeightEntry& entry, std::uint64_t available, std::string_view what) {
  if (entry.shape.size() == 0) return;
  std::uint64_t furthest = 0;
  for (int axis = 0; axis < entry.shape.rank(); ++axis) {
    const auto stride = static_cast<std::uint64_t>(entry.strides[static_cast<std::size_t>(axis)]);
    const auto steps = static_cast<std::uint64_t>(entry.shape[axis] - 1);
    furthest = checked_add(furthest, checked_mul(steps, stride, what), what);
  }
  const std::uint64_t end =
      checked_add(entry.offset, checked_mul(checked_add(furthest, 1, what), size_of(entry.dtype), what), what);
  if (end > available)
    fail(ErrorCode::format, concat(what, " reaches to byte ", end, " of a storage of ", counted(available, "byte")));
}

/// Views may repeat elements, so a small file can describe more than fits any memory. Adds the work of reading each
/// entry of `index` and throws limit beyond a generous multiple of what its files hold.
inline void expect_affordable(const WeightIndex& index) {
  std::uint64_t held = 0, work = 0;
  for (const WeightBytes& file : index.files) held = checked_add(held, file.size, index.path);
  const std::uint64_t most = checked_add(std::uint64_t{256} << 20, checked_mul(held, 16, index.path), index.path);
  for (const WeightEntry& entry : index.entries) {
    const WeightStorage& storage = index.storages[entry.storage];
    work = checked_add(work, (std::max)(entry.byte_size(), storage.is_deflated ? storage.size : 0), index.path);
    if (work > most)
      fail(ErrorCode::limit, concat(index.path, ": its tensors take more than ", counted(most, "byte"),
                                    " when they are read, far more "
                                    "than the file holds (",
                                    held, "); up to ", in_quotes(entry.name), " it is ", work));
  }
}

/// Throws format if two entries or two values share a name.
inline void expect_unique_names(const WeightIndex& index) {
  std::vector<std::string_view> names;
  const auto expect_unique = [&](std::string_view what) {
    lists::sort(names);
    const auto twice = lists::adjacent_find(names);
    if (twice != names.end())
      fail(ErrorCode::format, concat(index.path, ": two ", what, " are named ", in_quotes(*twice)));
    names.clear();
  };
  for (const WeightEntry& entry : index.entries) names.push_back(entry.name);
  expect_unique("tensors");
  for (const WeightValue& value : index.values) names.push_back(value.name);
  expect_unique("values");
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1
