// SPDX-License-Identifier: MIT
#pragma once
// Raw memory aligned to a cache line, which is also the size of the widest vector, and scratch memory that works like a
// stack. A `Scope` marks the top, and when it ends it gives back everything that was
// taken since. When the outermost scope ends, the chunks of memory are replaced by one of their total size, so that the
// second run of the same computation takes no memory from the system.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

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
    if (static_cast<std::uint64_t>(size) > (std::numeric_limits<std::size_t>::max)() / sizeof(T))
      fail(ErrorCode::limit, concat(counted(size, "element"), " are more than the memory of a 32-bit machine"));
    const auto bytes = static_cast<std::size_t>(size) * sizeof(T);
    void* memory = ::operator new (bytes, std::align_val_t{kAlignment}, std::nothrow);
    if (memory == nullptr) fail(ErrorCode::limit, concat("out of memory: ", counted(bytes, "byte"), " were wanted"));
    return static_cast<T*>(memory);
  }

  T* data_ = nullptr;
  index_t size_ = 0;
};

/// A stack of scratch memory. Not thread-safe: take memory before work is shared out, and hand each worker its part.
class Arena {
 public:
  /// From construction to end, scratch may be taken through it. Of two open scopes the later one ends first.
  class Scope {
   public:
    /// Opens a scope on `arena`, which must outlive it.
    explicit Scope(Arena& arena) : arena_(arena), chunk_(arena.current_), used_(arena.used_) { ++arena.depth_; }
    ~Scope() {
      arena_.current_ = chunk_;
      arena_.used_ = used_;
      if (--arena_.depth_ == 0) arena_.coalesce();
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    /// `count` uninitialised elements, aligned to kAlignment, valid until this scope ends.
    template <class T>
    [[nodiscard]] T* take(index_t count) {
      MOECLIP_EXPECT(count >= 0 && count < (std::numeric_limits<index_t>::max)() / 2 / static_cast<index_t>(sizeof(T)),
                     "scratch of ", count, " elements cannot be taken");
      return reinterpret_cast<T*>(arena_.take_bytes(count * static_cast<index_t>(sizeof(T))));
    }

   private:
    Arena& arena_;
    std::size_t chunk_;
    index_t used_;
  };

  /// Bytes held from the system.
  [[nodiscard]] index_t capacity() const {
    index_t total = 0;
    for (const auto& chunk : chunks_) total += chunk.size();
    return total;
  }

  /// Gives all memory back to the system. No scope may be open.
  void release() {
    MOECLIP_EXPECT(depth_ == 0, "an arena in use cannot be released");
    chunks_.clear();
    current_ = 0;
    used_ = 0;
  }

 private:
  static constexpr index_t kSmallestChunk = index_t{1} << 16;

  std::byte* take_bytes(index_t bytes) {
    MOECLIP_EXPECT(depth_ > 0, "scratch is taken inside a scope");
    constexpr auto kStep = static_cast<index_t>(kAlignment);
    bytes = (bytes + kStep - 1) / kStep * kStep;
    while (current_ < chunks_.size() && chunks_[current_].size() - used_ < bytes) {
      ++current_;
      used_ = 0;
    }
    if (current_ == chunks_.size()) chunks_.emplace_back((std::max)(bytes, kSmallestChunk));
    std::byte* memory = chunks_[current_].data() + used_;
    used_ += bytes;
    return memory;
  }

  void coalesce() {
    if (chunks_.size() <= 1) return;
    const index_t total = capacity();
    chunks_.clear();
    chunks_.emplace_back(total);
  }

  std::vector<AlignedBuffer<std::byte>> chunks_;
  std::size_t current_ = 0;  // chunk being filled
  index_t used_ = 0;         // bytes used of it
  int depth_ = 0;            // open scopes
};

}}  // namespace moeclip::abi_v0_1
