// SPDX-License-Identifier: MIT
#pragma once
// A row-major array that owns its elements, or keeps alive whoever does (a mapped weight file). Copies are deep.

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "../base/arena.hpp"
#include "../base/lists.hpp"
#include "shape.hpp"
#include "view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// An array of T (float, double, std::int32_t, ...) whose shape is known when the program runs, aligned to kAlignment
/// unless it is borrowed.
template <class T>
class Tensor {
 public:
  using value_type = T;  ///< type of the elements

  /// No elements, rank 1, extent 0.
  Tensor() : shape_{0} {}

  /// Zeros.
  explicit Tensor(const Shape& shape) : Tensor(uninitialised(shape)) { fill(T{}); }

  /// Elements to be written before they are read.
  static Tensor uninitialised(const Shape& shape) {
    auto buffer = std::make_shared<AlignedBuffer<T>>(shape.size());
    T* data = buffer->data();
    return Tensor(shape, data, std::move(buffer));
  }

  /// Elements that live in memory kept alive by `owner`. They must be writable (a private mapping is).
  static Tensor borrow(const Shape& shape, T* data, std::shared_ptr<void> owner) {
    return Tensor(shape, data, std::move(owner));
  }

  Tensor(Tensor&& other) noexcept
      : shape_(std::exchange(other.shape_, Shape{0})),
        data_(std::exchange(other.data_, nullptr)),
        owner_(std::move(other.owner_)) {}
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(shape_, other.shape_);
    std::swap(data_, other.data_);
    std::swap(owner_, other.owner_);
    return *this;
  }
  Tensor(const Tensor& other) : Tensor(uninitialised(other.shape_)) { std::copy(other.begin(), other.end(), begin()); }
  Tensor& operator=(const Tensor& other) {
    if (this != &other) *this = Tensor(other);
    return *this;
  }
  ~Tensor() = default;

  /// Extents, outermost first.
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] int rank() const noexcept { return shape_.rank(); }      ///< number of axes
  [[nodiscard]] index_t extent(int axis) const { return shape_[axis]; }  ///< along `axis`, 0 outermost; not checked
  [[nodiscard]] index_t size() const noexcept { return shape_.size(); }  ///< number of elements
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }      ///< true by default, or if an extent is 0

  [[nodiscard]] T* data() noexcept { return data_; }  ///< the first element in row-major order
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] T* begin() noexcept { return data_; }                     ///< of all elements in row-major order
  [[nodiscard]] T* end() noexcept { return data_ + size(); }              ///< one beyond the last element
  [[nodiscard]] const T* begin() const noexcept { return data_; }         ///< of all elements in row-major order
  [[nodiscard]] const T* end() const noexcept { return data_ + size(); }  ///< one beyond the last element
  /// All elements in row-major order; valid until the tensor ends or is assigned to.
  [[nodiscard]] std::span<const T> values() const noexcept { return {data_, static_cast<std::size_t>(size())}; }

  /// Element i of the row-major run, whatever the rank. Not checked; view() has indices for each axis.
  T& operator[](index_t i) { return data_[i]; }
  const T& operator[](index_t i) const { return data_[i]; }

  void fill(T value) { std::fill(begin(), end(), value); }  ///< sets every element

  /// The same elements under another shape. Throws contract if it has another number of them.
  void reshape(const Shape& shape) {
    MOECLIP_EXPECT(shape.size() == size(), "a tensor of shape ", to_string(shape_), " cannot become ",
                   to_string(shape));
    shape_ = shape;
  }

  /// A window on all elements; valid as long as they are. Throws contract if the tensor does not have the rank Rank.
  template <int Rank>
  [[nodiscard]] View<T, Rank> view() {
    return View<T, Rank>(data_, extents_as<Rank>());
  }
  template <int Rank>
  [[nodiscard]] View<const T, Rank> view() const {
    return View<const T, Rank>(data_, extents_as<Rank>());
  }

 private:
  Tensor(const Shape& shape, T* data, std::shared_ptr<void> owner)
      : shape_(shape), data_(data), owner_(std::move(owner)) {}

  template <int Rank>
  [[nodiscard]] typename View<T, Rank>::Extents extents_as() const {
    MOECLIP_EXPECT(rank() == Rank, "a tensor of shape ", to_string(shape_), " was viewed with rank ", int{Rank});
    typename View<T, Rank>::Extents extents{};
    lists::copy(shape_.extents(), extents.begin());
    return extents;
  }

  Shape shape_;
  T* data_ = nullptr;
  std::shared_ptr<void> owner_;
};

namespace detail {

/// Takes memory for `shape` unless the tensor has it already.
template <class T>
Tensor<T>& fit(Tensor<T>& tensor, const Shape& shape) {
  if (!(tensor.shape() == shape)) tensor = Tensor<T>::uninitialised(shape);
  return tensor;
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1
