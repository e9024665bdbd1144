// SPDX-License-Identifier: MIT
#pragma once
// The observers show a probe the intermediate results of the two towers, and name them. There is one method per stage,
// and each does nothing without a probe.

#include <algorithm>
#include <string>

#include "../base/context.hpp"
#include "../tensor/probe.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Of the image tower, for a batch of B images.
template <class T>
struct VisionObserver {
  const Probe<T>* probe = nullptr;  ///< null: nobody watches
  index_t batch = 1;                ///< B, images in a batch

  /// The patches of the tokens (B, 1 + L, D), contiguous. The class token is left out: it comes in later.
  void patch_embed(Context& context, View<const T, 3> tokens) const {
    if (probe == nullptr) return;
    const index_t patches = tokens.extent(1) - 1, width = tokens.extent(2);
    Arena::Scope scratch(context.arena());
    const View<T, 2> rows(scratch.take<T>(batch * patches * width), {batch * patches, width});
    for (index_t b = 0; b < batch; ++b) std::copy_n(&tokens(b, 1, 0), patches * width, &rows(b * patches, 0));
    show_rows<T>(*probe, "vision/patch_embed", batch, rows);
  }
  /// x (B * T, D), the input of the first block.
  void ln_pre(View<const T, 2> x) const {
    if (probe != nullptr) show_rows<T>(*probe, "vision/ln_pre", batch, x);
  }
  /// x (B * T, D) after block n, 1-based.
  void block(index_t n, View<const T, 2> x) const {
    if (probe != nullptr) show_rows<T>(*probe, "vision/block_" + two_digits(n - 1), batch, x);
  }
};

/// Of the text tower: the first sentence only. The name of the class is put in front by whoever watches.
template <class T>
struct TextObserver {
  const Probe<T>* probe = nullptr;  ///< null: nobody watches

  /// Whether there is a probe, so that text_forward has to compute all positions.
  [[nodiscard]] bool is_watching() const { return probe != nullptr; }
  /// x (N * S, Dt) after block n, 1-based, for sentences of S tokens.
  void block(index_t n, index_t length, View<const T, 2> x) const {
    if (probe != nullptr)
      probe->on_values(concat("block_", two_digits(n - 1), "_prompt0"), {length, x.extent(1)}, x.data());
  }
};

}}  // namespace moeclip::abi_v0_1
