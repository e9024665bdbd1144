// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/vision.hpp>
#include <vector>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

template <class T>
VisionTower<T> random_vision() {
  VisionTower<T> tower({12, 4, 16, 3, 2, 24}, 6, kernels::Activation::gelu);
  visit_parameters(tower, "visual", [](const std::string& name, Tensor<T>& tensor) {
    const bool is_gain = name.find("ln_") != std::string::npos && name.ends_with("weight");
    randomize(tensor, name, 0.4f, is_gain ? 1.0f : 0.0f);
  });
  return tower;
}

}  // namespace

TEST_CASE("the hook sees every block once, counted from one, and may change the tokens") {
  const auto tower = random_vision<float>();
  const Tensor<float> images = random_tensor<float>({1, 3, 12, 12}, "image");
  Context context({.threads = 1});
  Tensor<float> plain({1, 10, 16}), touched({1, 10, 16});
  std::vector<index_t> seen;
  auto watch = [&](index_t block, View<float, 2> x) {
    seen.push_back(block);
    CHECK(x.extent(0) == 10);
    CHECK(x.extent(1) == 16);
  };
  vision_forward<float>(context, tower, images.view<4>(), tower.positional_embedding, plain.view<3>(),
                        {watch, nullptr});
  CHECK(seen == std::vector<index_t>{1, 2, 3});
  auto touch = [&](index_t block, View<float, 2> x) {
    if (block == 3) x(4, 2) += 1;
  };
  vision_forward<float>(context, tower, images.view<4>(), tower.positional_embedding, touched.view<3>(),
                        {touch, nullptr});
  index_t changed = 0;
  for (index_t i = 0; i < plain.size(); ++i) changed += plain[i] != touched[i];
  CHECK(changed == 1);
  CHECK(touched[4 * 16 + 2] == plain[4 * 16 + 2] + 1);
}

TEST_CASE_TEMPLATE("images of a batch give the same bits as one by one, with any number of threads", T, float, double) {
  const auto tower = random_vision<T>();
  const Tensor<T> images = random_tensor<T>({3, 3, 12, 12}, "images");
  Tensor<T> together({3, 6}), alone({3, 6});
  Context one({.threads = 1}), three({.threads = 3});
  encode_image_forward<T>(three, tower, images.template view<4>(), tower.positional_embedding,
                          together.template view<2>());
  for (index_t b = 0; b < 3; ++b)
    encode_image_forward<T>(one, tower, images.template view<4>().rows(b, b + 1), tower.positional_embedding,
                            alone.template view<2>().rows(b, b + 1));
  CHECK(same_bits(together, alone));
}

TEST_CASE("a packed tower gives the bits of the plain one") {
  auto tower = random_vision<float>();
  const Tensor<float> images = random_tensor<float>({1, 3, 12, 12}, "image");
  Context context({.threads = 2});
  Tensor<float> plain({1, 6}), packed({1, 6});
  encode_image_forward<float>(context, tower, images.view<4>(), tower.positional_embedding, plain.view<2>());
  for (auto& block : tower.transformer.blocks) pack(context, block);
  pack(context, tower.patch_embed);
  encode_image_forward<float>(context, tower, images.view<4>(), tower.positional_embedding, packed.view<2>());
  CHECK(same_bits(plain, packed));
}

TEST_CASE("another image size needs its own positions, and that is told") {
  const auto tower = random_vision<float>();
  const Tensor<float> images = random_tensor<float>({1, 3, 20, 20}, "large image");
  Context context({.threads = 1});
  Tensor<float> out({1, 6}), tokens({1, 26, 16});
  auto nothing = [](index_t, View<float, 2>) {};
  expect_error(ErrorCode::contract, {"(10,16)", "26"}, [&] {
    vision_forward<float>(context, tower, images.view<4>(), tower.positional_embedding, tokens.view<3>(),
                          {nothing, nullptr});
  });
  CHECK_NOTHROW(encode_image_forward<float>(context, tower, images.view<4>(),
                                            resize_positions(tower.positional_embedding, 5), out.view<2>()));
}
