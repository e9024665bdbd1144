// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/tensor/probe.hpp>
#include <moeclip/tensor/visit.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

using namespace moeclip;  // NOLINT

namespace {

struct Leaf {
  Tensor<float> weight{Shape{2}};
  Tensor<float> bias{Shape{1}};

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight", self.weight);
    visitor("bias", self.bias);
  }
};

struct Tree {
  Leaf first;
  std::vector<Leaf> leaves;
  Tensor<float> scale{Shape{}};
  std::vector<Tensor<float>> tensors;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("ln_1", self.first);
    visitor("resblocks", self.leaves);
    visitor("logit_scale", self.scale);
    visitor("levels", self.tensors);
  }
};

std::vector<std::string> names_of(Tree& tree, std::string_view prefix) {
  std::vector<std::string> names;
  visit_parameters(tree, prefix, [&](const std::string& name, Tensor<float>&) { names.push_back(name); });
  return names;
}

}  // namespace

TEST_CASE("parameters are visited depth first in the order of the lists, with dotted names") {
  Tree tree;
  tree.leaves.resize(2);
  tree.tensors.resize(1);
  CHECK(names_of(tree, "") == std::vector<std::string>{"ln_1.weight", "ln_1.bias", "resblocks.0.weight",
                                                       "resblocks.0.bias", "resblocks.1.weight", "resblocks.1.bias",
                                                       "logit_scale", "levels.0"});
  CHECK(names_of(tree, "visual").front() == "visual.ln_1.weight");
  Tree bare;
  CHECK(names_of(bare, "").size() == 3);
}

TEST_CASE("the visited tensors are the object's own; constant for a constant object") {
  Tree tree;
  visit_parameters(tree, "", [](const std::string&, Tensor<float>& tensor) { tensor.fill(3); });
  CHECK(tree.first.weight[1] == 3);
  CHECK(tree.scale[0] == 3);
  const Tree& constant = tree;
  index_t count = 0;
  visit_parameters(constant, "", [&](const std::string&, auto& tensor) {
    static_assert(std::is_const_v<std::remove_reference_t<decltype(tensor)>>);
    count += tensor.size();
  });
  CHECK(count == 4);
}

TEST_CASE("golden names count with two digits") {
  CHECK(two_digits(0) == "00");
  CHECK(two_digits(7) == "07");
  CHECK(two_digits(12) == "12");
  CHECK(two_digits(123) == "123");
}
