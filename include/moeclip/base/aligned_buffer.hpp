// SPDX-License-Identifier: MIT
#pragma once
// Raw memory aligned to a cache line, which is also the size of the widest vector. Elements are trivially copyable and
// start uninitialised.

#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include "error.hpp"
#include "types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr std::size_t kAlignment = 64;  // one cache line, one AVX-512 vector

/// Owning, move-only array of `size` uninitialised elements, aligned to kAlignment. Throws limit when memory is short.
template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedBuffer() = default;
  /// Allocates. Throws contract if `size` is negative or its bytes cannot be counted, limit if memory is short.
  explicit AlignedBuffer(index_t size) : data_(allocate(size)), size_(size) {}
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() {
    if (data_ != nullptr) ::operator delete (data_, std::align_val_t{kAlignment});
  }

  [[nodiscard]] T* data() noexcept { return data_; }  ///< the first element; null if there are none
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] index_t size() const noexcept { return size_; }     ///< in elements, not bytes
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }  ///< true by default

 private:
  static T* allocate(index_t size) {
    constexpr auto kMost = (std::numeric_limits<index_t>::max)() / static_cast<index_t>(sizeof(T));
    MOECLIP_EXPECT(size >= 0 && size <= kMost, "a buffer of ", size, " elements cannot be allocated");
    if (size == 0) return nullptr;
    const auto bytes = static_cast<std::size_t>(size) * sizeof(T);
    void* memory = ::operator new (bytes, std::align_val_t{kAlignment}, std::nothrow);
    if (memory == nullptr) fail(ErrorCode::limit, concat("out of memory: ", bytes, " bytes were wanted"));
    return static_cast<T*>(memory);
  }

  T* data_ = nullptr;
  index_t size_ = 0;
};

}}  // namespace moeclip::abi_v0_1
