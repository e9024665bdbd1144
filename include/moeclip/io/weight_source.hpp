// SPDX-License-Identifier: MIT
#pragma once
// A weight file seen by a loader: names below a prefix, in the spelling that the loader knows, and shapes that it
// insists on. `source.at("visual.").at("ln_pre.").read<float>("weight", {D})`.

#include <string>
#include <string_view>
#include <utility>

#include "weights.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

/// Turns the name that a loader asks for into the one that the file uses.
using RenameTensor = std::string (*)(std::string_view canonical);

class WeightSource {
 public:
  /// `file_prefix` stands before every name in the file ("module.", "state_dict/"); `rename` may be null: same names.
  explicit WeightSource(WeightFile file, std::string file_prefix = {}, RenameTensor rename = nullptr)
      : file_(std::move(file)), file_prefix_(std::move(file_prefix)), rename_(rename) {}

  [[nodiscard]] const WeightFile& file() const noexcept { return file_; }

  /// The same file below `prefix`, which is in the loader's spelling.
  [[nodiscard]] WeightSource at(std::string_view prefix) const {
    WeightSource below = *this;
    below.prefix_ += prefix;
    return below;
  }

  /// How the file spells the loader's `name`.
  [[nodiscard]] std::string stored_name(std::string_view name) const {
    const std::string canonical = concat(prefix_, name);
    return concat(file_prefix_, rename_ != nullptr ? rename_(canonical) : canonical);
  }

  /// The tensor, or null if the file has none of this name.
  [[nodiscard]] const WeightEntry* find(std::string_view name) const { return file_.find(stored_name(name)); }

  /// The tensor. Throws missing, naming the file and the nearest names that it has.
  [[nodiscard]] const WeightEntry& entry(std::string_view name) const { return file_.entry(stored_name(name)); }

  /// The tensor, which must have this shape. Throws missing or mismatch: what was found, what was wanted, where.
  template <class T>
  [[nodiscard]] Tensor<T> read(std::string_view name, const Shape& shape) const {
    return file_.read<T>(expect_shape(name, shape).name);
  }
  /// The tensor, whatever its shape.
  template <class T>
  [[nodiscard]] Tensor<T> read(std::string_view name) const {
    return file_.read<T>(entry(name).name);
  }
  /// The elements of the tensor, which must have this shape, into `out`, which must have room for just these.
  template <class T>
  void read_into(std::string_view name, const Shape& shape, std::span<T> out) const {
    file_.read_into<T>(expect_shape(name, shape).name, out);
  }

 private:
  const WeightEntry& expect_shape(std::string_view name, const Shape& shape) const {
    const WeightEntry& found = entry(name);
    if (found.shape != shape)
      fail(ErrorCode::mismatch, concat(file_.path(), ": tensor ", in_quotes(found.name), " is ", to_string(found.dtype),
                                       " ", to_string(found.shape), "; ", to_string(shape), " is wanted"));
    return found;
  }

  WeightFile file_;
  std::string file_prefix_;
  std::string prefix_;
  RenameTensor rename_ = nullptr;
};

}  // namespace moeclip::inline MOECLIP_ABI_NS
