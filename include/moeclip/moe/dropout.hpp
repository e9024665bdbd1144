// SPDX-License-Identifier: MIT
#pragma once
// Dropout acts on what the experts see (DRP-1, DRP-1' in this folder's README): each expert drops its own elements of
// x. Which ones is a pure function of seed, step, layer, expert and place, so nothing is kept for the backward pass,
// and threads and a resumed run see the same.

#include <cstdint>

#include "../base/context.hpp"
#include "../base/rng.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The dropout of one layer in one training step.
struct ExpertDropout {
  double probability = 0;       ///< of an element to be dropped, below 1; 0: off
  std::uint64_t seed = 0;       ///< of the training run
  index_t step = 0, layer = 0;  ///< training step, and number of the mixture (below 4096), both from 0
  index_t first = 0;            ///< number, in the whole batch, of the first element of x

  /// Whether any element can be dropped.
  [[nodiscard]] bool is_on() const { return probability > 0; }
  /// Its key is an element of the stream of all keys: (step, layer, expert) as one number, 2^12 layers and experts.
  [[nodiscard]] Rng stream(index_t expert) const {
    const Rng keys(seed, "keys of expert dropout");
    return Rng(keys.bits((step * 4096 + layer) * 4096 + expert), "expert dropout");
  }
};

/// out = x / (1 - p) where an element stays, 0 where it is dropped; x and out (N, D) contiguous. The map is linear and
/// diagonal, so it is its own adjoint: with `accumulate`, which adds to out, it is the backward pass as well.
template <class T>
void drop_elements(Context& context, const ExpertDropout& dropout, index_t expert, View<const T, 2> x, View<T, 2> out,
                   bool accumulate = false) {
  MOECLIP_EXPECT(dropout.probability < 1, "dropout with probability ", dropout.probability);
  const Rng stream = dropout.stream(expert);
  const T factor = static_cast<T>(1 / (1 - dropout.probability));
  context.for_pieces(x.size(), 1, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) {
      const T kept = stream.unit(dropout.first + i) < dropout.probability ? T(0) : factor * x.data()[i];
      out.data()[i] = accumulate ? out.data()[i] + kept : kept;
    }
  });
}

}}  // namespace moeclip::abi_v0_1
