// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/clip/clip.hpp>
#include <moeclip/clip/load_clip.hpp>
#include <string>
#include <thread>
#include <vector>

#include "expect_error.hpp"
#include "golden.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

Clip<float> load_micro(const std::string& vocabulary = "tokenizer/tokenizer.json") {
  return Clip<float>::load(golden_path("formats/hf"),
                           {.activation = {}, .vocabulary = golden_path(vocabulary), .threads = 1});
}

Image some_picture(index_t width, index_t height, index_t channels) {
  Image image(width, height, channels);
  const Rng rng(1, "picture");
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(rng.integer(i, 0, 256));
  return image;
}

double length_of(const float* row, index_t count) {
  double square = 0;
  for (index_t i = 0; i < count; ++i) square += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  return std::sqrt(square);
}

}  // namespace

TEST_CASE("sentences become unit vectors of what the text tower computes") {
  const Clip<float> clip = load_micro();
  const std::vector<std::string> sentences = {"a cat", "the dog.", ""};
  const Tensor<float> vectors = clip.encode_text(sentences);
  REQUIRE(vectors.shape() == Shape{3, 20});
  Context context({.threads = 1});
  Tensor<float> raw({3, 20});
  encode_text_forward<float>(context, clip.text(), std::as_const(clip).tokenize(sentences).view<2>(), raw.view<2>());
  for (index_t n = 0; n < 3; ++n) {
    const double length = length_of(&raw[20 * n], 20);
    for (index_t c = 0; c < 20; ++c)
      CHECK(std::abs(static_cast<double>(vectors[20 * n + c]) - static_cast<double>(raw[20 * n + c]) / length) <=
            8 * eps_of<float>());
  }
  CHECK(std::abs(clip.logit_scale() - std::exp(2.6592)) < 0.02);  // stored in half precision
}

TEST_CASE("pictures of any shape, gray or colour, become unit vectors") {
  const Clip<float> clip = load_micro();
  for (const auto& [width, height] : std::vector<std::pair<index_t, index_t>>{{28, 28}, {1, 1}, {3, 50}, {61, 40}}) {
    const Tensor<float> vector = clip.encode_image(some_picture(width, height, 3));
    REQUIRE(vector.shape() == Shape{20});
    CHECK(std::abs(length_of(vector.data(), 20) - 1) < 20 * eps_of<float>());
  }
  const Image gray = some_picture(40, 30, 1);
  Image colour(40, 30, 3);
  for (index_t i = 0; i < gray.size(); ++i) std::fill_n(colour.data() + 3 * i, 3, gray.data()[i]);
  CHECK(same_bits(clip.encode_image(gray), clip.encode_image(colour)));
}

TEST_CASE("one CLIP serves several threads") {
  const Clip<float> clip = load_micro();
  const Image picture = some_picture(33, 44, 3);
  const Tensor<float> expected_image = clip.encode_image(picture);
  Tensor<float> images[3], texts[3];
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      Context context({.threads = 1});
      texts[i] = clip.encode_text(context, {"one of several"});  // the tokenizer is opened by whoever is first
      images[i] = clip.encode_image(context, picture.view());
    });
  for (auto& thread : threads) thread.join();
  for (int i = 0; i < 3; ++i) {
    CHECK(same_bits(images[i], expected_image));
    CHECK(same_bits(texts[i], texts[0]));
  }
}

TEST_CASE("a tokenizer of another model is told when it is used, not before") {
  const Clip<float> clip = load_micro("../../tools/moeclip/data/bpe_simple_vocab_16e6.txt.gz");
  CHECK_NOTHROW(static_cast<void>(clip.encode_image(some_picture(5, 5, 3))));
  expect_error(ErrorCode::mismatch, {"49408", "600", "vocabulary"},
               [&] { static_cast<void>(clip.encode_text({"a cat"})); });
}

TEST_CASE("a missing tokenizer is told when it is used, and again the next time") {
  const Clip<float> clip = load_micro("tokenizer/nowhere.json");
  CHECK_NOTHROW(static_cast<void>(clip.encode_image(some_picture(5, 5, 3))));
  for (int i = 0; i < 2; ++i)
    expect_error(ErrorCode::io, {"nowhere.json"}, [&] { static_cast<void>(clip.encode_text({"a cat"})); });
}

TEST_CASE("the tokenizer beside the weights is found") {
  const TemporaryFolder folder("clip");
  folder.copy(golden_path("formats/hf/config.json"));
  const std::string weights = folder.copy(golden_path("formats/hf/model.safetensors"));
  folder.copy(golden_path("tokenizer/tokenizer.json"));
  const Tensor<float> wanted = load_micro().encode_text({"a cat"});
  CHECK(same_bits(Clip<float>::load(weights).encode_text({"a cat"}), wanted));
  CHECK(same_bits(Clip<float>::load(folder.path()).encode_text({"a cat"}), wanted));
}

TEST_CASE("a sentence that is too long is an error, not cut silently") {
  const Clip<float> clip = load_micro();
  std::string sentence;
  for (int i = 0; i < 40; ++i) sentence += "word ";
  expect_error(ErrorCode::limit, {"16 fit"}, [&] { static_cast<void>(clip.encode_text({"short", sentence})); });
}

TEST_CASE("the activation can be chosen") {
  const auto load = [](std::optional<kernels::Activation> activation) {
    return Clip<float>::load(golden_path("formats/hf"), {.activation = activation, .vocabulary = "", .threads = 1});
  };
  const Clip<float> own = load({}), gelu = load(kernels::Activation::gelu);
  CHECK(own.config().activation == kernels::Activation::quick_gelu);
  CHECK(gelu.vision().activation == kernels::Activation::gelu);
  CHECK(gelu.text().activation == kernels::Activation::gelu);
  const Image picture = some_picture(28, 28, 3);
  CHECK_FALSE(same_bits(own.encode_image(picture), gelu.encode_image(picture)));
}
