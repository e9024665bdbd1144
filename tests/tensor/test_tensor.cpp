// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <memory>
#include <moeclip/tensor/tensor.hpp>
#include <utility>
#include <vector>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("a tensor starts with zeros and is aligned") {
  const Tensor<float> tensor({3, 5});
  CHECK(tensor.size() == 15);
  CHECK(tensor.rank() == 2);
  CHECK(tensor.extent(1) == 5);
  CHECK(reinterpret_cast<std::uintptr_t>(tensor.data()) % kAlignment == 0);
  for (const float value : tensor) CHECK(value == 0);
  CHECK(tensor.values().size() == 15);
}

TEST_CASE("empty tensors and scalars") {
  const Tensor<double> none, rows({0, 4}), scalar{Shape{}};
  CHECK(none.empty());
  CHECK(none.shape() == Shape{0});
  CHECK(rows.empty());
  CHECK(rows.begin() == rows.end());
  CHECK(scalar.size() == 1);
  CHECK(scalar[0] == 0);
  const Tensor<double> copy(none);
  CHECK(copy.empty());
}

TEST_CASE("copies are deep") {
  Tensor<int> a({2, 2});
  a[3] = 7;
  Tensor<int> b(a), c;
  c = a;
  a[3] = 8;
  CHECK(b[3] == 7);
  CHECK(c[3] == 7);
  CHECK(b.data() != a.data());
  b = *&b;
  CHECK(b[3] == 7);
  CHECK(same_bits(b, c));
}

TEST_CASE("a moved tensor leaves an empty one behind") {
  Tensor<int> a({4});
  a[1] = 5;
  const int* const memory = a.data();
  Tensor<int> b(std::move(a));
  CHECK(b.data() == memory);
  CHECK(a.empty());  // NOLINT: that is what is tested
  CHECK(a.shape() == Shape{0});
  Tensor<int> c({2});
  c = std::move(b);
  CHECK(c[1] == 5);
  CHECK(c.shape() == Shape{4});
}

TEST_CASE("a borrowed tensor keeps its owner alive, its copies own themselves") {
  auto owner = std::make_shared<std::vector<float>>(6, 2.0f);
  const std::weak_ptr<std::vector<float>> watch = owner;
  Tensor<float> copy;
  {
    float* const data = owner->data();
    Tensor<float> borrowed = Tensor<float>::borrow({2, 3}, data, std::move(owner));
    CHECK(borrowed.data() == data);
    CHECK_FALSE(watch.expired());
    copy = borrowed;
    borrowed.view<2>()(1, 2) = 3;
    CHECK((*watch.lock())[5] == 3);
  }
  CHECK(watch.expired());
  CHECK(copy[5] == 2);
}

TEST_CASE("reshape keeps the elements and refuses another number of them") {
  Tensor<int> tensor({2, 6});
  tensor[7] = 1;
  tensor.reshape({3, 4});
  CHECK(tensor.view<2>()(1, 3) == 1);
  expect_error(ErrorCode::contract, {"(3,4)", "(5)"}, [&] { tensor.reshape({5}); });
  CHECK(tensor.shape() == Shape{3, 4});
}

TEST_CASE("a view has the tensor's rank or is refused") {
  Tensor<int> tensor({2, 3});
  tensor.fill(4);
  const View<int, 2> view = tensor.view<2>();
  view(1, 0) = 9;
  CHECK(tensor[3] == 9);
  const Tensor<int>& constant = tensor;
  CHECK(constant.view<2>()(1, 0) == 9);
  expect_error(ErrorCode::contract, {"(2,3)", "rank 3"}, [&] { static_cast<void>(tensor.view<3>()); });
}
