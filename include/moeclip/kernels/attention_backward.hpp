// SPDX-License-Identifier: MIT
#pragma once
// The backward pass of attention (ATT-1' in nn/README.md). Probabilities are computed again from queries and
// keys, for a few queries at a time, so memory is linear in the number of tokens here too.

#include <type_traits>

#include "../base/context.hpp"
#include "dispatch.hpp"
#include "reference.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// Gradients with respect to queries, keys and values of `forward`, whose `out` must hold the result of attention.
/// The gradients overlap nothing else. They have the same bits for any number of threads.
template <class T>
void attention_backward(Context& context, const Attention<T>& forward, const AttentionGradient<T>& gradient) {
  MOECLIP_EXPECT(forward.batch >= 0 && forward.tokens >= 0 && forward.heads >= 0 && forward.head_width >= 0,
                 "attention backward over ", forward.batch, " x ", forward.tokens, " tokens and ", forward.heads,
                 " heads of ", forward.head_width);
  if (forward.batch == 0 || forward.tokens == 0 || forward.heads == 0 || forward.head_width == 0) return;
  static_assert(kHasBackward<T>, "MOECLIP_FORWARD_ONLY leaves the kernels of backward passes out");
  Arena::Scope scope(context.arena());
  const index_t tasks = forward.batch * forward.heads;
  if constexpr (std::is_same_v<T, float>) {
    const KernelTable& table = active();
    const index_t size = round_up(attention_backward_scratch(table, forward.tokens, forward.head_width), 16);
    float* const scratch = scope.take<float>(context.threads() * size);
    const double pairs = static_cast<double>(forward.tokens) * static_cast<double>(forward.tokens);
    context.share(tasks, 5.0 * pairs * static_cast<double>(tasks * forward.head_width), [&](index_t task, int worker) {
      AttentionBackwardJob job;
      job.args = &forward;
      job.gradient = &gradient;
      job.image = task / forward.heads;
      job.head = task % forward.heads;
      job.scratch = scratch + worker * size;
      table.attention_backward(job);
    });
  } else {
    T* const scratch = scope.take<T>(context.threads() * 2 * forward.tokens);
    context.parallel_for(tasks, [&](index_t task, int worker) {
      reference::attend_backward(forward, gradient, task / forward.heads, task % forward.heads,
                                 scratch + worker * 2 * forward.tokens);
    });
  }
}

}}}  // namespace moeclip::abi_v0_1::kernels
