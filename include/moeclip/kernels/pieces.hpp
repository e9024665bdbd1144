// SPDX-License-Identifier: MIT
#pragma once
// Divides loops among threads, in pieces large enough that waking a thread for them pays.

#include <algorithm>

#include "../base/context.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels::detail {

/// Elements per piece: 64 KiB of float, some microseconds of work; input and output of a piece fit L2.
inline constexpr index_t kPiece = 16384;

/// Runs part(begin, end) over [0, count), where each item touches `width` elements.
template <class Part>
void for_pieces(Context& context, index_t count, index_t width, const Part& part) {
  const index_t step = std::max<index_t>(1, kPiece / std::max<index_t>(1, width));
  context.parallel_for((count + step - 1) / step,
                       [&](index_t i, int) { part(i * step, (std::min)(count, (i + 1) * step)); });
}

/// Waking a thread takes as long as about so many multiply-adds: less work than this stays on one thread.
inline constexpr double kWorthSharing = 1e6;

/// Runs task(i, worker) for i in [0, tasks), on all threads if that many multiply-adds are worth it.
template <class Task>
void share(Context& context, index_t tasks, double multiply_adds, const Task& task) {
  if (multiply_adds >= kWorthSharing) return context.parallel_for(tasks, task);
  for (index_t i = 0; i < tasks; ++i) task(i, 0);
}

}}}  // namespace moeclip::abi_v0_1::kernels::detail
