// SPDX-License-Identifier: MIT
#pragma once
// A look inside a running model. Forward functions take a `const Probe<T>*` and, when it is not null, show it every
// intermediate under the name that the golden data uses ("vision/block_00", "moe_0/topk", ...). Without a probe this
// costs nothing, and a probe never changes a result. The code that computes does not know these names: at the end of a
// stage it calls an observer (clip/observer.hpp, anomaly/observer.hpp, train/observer.hpp), which does.

#include <cstdint>
#include <string>

#include "../base/function_ref.hpp"
#include "shape.hpp"
#include "view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The two functions that are shown what a model computes on the way.
template <class T>
struct Probe {
  /// Contiguous row-major values of the given shape; valid during the call only.
  function_ref<void(const std::string& name, const Shape& shape, const T* values)> on_values;
  /// The same for integer results (chosen experts).
  function_ref<void(const std::string& name, const Shape& shape, const std::int32_t* values)> on_indices;
};

/// Two decimal digits, as the golden names count ("block_07").
inline std::string two_digits(index_t number) { return concat(number < 10 ? "0" : "", number); }

/// Shows the rows x (B * N, D), contiguous, of B images as (B, N, D).
template <class T>
void show_rows(const Probe<T>& probe, const std::string& name, index_t batch, View<const T, 2> x) {
  probe.on_values(name, {batch, x.extent(0) / batch, x.extent(1)}, x.data());
}

}}  // namespace moeclip::abi_v0_1
