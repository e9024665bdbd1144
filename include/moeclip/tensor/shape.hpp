// SPDX-License-Identifier: MIT
#pragma once
// The extents of a tensor: up to eight of them, outermost first, stored in the object itself.

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>

#include "../base/error.hpp"
#include "../base/lists.hpp"
#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How many elements an array has along each axis. By default it has rank 0, the shape of a single number.
class Shape {
 public:
  static constexpr int kMaxRank = 8;  ///< the most axes that a shape can have

  Shape() = default;
  /// Throws contract for a negative extent, more than kMaxRank of them, or more elements than index_t can count.
  Shape(std::initializer_list<index_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const index_t> extents) : rank_(static_cast<int>(extents.size())) {
    MOECLIP_EXPECT(extents.size() <= kMaxRank, "a shape of rank ", extents.size(), "; at most ", int{kMaxRank},
                   " is supported");
    std::copy(extents.begin(), extents.end(), extents_.begin());
    index_t left = (std::numeric_limits<index_t>::max)();
    for (const index_t extent : extents) {
      MOECLIP_EXPECT(extent >= 0, "a shape has the negative extent ", extent);
      if (extent > 1) left /= extent;
      MOECLIP_EXPECT(left > 0, "a shape has more elements than can be counted");
    }
  }

  [[nodiscard]] int rank() const noexcept { return rank_; }  ///< number of axes
  /// Extent along `axis`, 0 being the outermost. Not checked.
  [[nodiscard]] index_t operator[](int axis) const { return extents_[static_cast<std::size_t>(axis)]; }
  /// All extents, outermost first; valid as long as the shape.
  [[nodiscard]] std::span<const index_t> extents() const noexcept {
    return {extents_.data(), static_cast<std::size_t>(rank_)};
  }

  /// Number of elements; 1 for rank 0.
  [[nodiscard]] index_t size() const noexcept {
    index_t product = 1;
    for (const index_t extent : extents()) product *= extent;
    return product;
  }

  friend bool operator==(const Shape& a, const Shape& b) { return lists::equal(a.extents(), b.extents()); }

 private:
  std::array<index_t, kMaxRank> extents_{};
  int rank_ = 0;
};

/// "(2,3,4)"; "()" for rank 0.
inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int axis = 0; axis < shape.rank(); ++axis) text += concat(axis == 0 ? "" : ",", shape[axis]);
  return text + ")";
}

}}  // namespace moeclip::abi_v0_1
