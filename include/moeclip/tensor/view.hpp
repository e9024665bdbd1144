// SPDX-License-Identifier: MIT
#pragma once
// A window on strided elements that belong to someone else: a pointer, extents, and strides in elements. It is passed
// by value.

#include <array>
#include <type_traits>

#include "../base/error.hpp"
#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A window of `Rank` axes on elements of T; `View<const T, Rank>` may only read. It must not outlive the elements. By
/// default it has no data and all extents are 0, which many functions take for "not wanted".
template <class T, int Rank>
class View {
  static_assert(Rank >= 1);

 public:
  using Extents = std::array<index_t, static_cast<std::size_t>(Rank)>;  ///< one number per axis, outermost first

  View() = default;

  /// Contiguous, row-major elements at `data`.
  View(T* data, const Extents& extents) : data_(data), extents_(extents) {
    index_t stride = 1;
    for (int axis = Rank - 1; axis >= 0; --axis) {
      strides_[at(axis)] = stride;
      stride *= extents_[at(axis)];
    }
  }
  /// Element (i, j, ...) lies at data[i * strides[0] + j * strides[1] + ...] (VIEW-1 in this folder's README).
  View(T* data, const Extents& extents, const Extents& strides) : data_(data), extents_(extents), strides_(strides) {}

  /// A view of constant elements from one of mutable elements.
  template <class U>
  requires(std::is_same_v<const U, T> && !std::is_same_v<U, T>) View(const View<U, Rank>& other)
      : data_(other.data()), extents_(other.extents()), strides_(other.strides()) {}  // NOLINT

  [[nodiscard]] T* data() const noexcept { return data_; }  ///< the element at index 0 of every axis, or null
  [[nodiscard]] const Extents& extents() const noexcept { return extents_; }  ///< elements along each axis
  /// Elements from one index of an axis to the next, for each axis.
  [[nodiscard]] const Extents& strides() const noexcept { return strides_; }
  [[nodiscard]] index_t extent(int axis) const { return extents_[at(axis)]; }  ///< along `axis`, 0 outermost
  [[nodiscard]] index_t stride(int axis) const { return strides_[at(axis)]; }  ///< along `axis`, in elements

  /// Number of elements, the product of the extents.
  [[nodiscard]] index_t size() const {
    index_t product = 1;
    for (const index_t extent : extents_) product *= extent;
    return product;
  }

  /// Element at the given indices, one per axis. Indices are checked in builds with MOECLIP_ENABLE_ASSERT.
  template <class... Indices>
  requires(sizeof...(Indices) == static_cast<std::size_t>(Rank)) [[nodiscard]] T& operator()(Indices... indices) const {
    const Extents where{static_cast<index_t>(indices)...};
    index_t offset = 0;
    for (int axis = 0; axis < Rank; ++axis) {
      MOECLIP_ASSERT(where[at(axis)] >= 0 && where[at(axis)] < extents_[at(axis)]);
      offset += where[at(axis)] * strides_[at(axis)];
    }
    return data_[offset];
  }

  /// Sub-view at index i of the first axis.
  [[nodiscard]] View<T, Rank - 1> operator[](index_t i) const requires(Rank >= 2) {
    MOECLIP_ASSERT(i >= 0 && i < extents_[0]);
    typename View<T, Rank - 1>::Extents extents{}, strides{};
    for (int axis = 1; axis < Rank; ++axis) {
      extents[at(axis - 1)] = extents_[at(axis)];
      strides[at(axis - 1)] = strides_[at(axis)];
    }
    return View<T, Rank - 1>(data_ + i * strides_[0], extents, strides);
  }

  /// Rows [begin, end) of the first axis.
  [[nodiscard]] View rows(index_t begin, index_t end) const {
    MOECLIP_ASSERT(0 <= begin && begin <= end && end <= extents_[0]);
    Extents extents = extents_;
    extents[0] = end - begin;
    return View(data_ + begin * strides_[0], extents, strides_);
  }

  /// True if the elements lie in one row-major run.
  [[nodiscard]] bool is_contiguous() const {
    index_t expected = 1;
    for (int axis = Rank - 1; axis >= 0; --axis) {
      if (extents_[at(axis)] != 1 && strides_[at(axis)] != expected) return false;
      expected *= extents_[at(axis)];
    }
    return true;
  }

 private:
  static constexpr std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

  T* data_ = nullptr;
  Extents extents_{};
  Extents strides_{};
};

}}  // namespace moeclip::abi_v0_1
