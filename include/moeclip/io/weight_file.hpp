// SPDX-License-Identifier: MIT
#pragma once
// The one way to read tensors from a weight file, whatever its format. Opening (weights.hpp) reads the structure only;
// elements are converted, or used where they lie in the mapped file, when they are asked for.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../base/function_ref.hpp"
#include "../base/lists.hpp"
#include "../tensor/tensor.hpp"
#include "convert_elements.hpp"
#include "weight_index.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A handle on an open weight file: cheap to copy, immutable, safe to use from several threads. Who opens one includes
/// io/weights.hpp.
class WeightFile {
 public:
  /// Opens safetensors, torch.save (zip or old), TorchScript, the index of a sharded model, or a folder with one of
  /// them; told apart by content. Throws io, format, unsupported or limit (see the readers); nothing in a file is run.
  static MOECLIP_FUNC WeightFile open(const std::string& path);

  /// What a reader of one format found.
  explicit WeightFile(WeightIndex index);

  /// The same for one file whose bytes are in memory. `name` is used in messages.
  static MOECLIP_FUNC WeightFile from_bytes(std::vector<std::byte> bytes, std::string name);

  [[nodiscard]] WeightKind kind() const noexcept;          ///< the format that was recognised
  [[nodiscard]] const std::string& path() const noexcept;  ///< what was opened; for bytes, their name

  /// All tensors in the order of the file: name, dtype, shape. Names of nested containers are joined with '/'.
  [[nodiscard]] std::span<const WeightEntry> entries() const noexcept;

  /// What else a checkpoint holds: epoch, learning rates, switches.
  [[nodiscard]] std::span<const WeightValue> values() const noexcept;

  /// The __metadata__ of a safetensors file; of a PyTorch checkpoint the record beside it (io/sidecar.hpp).
  [[nodiscard]] std::span<const std::pair<std::string, std::string>> metadata() const noexcept;

  /// The tensor with this name, or null.
  [[nodiscard]] const WeightEntry* find(std::string_view name) const;

  /// The tensor with this name. Throws missing, naming the file and the nearest names that it has.
  [[nodiscard]] const WeightEntry& entry(std::string_view name) const;

  /// The tensor `name` as T (float or double). Uses the mapped file without a copy where the stored elements are T,
  /// row-major and aligned: such tensors share memory with others that view the same elements, and with later reads.
  /// Throws missing, or format if the stored bytes fail their checksum.
  template <class T>
  [[nodiscard]] Tensor<T> read(std::string_view name) const;

  /// Converts the elements of `name` to T (float or double) in row-major order. Throws as read; contract if `out` has
  /// another number of elements.
  template <class T>
  void read_into(std::string_view name, std::span<T> out) const;

  /// Calls visit with the elements of `name` as they are stored (little endian), in row-major order, in pieces of at
  /// most 1 MiB that are valid during the call. Memory stays bounded however large the tensor is. Throws as read.
  void stored_bytes(std::string_view name, function_ref<void(Bytes)> visit) const;

 private:
  /// What all copies of a handle, and the tensors that borrow from the file, share.
  struct Held;

  /// Once it is read, the pages of [offset, offset + size) of a storage need not stay in memory.
  void release(std::uint32_t number, std::uint64_t offset, std::uint64_t size) const;

  [[nodiscard]] Bytes packed(const WeightStorage& storage) const;

  /// Compares the checksum of a stored (not deflated) storage, the first time it is used.
  void expect_intact(std::uint32_t number) const;

  void for_each_piece(const WeightEntry& wanted, function_ref<void(Bytes)> visit) const;

  std::shared_ptr<Held> held_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>
#include <atomic>
#include <numeric>

#include "checksum.hpp"
#include "naming.hpp"
#include "weights/pieces.hpp"
#include "zip.hpp"

namespace moeclip { inline namespace abi_v0_1 {

struct WeightFile::Held {
  explicit Held(WeightIndex opened)
      : index(std::move(opened)),
        by_name(index.entries.size()),
        is_intact(index.storages.size()),
        is_borrowed(index.storages.size()) {
    std::iota(by_name.begin(), by_name.end(), std::uint32_t{0});
    lists::sort_numbers(by_name, [&](std::uint32_t a, std::uint32_t b) {
      return std::string_view(index.entries[a].name) < std::string_view(index.entries[b].name);
    });
  }

