// SPDX-License-Identifier: MIT
#pragma once
// Several processes that work on one batch, and how they add what they found in the order of one. A sum over the
// pictures of a batch is a running one (SUM-1 in train/README.md): the first process begins it, adds its pictures one
// after the other, and hands it to the next. So every addition has the operands that it has in one process, and the
// same bits come out, however many share the work. What carries bytes from process to process is not known here: MPI
// does in tools/moeclip/mpi, queues between threads in the tests.

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

#include "types.hpp"
#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Processes numbered from 0 that carry bytes to each other. All throw Error if another one is gone; none may be called
/// by two threads at once.
class ProcessGroup {
 public:
  ProcessGroup() = default;
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;
  virtual ~ProcessGroup() = default;

  [[nodiscard]] virtual int rank() const = 0;  ///< of this process
  [[nodiscard]] virtual int size() const = 0;  ///< processes in all

  virtual void send(int to, std::span<const std::byte> bytes) = 0;   ///< to another process, which receives
  virtual void receive(int from, std::span<std::byte> bytes) = 0;    ///< as many as are sent
  virtual void broadcast(int from, std::span<std::byte> bytes) = 0;  ///< called by all: `from` gives, others take
};

/// The part of a batch that is this process's: pictures [first, first + own) of `total`, as equal in number as it goes.
/// A process without a picture of its own still takes part; its arrays then hold one picture that enters no sum.
struct BatchShare {
  ProcessGroup* group = nullptr;  ///< null: this process has the whole batch
  index_t total = 1;              ///< pictures of the batch

  [[nodiscard]] int rank() const { return group == nullptr ? 0 : group->rank(); }  ///< of this process
  [[nodiscard]] int size() const { return group == nullptr ? 1 : group->size(); }  ///< of the group
  [[nodiscard]] index_t first_of(int of) const { return total * of / size(); }     ///< first picture of a process
  [[nodiscard]] index_t first() const { return first_of(rank()); }                 ///< of this process
  [[nodiscard]] index_t own() const { return first_of(rank() + 1) - first(); }     ///< pictures of this process
  [[nodiscard]] index_t held() const { return (std::max)(own(), index_t{1}); }     ///< pictures in its arrays

  /// Takes a running sum over from the process before, if there is one.
  template <class T>
  void take_over(std::span<T> sums) const {
    if (rank() > 0) group->receive(rank() - 1, std::as_writable_bytes(sums));
  }
  /// Hands it to the next.
  template <class T>
  void hand_on(std::span<T> sums) const {
    if (rank() + 1 < size()) group->send(rank() + 1, std::as_bytes(sums));
  }
  /// What the last process has, for all: the end of a running sum.
  template <class T>
  void from_last(std::span<T> sums) const {
    if (size() > 1) group->broadcast(size() - 1, std::as_writable_bytes(sums));
  }

  /// The running sums `sums` go through all processes, each of which adds its pictures by add().
  template <class T, class Add>
  void in_order(std::span<T> sums, Add&& add) const {
    take_over(sums);
    if (own() > 0) add();
    hand_on(sums);
  }

  /// The same where `rows` rows are those of the pictures held, equally many each: add(begin, end) for each own
  /// picture.
  template <class T, class Add>
  void add_pictures(index_t rows, std::span<T> sums, Add&& add) const {
    const index_t each = rows / held();
    in_order(sums, [&] {
      for (index_t b = 0; b < own(); ++b) add(b * each, (b + 1) * each);
    });
  }

  /// `all` holds equally many numbers for each of the `total` pictures; those of other processes are filled in.
  template <class T>
  void gather(std::span<T> all) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const index_t each = std::ssize(all) / total;
    for (int from = 0; size() > 1 && from < size(); ++from) {
      const index_t begin = first_of(from) * each, end = first_of(from + 1) * each;
      if (begin < end)
        group->broadcast(from, std::as_writable_bytes(all.subspan(static_cast<std::size_t>(begin),
                                                                  static_cast<std::size_t>(end - begin))));
    }
  }
};

}}  // namespace moeclip::abi_v0_1
