// SPDX-License-Identifier: MIT
#pragma once
// Interpolates bilinearly with aligned corners (torch's align_corners = true): the corners of input and output
// coincide,
//   source = i (n_in - 1) / (n_out - 1),   (UPS-1)
// and an output of one pixel takes the first input. Or with aligned edges (align_corners = false): samples are the
// centres of cells that share the square,
//   source = (i + 1/2) n_in / n_out - 1/2,   (UPS-2)
// and what lies beyond the outermost centres takes their values. Positions are kept as exact fractions, so that a grid
// point of the input that is hit is hit exactly.

#include <algorithm>
#include <type_traits>

#include "../base/arena.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What coincides of a small and a large map.
enum class Alignment : unsigned char {
  corners,  ///< the outermost samples (UPS-1)
  edges,    ///< the outlines of the outermost samples' cells (UPS-2)
};

namespace detail {

/// Walks the output positions of one axis; the source position is index() + fraction().
class SourcePositions {
 public:
  SourcePositions(index_t in, index_t out, Alignment alignment, index_t at = 0)
      : last_(in - 1),
        steps_(alignment == Alignment::edges ? 2 * out : std::max<index_t>(out - 1, 1)),
        stride_(alignment == Alignment::edges ? 2 * in : (out == 1 ? 0 : in - 1)) {
    const index_t start = alignment == Alignment::edges ? in - out : 0;
    const index_t place = start + at * stride_;  // negative before the first input
    index_ = place > 0 ? place / steps_ : 0;
    remainder_ = place - index_ * steps_;
  }

  [[nodiscard]] index_t index() const { return index_; }
  [[nodiscard]] index_t next_index() const { return (std::min)(index_ + 1, last_); }
  [[nodiscard]] double fraction() const { return static_cast<double>(std::max<index_t>(remainder_, 0)) * inverse_; }
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
void upsample_bilinear(View<const std::type_identity_t<T>, 2> in, View<T, 2> out,
                       Alignment alignment = Alignment::corners) {
  MOECLIP_EXPECT(in.size() > 0 && out.size() > 0, "an empty map cannot be interpolated");
  MOECLIP_EXPECT(in.stride(1) == 1 && out.stride(1) == 1, "the rows of a map must be contiguous");
  detail::SourcePositions row(in.extent(0), out.extent(0), alignment);
  for (index_t y = 0; y < out.extent(0); ++y, row.advance()) {
    const T* top = in.data() + row.index() * in.stride(0);
    const T* bottom = in.data() + row.next_index() * in.stride(0);
    const T down = static_cast<T>(row.fraction()), up = T{1} - down;
    T* target = out.data() + y * out.stride(0);
    detail::SourcePositions column(in.extent(1), out.extent(1), alignment);
    for (index_t x = 0; x < out.extent(1); ++x, column.advance()) {
      const index_t left = column.index(), right = column.next_index();
      const T east = static_cast<T>(column.fraction()), west = T{1} - east;
      target[x] = up * (west * top[left] + east * top[right]) + down * (west * bottom[left] + east * bottom[right]);
    }
  }
}

/// The same interpolation row by row, and its adjoint, for losses that look at one row of a large map at a time
/// (UPS-1' in this folder's README). Rows are blended first, then columns.
template <class T>
class BilinearRows {
 public:
  /// From maps `in` (h, w) to `out` (H, W); of the views only the extents count. Its tables live in `scratch`.
  BilinearRows(Arena::Scope& scratch, View<const T, 2> in, View<const T, 2> out,
               Alignment alignment = Alignment::corners)
      : alignment_(alignment), h_(in.extent(0)), w_(in.extent(1)), out_h_(out.extent(0)), out_w_(out.extent(1)) {
    MOECLIP_EXPECT(in.size() > 0 && out.size() > 0, "an empty map cannot be interpolated");
    first_ = scratch.take<index_t>(w_ + 1);
    east_ = scratch.take<T>(out_w_);
    detail::SourcePositions column(w_, out_w_, alignment);
    index_t j = 0;
    for (index_t x = 0; x < out_w_; ++x, column.advance()) {
      while (j <= column.index()) first_[j++] = x;
      east_[x] = static_cast<T>(column.fraction());
    }
    while (j <= w_) first_[j++] = out_w_;
  }

  /// Elements of scratch that row and add_adjoint want.
  [[nodiscard]] index_t scratch_size() const { return w_; }

  /// out (W) = row y of the interpolated `in` (h, w), contiguous.
  void row(const T* in, index_t y, T* out, T* scratch) const {
    const Blend blend = blend_of(y);
    for (index_t j = 0; j < w_; ++j) scratch[j] = blend.up * in[blend.top + j] + blend.down * in[blend.bottom + j];
    for (index_t j = 0; j < w_; ++j) {
      const T left = scratch[j], right = scratch[(std::min)(j + 1, w_ - 1)];
      for (index_t x = first_[j]; x < first_[j + 1]; ++x) out[x] = (T(1) - east_[x]) * left + east_[x] * right;
    }
  }

  /// d_in (h, w) += what d_out (W), the gradient of row y, contributes.
  void add_adjoint(const T* d_out, index_t y, T* d_in, T* scratch) const {
    std::fill_n(scratch, w_, T(0));
    for (index_t j = 0; j < w_; ++j) {
      T all = 0, right = 0;
      for (index_t x = first_[j]; x < first_[j + 1]; ++x) {
        all += d_out[x];
        right += east_[x] * d_out[x];
      }
      scratch[j] += all - right;
      scratch[(std::min)(j + 1, w_ - 1)] += right;
    }
    const Blend blend = blend_of(y);
    for (index_t j = 0; j < w_; ++j) {
      d_in[blend.top + j] += blend.up * scratch[j];
      d_in[blend.bottom + j] += blend.down * scratch[j];
    }
  }

 private:
  /// The two rows of `in`, as offsets, between which row y lies, and their weights.
  struct Blend {
    index_t top, bottom;
    T up, down;
  };
  [[nodiscard]] Blend blend_of(index_t y) const {
    const detail::SourcePositions row(h_, out_h_, alignment_, y);
    const T down = static_cast<T>(row.fraction());
    return {row.index() * w_, row.next_index() * w_, T(1) - down, down};
  }

  Alignment alignment_;
  index_t h_, w_, out_h_, out_w_;
  index_t* first_;  // (w + 1): outputs [first_[j], first_[j + 1]) lie between columns j and j + 1,
  T* east_;         // (W): so far from j
};

}}  // namespace moeclip::abi_v0_1
