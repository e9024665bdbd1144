// SPDX-License-Identifier: MIT
#pragma once
// The filter that VP8 lays over the edges of blocks (RFC 6386, section 15).

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "../../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// How strongly a macroblock is filtered.
struct Vp8Filter {
  int edge = 0;            // most difference across an edge that is filtered; 0: none is
  int interior = 0;        // and between neighbours beside it
  int variance = 0;        // difference from which an edge counts as detail
  bool has_inner = false;  // edges inside the macroblock are filtered, too
  bool is_simple = false;  // only luma, and by the samples next to an edge

  static Vp8Filter of(int level, int sharpness, bool has_inner) {
    if (level == 0) return {};
    int interior = level;
    if (sharpness > 0) interior = (std::min)(level >> (sharpness > 4 ? 2 : 1), 9 - sharpness);
    interior = (std::max)(1, interior);
    return {2 * level + interior, interior, level >= 40 ? 2 : level >= 15 ? 1 : 0, has_inner, false};
  }
};

/// An edge between samples p[-step] and p[0], at one place.
struct Vp8Edge {
  std::uint8_t* p;
  index_t step;

  [[nodiscard]] int at(int i) const { return p[i * step]; }
  void add(int i, int change) const { p[i * step] = static_cast<std::uint8_t>(std::clamp(at(i) + change, 0, 255)); }
  [[nodiscard]] int distance(int i, int j) const { return std::abs(at(i) - at(j)); }

  static int as_byte(int value) { return std::clamp(value, -128, 127); }
  static int eighth(int value) { return std::clamp(value >> 3, -16, 15); }

  [[nodiscard]] bool is_smooth(int edge) const { return 4 * distance(-1, 0) + distance(-2, 1) <= 2 * edge + 1; }
  [[nodiscard]] bool is_smooth(int edge, int interior) const {
    if (!is_smooth(edge)) return false;
    for (const int i : {-4, -3, -2, 0, 1, 2})
      if (distance(i, i + 1) > interior) return false;
    return true;
  }
  [[nodiscard]] bool is_detail(int variance) const { return distance(-2, -1) > variance || distance(1, 0) > variance; }

  /// Changes the two samples at the edge.
  void filter_two() const {
    const int a = 3 * (at(0) - at(-1)) + as_byte(at(-2) - at(1));
    add(0, -eighth(a + 4));
    add(-1, eighth(a + 3));
  }

  /// Changes two on each side, for edges inside a macroblock.
  void filter_four() const {
    const int a = 3 * (at(0) - at(-1)), right = eighth(a + 4), left = eighth(a + 3), outer = (right + 1) >> 1;
    add(-2, outer);
    add(-1, left);
    add(0, -right);
    add(1, -outer);
  }

  /// Changes three on each side, for edges of a macroblock.
  void filter_six() const {
    const int a = as_byte(3 * (at(0) - at(-1)) + as_byte(at(-2) - at(1)));
    for (int i = 0; i < 3; ++i) {
      const int change = (9 * (3 - i) * a + 63) >> 7;
      add(-1 - i, change);
      add(i, -change);
    }
  }
};

/// Filters `length` places of an edge, `along` apart; `step` leads across it.
inline void filter_vp8_edge(std::uint8_t* p, index_t step, index_t along, int length, const Vp8Filter& filter,
                            bool is_inner) {
  const int limit = filter.edge + (is_inner ? 0 : 4);
  for (int i = 0; i < length; ++i, p += along) {
    const Vp8Edge edge{p, step};
    if (filter.is_simple) {
      if (edge.is_smooth(limit)) edge.filter_two();
    } else if (edge.is_smooth(limit, filter.interior)) {
      if (edge.is_detail(filter.variance))
        edge.filter_two();
      else if (is_inner)
        edge.filter_four();
      else
        edge.filter_six();
    }
  }
}

/// Filters the edges of one square of a macroblock, luma (side 16) or chroma (8): the left one and those inside that go
/// down (`is_down`), or the upper one and those that go across.
inline void filter_vp8_square(std::uint8_t* p, index_t stride, int side, const Vp8Filter& filter, bool is_down,
                              bool has_outer) {
  const index_t step = is_down ? 1 : stride, along = is_down ? stride : 1;
  if (has_outer) filter_vp8_edge(p, step, along, side, filter, false);
  for (int i = 4; filter.has_inner && i < side; i += 4) filter_vp8_edge(p + i * step, step, along, side, filter, true);
}

}}}  // namespace moeclip::abi_v0_1::detail
