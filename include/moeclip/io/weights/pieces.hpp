// SPDX-License-Identifier: MIT
#pragma once
// The elements of a strided view in row-major order, as a sequence of contiguous pieces of bounded size. Everything
// that reads a tensor (converting, hashing, copying) goes through here.

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "../bytes.hpp"
#include "../weight_index.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;   // of contiguous elements, where they lie
inline constexpr std::uint64_t kGatherBytes = std::uint64_t{1} << 16;  // of scattered elements, in a buffer

/// Axes of a view after those of extent 1 are dropped and those that follow each other seamlessly are joined.
struct StridedAxes {
  int rank = 0;
  std::array<index_t, Shape::kMaxRank> extents{}, strides{};
};

inline StridedAxes join_axes(const WeightEntry& entry) {
  StridedAxes axes;
  for (int axis = 0; axis < entry.shape.rank(); ++axis) {
    const index_t extent = entry.shape[axis], stride = entry.strides[static_cast<std::size_t>(axis)];
    if (extent == 1) continue;
    const auto last = static_cast<std::size_t>(axes.rank) - 1;  // used only if there is one
    if (axes.rank > 0 && stride <= axes.strides[last] / extent && axes.strides[last] == extent * stride) {
      axes.extents[last] *= extent;
      axes.strides[last] = stride;
    } else {
      axes.extents[last + 1] = extent;
      axes.strides[last + 1] = stride;
      ++axes.rank;
    }
  }
  return axes;
}

/// True if the elements of `entry` lie in row-major order without gaps.
inline bool is_contiguous(const WeightEntry& entry) {
  const StridedAxes axes = join_axes(entry);
  return axes.rank == 0 || (axes.rank == 1 && axes.strides[0] == 1);
}

/// Collects elements of `Size` bytes in a buffer and hands it on whenever it is full.
template <std::size_t Size, class Visit>
void gather_elements(const std::byte* base, const StridedAxes& axes, Visit& visit) {
  std::vector<std::byte> buffer(kGatherBytes);
  std::size_t used = 0;
  std::array<index_t, Shape::kMaxRank> at{};
  const auto inner = static_cast<std::size_t>(axes.rank) - 1;
  const index_t step = axes.strides[inner] * static_cast<index_t>(Size);
  while (true) {
    index_t offset = 0;
    for (std::size_t axis = 0; axis < inner; ++axis) offset += at[axis] * axes.strides[axis];
    const std::byte* from = base + offset * static_cast<index_t>(Size);
    for (index_t i = 0; i < axes.extents[inner]; ++i) {
      std::memcpy(buffer.data() + used, from + i * step, Size);
      used += Size;
      if (used < buffer.size()) continue;
      visit(Bytes(buffer));
      used = 0;
    }
    std::size_t axis = inner;  // the next row: count up the outer indices
    while (axis > 0 && ++at[axis - 1] == axes.extents[axis - 1]) at[--axis] = 0;
    if (axis == 0) break;
  }
  if (used > 0) visit(Bytes(buffer).first(used));
}

/// Calls visit(Bytes) with the elements of `entry`, whose storage begins at `storage`, in row-major order. Pieces hold
/// whole elements; their bytes are valid during the call.
template <class Visit>
void for_each_piece(const WeightEntry& entry, const std::byte* storage, Visit&& visit) {
  if (entry.shape.size() == 0) return;
  const std::byte* const base = storage + entry.offset;
  if (is_contiguous(entry)) {
    const std::uint64_t size = entry.byte_size();
    for (std::uint64_t done = 0; done < size; done += kPieceBytes)
      visit(Bytes(base + done, static_cast<std::size_t>((std::min)(kPieceBytes, size - done))));
    return;
  }
  const StridedAxes axes = join_axes(entry);
  switch (size_of(entry.dtype)) {
    case 1: return gather_elements<1>(base, axes, visit);
    case 2: return gather_elements<2>(base, axes, visit);
    case 4: return gather_elements<4>(base, axes, visit);
    default: return gather_elements<8>(base, axes, visit);
  }
}

}}}  // namespace moeclip::abi_v0_1::detail
