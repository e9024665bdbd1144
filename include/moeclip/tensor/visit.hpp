// SPDX-License-Identifier: MIT
#pragma once
// One list of named parameters per struct serves loading, saving, counting and printing (and, in training, optimiser
// and gradient check). A struct lists its tensors and nested structs once:
//
//   template <class Self, class Visitor>
//   static void visit(Self& self, Visitor& visitor) {
//     visitor("ln_1", self.ln_1);             // a nested struct: its names get the prefix "ln_1."
//     visitor("resblocks", self.blocks);      // a std::vector of structs: "resblocks.0.", "resblocks.1." ...
//     visitor("proj", self.projection);       // a tensor
//   }

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../base/text.hpp"
#include "tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

template <class T>
inline constexpr bool is_tensor = false;
template <class T>
inline constexpr bool is_tensor<Tensor<T>> = true;

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

/// Walks the lists of nested structs and calls `function(path, tensor)` at each leaf.
template <class Function>
class ParameterVisitor {
 public:
  ParameterVisitor(std::string prefix, Function& function) : prefix_(std::move(prefix)), function_(function) {}

  template <class Member>
  void operator()(std::string_view name, Member& member) {
    using Plain = std::remove_const_t<Member>;
    const std::string path = prefix_.empty() ? std::string(name) : concat(prefix_, ".", name);
    if constexpr (is_tensor<Plain>) {
      function_(path, member);
    } else if constexpr (is_vector<Plain>) {
      ParameterVisitor inner(path, function_);
      for (std::size_t i = 0; i < member.size(); ++i) inner(concat(i), member[i]);
    } else {
      ParameterVisitor inner(path, function_);
      Plain::visit(member, inner);
    }
  }

 private:
  std::string prefix_;
  Function& function_;
};

}  // namespace detail

/// Calls function(path, tensor) for every parameter of `object`, in the order of its lists, depth first; `path` is the
/// dotted name below `prefix`. For a constant object the tensors are constant.
template <class Object, class Function>
void visit_parameters(Object& object, std::string_view prefix, Function&& function) {
  detail::ParameterVisitor<std::remove_reference_t<Function>> visitor{std::string(prefix), function};
  std::remove_const_t<Object>::visit(object, visitor);
}

/// Sets every parameter of `object` to zero. A gradient has the type of what it belongs to: it is made by the same
/// constructor, and emptied by this before each step.
template <class Object>
void zero_parameters(Object& object) {
  visit_parameters(object, "", [](const std::string&, auto& tensor) { tensor.fill({}); });
}

}}  // namespace moeclip::abi_v0_1
