// SPDX-License-Identifier: MIT
#pragma once
// A reference to something callable: two pointers, no allocation. It must not outlive the callable it was made from.

#include <memory>
#include <type_traits>
#include <utility>

#include "version.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class Signature>
class function_ref;

template <class Result, class... Arguments>
class function_ref<Result(Arguments...)> {
 public:
  template <class Callable>
  requires(!std::is_same_v<std::remove_cvref_t<Callable>, function_ref> &&
           std::is_invocable_r_v<Result, Callable&, Arguments...>) function_ref(Callable&& callable)
  noexcept  // NOLINT: implicit on purpose
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Arguments... arguments) -> Result {
          return (*static_cast<std::remove_reference_t<Callable>*>(object))(std::forward<Arguments>(arguments)...);
        }) {}

  Result operator()(Arguments... arguments) const { return call_(object_, std::forward<Arguments>(arguments)...); }

 private:
  void* object_;
  Result (*call_)(void*, Arguments...);
};

}  // namespace moeclip::inline MOECLIP_ABI_NS
