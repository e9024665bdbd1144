// SPDX-License-Identifier: MIT
#pragma once
// Writing what torch.save writes: a zip archive of a pickle and one file per tensor, which torch.load and this
// library's reader (zip.hpp) read. Values come in the order of the file; a tensor's elements are remembered, not
// copied, until commit().

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../base/function_ref.hpp"
#include "../../tensor/shape.hpp"
#include "../little_endian.hpp"
#include "../pickle.hpp"
#include "../sha256.hpp"
#include "../weight_index.hpp"
#include "../zip_writer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

class TorchWriter {
 public:
  /// What will be written to `path`; nothing is touched before commit().
  explicit TorchWriter(std::string path) : path_(std::move(path)) {}

  /// Containers, keys and plain values.
  PickleWriter& structure() { return pickle_; }

  /// A tensor of float, double or int64 (row-major), which must live until commit().
  template <class T>
  void tensor(const Shape& shape, std::span<const T> values) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>);
    MOECLIP_EXPECT(std::ssize(values) == shape.size(), path_, ": a tensor of shape ", to_string(shape), " was given ",
                   values.size(), " elements");
    pickle_.global("torch._utils", "_rebuild_tensor_v2");
    pickle_.begin_tuple();
    storage(std::is_same_v<T, float>    ? "FloatStorage"
            : std::is_same_v<T, double> ? "DoubleStorage"
                                        : "LongStorage",
            shape.size());
    pickle_.integer(0);  // offset into the storage
    numbers(shape.extents());
    const auto strides = detail::row_major_strides(shape);
    numbers(std::span(strides).first(static_cast<std::size_t>(shape.rank())));
    pickle_.boolean(false);  // requires_grad
    pickle_.begin_ordered_dict();
    pickle_.end();  // no hooks
    pickle_.end();
    pickle_.reduce();
    if constexpr (!kIsStoredAsInMemory<T>) swapped_.push_back(little_endian_bytes(values));
    tensors_.push_back(kIsStoredAsInMemory<T> ? std::as_bytes(values) : Bytes(swapped_.back()));
  }

  /// Writes the file and makes it appear. Throws io, or limit beyond 4 GiB.
  void commit() {
    commit([](const std::string&) {});
  }

  /// The same; `on_written` gets the SHA-256 of the file (64 hexadecimal digits) when all of it is written and it has
  /// not got its name yet. If that throws, the file does not appear.
  void commit(function_ref<void(const std::string& hash)> on_written) {
    Sha256 hash;
    ZipWriter zip(path_, &hash);
    const std::string structure = pickle_.finish();
    zip.add("archive/data.pkl", as_bytes(structure), kAlignment);
    zip.add("archive/byteorder", as_bytes("little"), kAlignment);
    for (std::size_t i = 0; i < tensors_.size(); ++i) zip.add(concat("archive/data/", i), tensors_[i], kAlignment);
    zip.add("archive/version", as_bytes("3\n"), kAlignment);  // of the layout, since PyTorch 1.6
    zip.commit([&] { on_written(to_hex(hash.finish())); });
  }

 private:
  static constexpr std::uint64_t kAlignment = 64;  // as PyTorch aligns, so that files can be mapped

  void storage(std::string_view type, index_t size) {
    pickle_.begin_tuple();
    pickle_.text("storage");
    pickle_.global("torch", type);
    pickle_.text(concat(tensors_.size()));
    pickle_.text("cpu");
    pickle_.integer(size);
    pickle_.end();
    pickle_.persistent_id();
  }

  void numbers(std::span<const index_t> values) {
    pickle_.begin_tuple();
    for (const index_t value : values) pickle_.integer(value);
    pickle_.end();
  }

  std::string path_;
  PickleWriter pickle_;
  std::vector<Bytes> tensors_;
  std::vector<std::vector<std::byte>> swapped_;  // their elements, where this machine's are not stored as they lie
};

}}  // namespace moeclip::abi_v0_1
