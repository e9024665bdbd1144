// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/clip/clip.hpp>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/clip/save.hpp>
#include <string>
#include <utility>

#include "expect_error.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

const std::string kMerges = "#version: 0.2\nc a\nca t</w>\nd o\n";  // 512 + 3 + 2 tokens

ClipConfig small_config() { return {{12, 4, 24, 2, 3, 40}, {9, 517, 20, 1, 2, 24}, 10, kernels::Activation::gelu}; }

template <class T>
ClipWeights<T> small_clip() {
  ClipWeights<T> clip(small_config());
  initialize_clip(clip, 7);
  return clip;
}

}  // namespace

TEST_CASE("what was saved is loaded with its own heads, activation and tokenizer, nothing beside it") {
  const TemporaryFolder folder("save_clip");
  const std::string path = join_path(folder.path(), "small.safetensors");
  const auto clip = small_clip<float>();
  save_clip(path, clip, DType::f32, kMerges);
  const ClipFile file = open_clip(path);
  CHECK(file.config == small_config());
  CHECK(file.activation_source == path);
  const auto loaded = Clip<float>::load(path, {.activation = {}, .vocabulary = "", .threads = 1});
  CHECK(loaded.tokenizer().vocabulary_size() == 517);
  CHECK(loaded.tokenizer().encode("cat dog").size() == 3);  // cat, do, g
  CHECK(std::abs(loaded.logit_scale() - 1 / 0.07) < 1e-5);

  const Tensor<float> images = random_tensor<float>({2, 3, 12, 12}, "images");
  const Tensor<std::int32_t> tokens = loaded.tokenize({"cat", "a dog."});
  Tensor<float> mine({4, 10}), its({4, 10});
  Context context({.threads = 1});
  const auto encode = [&](const VisionTower<float>& vision, const TextTower<float>& text, Tensor<float>& out) {
    encode_image_forward<float>(context, vision, images.view<4>(), vision.positional_embedding,
                                out.view<2>().rows(0, 2));
    encode_text_forward<float>(context, text, tokens.view<2>(), out.view<2>().rows(2, 4));
  };
  encode(clip.vision, clip.text, mine);
  encode(loaded.vision(), loaded.text(), its);
  CHECK(same_bits(mine, its));
}

TEST_CASE_TEMPLATE("half precision rounds each element once", T, float, double) {
  const TemporaryFolder folder("save_clip_half");
  const std::string path = join_path(folder.path(), "half.safetensors");
  const auto clip = small_clip<T>();
  for (const DType dtype : {DType::f16, DType::bf16}) {
    save_clip(path, clip, dtype);
    const WeightFile file = WeightFile::open(path);
    visit_parameters(clip, "", [&](const std::string& name, const Tensor<T>& tensor) {
      CAPTURE(name);
      CHECK(file.entry(name).dtype == dtype);
      const Tensor<float> stored = file.read<float>(name);
      REQUIRE(stored.size() == tensor.size());
      index_t wrong = 0;
      for (index_t i = 0; i < tensor.size(); ++i) {
        const auto value = static_cast<float>(tensor[i]);
        wrong += stored[i] != (dtype == DType::f16 ? half_to_float(float_to_half(value))
                                                   : bfloat16_to_float(float_to_bfloat16(value)));
      }
      CHECK(wrong == 0);
    });
  }
  expect_error(ErrorCode::contract, {"i32"}, [&] { save_clip(path, clip, DType::i32); });
}

TEST_CASE("first weights follow CLIP's rules, whatever else is in the model") {
  const auto clip = small_clip<double>();
  const auto deviation = [](const Tensor<double>& tensor) {
    double square = 0;
    for (const double value : tensor) square += value * value;
    return std::sqrt(square / static_cast<double>(tensor.size()));
  };
  const auto is_near = [](double found, double wanted, index_t count) {  // five times the deviation's own deviation
    return std::abs(found / wanted - 1) < 5 / std::sqrt(2 * static_cast<double>(count));
  };
  const Block<double>& block = clip.vision.transformer.blocks[1];
  CHECK(is_near(deviation(block.attention.in_proj.weight), 1 / std::sqrt(24.0), 3 * 24 * 24));
  CHECK(is_near(deviation(block.attention.out_proj.weight), 1 / std::sqrt(24.0 * 2 * 2), 24 * 24));
  CHECK(is_near(deviation(block.mlp.c_fc.weight), 1 / std::sqrt(2 * 24.0), 24 * 40));
  CHECK(is_near(deviation(block.mlp.c_proj.weight), 1 / std::sqrt(24.0 * 2 * 2), 24 * 40));
  CHECK(is_near(deviation(clip.vision.projection), 1 / std::sqrt(24.0), 240));
  CHECK(is_near(deviation(clip.vision.positional_embedding), 1 / std::sqrt(24.0), 240));
  CHECK(is_near(deviation(clip.vision.class_embedding), 1 / std::sqrt(24.0), 24));
  CHECK(is_near(deviation(clip.vision.patch_embed.weight), 1 / std::sqrt(48.0 * 3), 24 * 48));
  CHECK(is_near(deviation(clip.text.token_embedding), 0.02, 517 * 20));
  CHECK(is_near(deviation(clip.text.positional_embedding), 0.01, 180));
  CHECK(is_near(deviation(clip.text.projection), 1 / std::sqrt(20.0), 200));
  CHECK(deviation(block.mlp.c_fc.bias) == 0);
  CHECK(block.ln_1.gamma[3] == 1);
  CHECK(block.ln_1.beta[3] == 0);

  ClipConfig deeper = small_config();
  deeper.text.layers = 3;
  ClipWeights<double> other(deeper);
  initialize_clip(other, 7);
  CHECK(same_bits(other.vision.projection, clip.vision.projection));
  CHECK(same_bits(other.text.transformer.blocks[0].mlp.c_fc.weight, clip.text.transformer.blocks[0].mlp.c_fc.weight));
  initialize_clip(other, 8);
  CHECK_FALSE(same_bits(other.vision.projection, clip.vision.projection));
}

TEST_CASE("a file that says nonsense about itself is told") {
  const std::string path = "made.safetensors";
  const auto read = [&](std::vector<std::pair<std::string, std::string>> metadata) {
    return read_clip_metadata(metadata, path);
  };
  CHECK_FALSE(read({{"format", "pt"}}).has_value());
  CHECK(read({{"moeclip.activation", "quick_gelu"}})->activation == kernels::Activation::quick_gelu);
  CHECK_FALSE(read({{"moeclip.activation", "gelu"}})->vision_heads.has_value());
  CHECK(read({{"moeclip.activation", "gelu"}, {"moeclip.text_heads", "12"}})->text_heads == 12);
  expect_error(ErrorCode::format, {path, "moeclip.activation"}, [&] { read({{"moeclip.activation", "relu"}}); });
  for (const char* heads : {"", "x", "0", "-2", "3 ", "99999999999999999999"})
    expect_error(ErrorCode::format, {path, "moeclip.vision_heads"}, [&] {
      read({{"moeclip.activation", "gelu"}, {"moeclip.vision_heads", heads}});
    });
}

TEST_CASE("weights without a tokenizer inside are told") {
  const TemporaryFolder folder("save_clip_bare");
  const std::string path = join_path(folder.path(), "bare.safetensors");
  save_clip(path, small_clip<float>(), DType::f16);
  expect_error(ErrorCode::missing, {"bare.safetensors", "moeclip.merges"},
               [&] { static_cast<void>(Tokenizer::open(path)); });
}
