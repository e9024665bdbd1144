// SPDX-License-Identifier: MIT
#pragma once
// Scratch memory that works like a stack. A `Scope` marks the top, and when it ends it gives back everything that was
// taken since. When the outermost scope ends, the chunks of memory are replaced by one of their total size, so that the
// second run of the same computation takes no memory from the system.

#include <algorithm>
#include <vector>

#include "aligned_buffer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

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