  const WeightIndex index;
  std::vector<std::uint32_t> by_name;
  std::vector<std::atomic<bool>> is_intact;    // per storage: its checksum was compared
  std::vector<std::atomic<bool>> is_borrowed;  // per storage: tensors live in its pages, which must stay
};

MOECLIP_FUNC WeightFile::WeightFile(WeightIndex index) : held_(std::make_shared<Held>(std::move(index))) {}

MOECLIP_FUNC WeightKind WeightFile::kind() const noexcept { return held_->index.kind; }
MOECLIP_FUNC const std::string& WeightFile::path() const noexcept { return held_->index.path; }
MOECLIP_FUNC std::span<const WeightEntry> WeightFile::entries() const noexcept { return held_->index.entries; }
MOECLIP_FUNC std::span<const WeightValue> WeightFile::values() const noexcept { return held_->index.values; }

MOECLIP_FUNC std::span<const std::pair<std::string, std::string>> WeightFile::metadata() const noexcept {
  return held_->index.metadata;
}

MOECLIP_FUNC const WeightEntry* WeightFile::find(std::string_view name) const {
  const auto& entries = held_->index.entries;
  const auto at =
      lists::lower_bound(held_->by_name, name, [&](std::uint32_t i) { return std::string_view(entries[i].name); });
  return at != held_->by_name.end() && entries[*at].name == name ? &entries[*at] : nullptr;
}

MOECLIP_FUNC const WeightEntry& WeightFile::entry(std::string_view name) const {
  if (const WeightEntry* const found = find(name)) return *found;
  NearestNames nearest(name);
  for (const WeightEntry& known : entries()) nearest.consider(known.name);
  fail(ErrorCode::missing, concat(path(), ": has no tensor ", in_quotes(name),
                                  entries().empty() ? "" : "; the nearest are ", nearest.text()));
}

MOECLIP_FUNC void WeightFile::stored_bytes(std::string_view name, function_ref<void(Bytes)> visit) const {
  for_each_piece(entry(name), visit);
}

MOECLIP_FUNC void WeightFile::release(std::uint32_t number, std::uint64_t offset, std::uint64_t size) const {
  const WeightStorage& storage = held_->index.storages[number];
  const WeightBytes& file = held_->index.files[storage.file];
  if (file.mapping != nullptr && !held_->is_borrowed[number].load(std::memory_order_relaxed))
    file.mapping->discard(storage.offset + offset, size);
}

MOECLIP_FUNC Bytes WeightFile::packed(const WeightStorage& storage) const {
  return held_->index.files[storage.file].bytes().subspan(static_cast<std::size_t>(storage.offset),
                                                          static_cast<std::size_t>(storage.packed_size));
}

MOECLIP_FUNC void WeightFile::expect_intact(std::uint32_t number) const {
  const WeightStorage& storage = held_->index.storages[number];
  if (!storage.has_crc || held_->is_intact[number].load(std::memory_order_relaxed)) return;
  const Bytes bytes = packed(storage);
  std::uint32_t crc = 0;
  for (std::size_t done = 0; done < bytes.size(); done += detail::kPieceBytes) {
    const Bytes piece = bytes.subspan(done, std::min<std::size_t>(detail::kPieceBytes, bytes.size() - done));
    crc = crc32(piece, crc);
    release(number, done, piece.size());
  }
  if (crc != storage.crc)
    fail(ErrorCode::format, concat(path(), ": the data at byte ", storage.offset, " (", counted(storage.size, "byte"),
                                   ") fail their checksum (CRC-32): the file is damaged"));
  held_->is_intact[number].store(true, std::memory_order_relaxed);
}

MOECLIP_FUNC void WeightFile::for_each_piece(const WeightEntry& wanted, function_ref<void(Bytes)> visit) const {
  const WeightStorage& storage = held_->index.storages[wanted.storage];
  if (wanted.shape.size() == 0) return;
  if (storage.is_deflated) {
    const auto bytes = detail::inflate_checked(packed(storage), storage.size, storage.crc,
                                               concat(path(), ": tensor ", in_quotes(wanted.name)));
    release(wanted.storage, 0, storage.packed_size);
    return detail::for_each_piece(wanted, bytes.data(), visit);
  }
  expect_intact(wanted.storage);
  const bool is_in_order = detail::is_contiguous(wanted);
  std::uint64_t done = 0;
  detail::for_each_piece(wanted, packed(storage).data(), [&](Bytes piece) {
    visit(piece);
    if (is_in_order) release(wanted.storage, wanted.offset + done, piece.size());
    done += piece.size();
  });
  if (!is_in_order) release(wanted.storage, 0, storage.size);
}

template <class T>
Tensor<T> WeightFile::read(std::string_view name) const {
  const WeightEntry& wanted = entry(name);
  const WeightStorage& storage = held_->index.storages[wanted.storage];
  std::byte* const first = held_->index.files[storage.file].data + storage.offset + wanted.offset;
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(first) % alignof(T) == 0;
  if (wanted.shape.size() > 0 && !storage.is_deflated && is_stored_as<T>(wanted.dtype) && is_aligned &&
      detail::is_contiguous(wanted)) {
    held_->is_borrowed[wanted.storage].store(true, std::memory_order_relaxed);
    expect_intact(wanted.storage);
    return Tensor<T>::borrow(wanted.shape, reinterpret_cast<T*>(first), held_);
  }
  Tensor<T> tensor = Tensor<T>::uninitialised(wanted.shape);
  read_into(name, std::span<T>(tensor.data(), static_cast<std::size_t>(tensor.size())));
  return tensor;
}

template <class T>
void WeightFile::read_into(std::string_view name, std::span<T> out) const {
  const WeightEntry& wanted = entry(name);
  MOECLIP_EXPECT(static_cast<index_t>(out.size()) == wanted.shape.size(), path(), ": tensor ", in_quotes(name),
                 " has shape ", to_string(wanted.shape), "; room for ", counted(out.size(), "element"), " was given");
  T* to = out.data();
  for_each_piece(wanted, [&](Bytes piece) {
    const auto count = static_cast<index_t>(piece.size() / size_of(wanted.dtype));
    convert_elements(piece.data(), wanted.dtype, count, to);
    to += count;
  });
}

#if defined(MOECLIP_COMPILED)
template Tensor<float> WeightFile::read<float>(std::string_view) const;
template Tensor<double> WeightFile::read<double>(std::string_view) const;
template void WeightFile::read_into<float>(std::string_view, std::span<float>) const;
template void WeightFile::read_into<double>(std::string_view, std::span<double>) const;
#endif

}}  // namespace moeclip::abi_v0_1

#endif
