// SPDX-License-Identifier: MIT
#pragma once
// Adam (Kingma and Ba 2015; ADAM-1 in this folder's README) with the semantics of torch.optim.Adam: every parameter
// counts its own steps, and a parameter without a gradient is skipped: its moments do not decay and its step does not
// count. Parameters are known by name, so the list of them may be built anew for every step.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "../base/context.hpp"
#include "parameters.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Settings of Adam, as in ADAM-1.
struct AdamOptions {
  double lr = 5e-5, beta1 = 0.5, beta2 = 0.999, eps = 1e-8;  ///< as released (METHOD section 5)
};

/// What Adam remembers of one parameter.
template <class T>
struct AdamState {
  Tensor<T> m, v;         ///< running means of g and g^2, of the parameter's shape
  std::int64_t step = 0;  ///< updates so far
};

/// The optimiser: its settings, and what it remembers of each parameter.
template <class T>
class Adam {
 public:
  using States = std::map<std::string, AdamState<T>, std::less<>>;  ///< by name of the parameter

  /// Starts without any states. Of the options all but `lr` are used: step() is told the rate.
  explicit Adam(const AdamOptions& options = {}) : options_(options) {}

  /// The states by name; only parameters that ever had a gradient have one.
  [[nodiscard]] const States& states() const { return states_; }

  /// Puts a state in place, for resuming.
  void set_state(const std::string& name, AdamState<T> state) { states_.insert_or_assign(name, std::move(state)); }

  /// Updates every parameter that has a gradient, with learning rate `lr`, or `lr` times its own:
  ///   m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,   p <- p - lr/(1 - b1^t) m / (sqrt(v)/sqrt(1 - b2^t) + eps)
  /// The same bits for any number of threads: elements do not depend on each other.
  void step(Context& context, std::span<const TrainedParameter<T>> parameters, double lr);

 private:
  /// The factors of one update, rounded to T once, as torch does.
  struct Factors {
    T beta1, one_minus_beta1, beta2, one_minus_beta2, root, eps, step_size;
  };

  [[nodiscard]] Factors factors_at(std::int64_t t, double lr) const;

  void update(Context& context, const TrainedParameter<T>& parameter, double lr);

  AdamState<T>& state_of(const TrainedParameter<T>& parameter);

  AdamOptions options_;
  States states_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <cmath>
#include <string_view>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void Adam<T>::step(Context& context, std::span<const TrainedParameter<T>> parameters, double lr) {
  for (const TrainedParameter<T>& parameter : parameters)
    if (parameter.has_gradient) update(context, parameter, lr);
}

template <class T>
typename Adam<T>::Factors Adam<T>::factors_at(std::int64_t t, double lr) const {
  const double left1 = 1 - std::pow(options_.beta1, static_cast<double>(t));
  const double left2 = 1 - std::pow(options_.beta2, static_cast<double>(t));
  return {static_cast<T>(options_.beta1),     static_cast<T>(1 - options_.beta1), static_cast<T>(options_.beta2),
          static_cast<T>(1 - options_.beta2), static_cast<T>(std::sqrt(left2)),   static_cast<T>(options_.eps),
          static_cast<T>(lr / left1)};
}

template <class T>
void Adam<T>::update(Context& context, const TrainedParameter<T>& parameter, double lr) {
  const index_t size = parameter.value->size();
  MOECLIP_EXPECT(parameter.gradient != nullptr && parameter.gradient->size() == size, parameter.name,
                 ": a gradient of the parameter's shape is needed");
  AdamState<T>& state = state_of(parameter);
  const Factors f = factors_at(++state.step, lr * parameter.rate);
  T *p = parameter.value->data(), *m = state.m.data(), *v = state.v.data();
  const T* g = parameter.gradient->data();
  context.for_pieces(size, 1, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) {
      m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g[i];
      v[i] = f.beta2 * v[i] + f.one_minus_beta2 * g[i] * g[i];
      p[i] -= f.step_size * m[i] / (std::sqrt(v[i]) / f.root + f.eps);
    }
  });
}

template <class T>
AdamState<T>& Adam<T>::state_of(const TrainedParameter<T>& parameter) {
  const auto known = states_.find(parameter.name);
  if (known == states_.end())
    return states_
        .emplace(parameter.name,
                 AdamState<T>{Tensor<T>(parameter.value->shape()), Tensor<T>(parameter.value->shape()), 0})
        .first->second;
  MOECLIP_EXPECT(known->second.m.size() == parameter.value->size() && known->second.v.size() == parameter.value->size(),
                 parameter.name, ": its moments are ", to_string(known->second.m.shape()), ", the parameter is ",
                 to_string(parameter.value->shape()));
  return known->second;
}

MOECLIP_INSTANTIATE_CLASS(Adam)

}}  // namespace moeclip::abi_v0_1

#endif
