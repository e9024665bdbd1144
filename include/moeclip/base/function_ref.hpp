// SPDX-License-Identifier: MIT
#pragma once
// A reference to a callable object (a lambda, a pointer to a function): two pointers, no allocation. It must not
// outlive the object it was made from.

#include <memory>
#include <type_traits>
#include <utility>

#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class Signature>
class function_ref;

/// A reference to something that is called with `Arguments` and returns a `Result`; void drops what it returns.
template <class Result, class... Arguments>
class function_ref<Result(Arguments...)> {
 public:
  /// Refers to `callable`, which must outlive this.
  template <class Callable>
  requires(!std::is_same_v<std::remove_cvref_t<Callable>, function_ref> &&
           std::is_object_v<std::remove_reference_t<Callable>> &&
           std::is_invocable_r_v<Result, Callable&, Arguments...>) function_ref(Callable&& callable)
  noexcept  // NOLINT: implicit on purpose
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Arguments... arguments) -> Result {
          auto& target = *static_cast<std::remove_reference_t<Callable>*>(object);
          if constexpr (std::is_void_v<Result>)
            static_cast<void>(target(std::forward<Arguments>(arguments)...));
          else
            return target(std::forward<Arguments>(arguments)...);
        }) {}

  /// Calls it. Its exceptions pass through.
  Result operator()(Arguments... arguments) const { return call_(object_, std::forward<Arguments>(arguments)...); }

 private:
  void* object_;
  Result (*call_)(void*, Arguments...);
};

}}  // namespace moeclip::abi_v0_1
