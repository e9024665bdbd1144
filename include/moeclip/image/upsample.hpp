// SPDX-License-Identifier: MIT
#pragma once
// Bilinear interpolation with aligned corners (torch's align_corners = true): the corners of input and output coincide,
//   source = i (n_in - 1) / (n_out - 1),
// and an output of one pixel takes the first input. Positions are kept as exact fractions, so that a grid point of the
// input that is hit is hit exactly.

#include <algorithm>
#include <type_traits>

#include "../tensor/view.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

namespace detail {

/// Walks the output positions of one axis; the source position is index() + fraction().
class AlignedCorners {
 public:
  AlignedCorners(index_t in, index_t out)
      : last_(in - 1), steps_(std::max<index_t>(out - 1, 1)), stride_(out == 1 ? 0 : in - 1) {}

  [[nodiscard]] index_t index() const { return index_; }
  [[nodiscard]] index_t next_index() const { return std::min(index_ + 1, last_); }
  [[nodiscard]] double fraction() const { return static_cast<double>(remainder_) * inverse_; }
  void advance() {
    for (remainder_ += stride_; remainder_ >= steps_; remainder_ -= steps_) ++index_;
  }

 private:
  index_t last_, steps_, stride_;
  double inverse_ = 1.0 / static_cast<double>(steps_);
  index_t index_ = 0, remainder_ = 0;
};

}  // namespace detail

/// Interpolates `in` (h, w) to the extents of `out` (H, W); the rows of both are contiguous. No extent may be zero.
template <class T>
void upsample_bilinear(View<const std::type_identity_t<T>, 2> in, View<T, 2> out) {
  MOECLIP_EXPECT(in.size() > 0 && out.size() > 0, "an empty map cannot be interpolated");
  MOECLIP_EXPECT(in.stride(1) == 1 && out.stride(1) == 1, "the rows of a map must be contiguous");
  detail::AlignedCorners row(in.extent(0), out.extent(0));
  for (index_t y = 0; y < out.extent(0); ++y, row.advance()) {
    const T* top = in.data() + row.index() * in.stride(0);
    const T* bottom = in.data() + row.next_index() * in.stride(0);
    const T down = static_cast<T>(row.fraction()), up = T{1} - down;
    T* target = out.data() + y * out.stride(0);
    detail::AlignedCorners column(in.extent(1), out.extent(1));
    for (index_t x = 0; x < out.extent(1); ++x, column.advance()) {
      const index_t left = column.index(), right = column.next_index();
      const T east = static_cast<T>(column.fraction()), west = T{1} - east;
      target[x] = up * (west * top[left] + east * top[right]) + down * (west * bottom[left] + east * bottom[right]);
    }
  }
}

}  // namespace moeclip::inline MOECLIP_ABI_NS
