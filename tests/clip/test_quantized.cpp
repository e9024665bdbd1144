// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/clip/save.hpp>
#include <moeclip/clip/save_quantized.hpp>
#include <moeclip/io/safetensors.hpp>
#include <string>
#include <utility>

#include "expect_error.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT
using kernels::Precision;

namespace {

constexpr const char* kSpared = "visual.transformer.resblocks.1.mlp.c_proj";

/// A CLIP of two image blocks and one text block, written to `folder`.
std::string write_full_clip(const TemporaryFolder& folder) {
  ClipWeights<float> clip({{12, 4, 24, 2, 3, 40}, {9, 517, 20, 1, 2, 24}, 10, kernels::Activation::gelu});
  initialize_clip(clip, 7);
  const std::string path = join_path(folder.path(), "full.safetensors");
  save_clip(path, clip, DType::f32, "#version: 0.2\nc a\nca t</w>\nd o\n");
  return path;
}

Clip<float> load_as(const std::string& path, std::optional<PrecisionPlan> plan) {
  ClipOptions options;
  options.threads = 1;
  options.precision = std::move(plan);
  return Clip<float>::load(path, options);
}

/// Image and text vectors of a CLIP.
Tensor<float> vectors_of(const Clip<float>& clip, int threads) {
  Context context({.threads = threads});
  const Tensor<float> images = random_tensor<float>({2, 3, 12, 12}, "images");
  const Tensor<std::int32_t> tokens = clip.tokenize({"cat", "a dog."});
  Tensor<float> out({4, 10});
  encode_image_forward<float>(context, clip.vision(), images.view<4>(), clip.vision().positional_embedding,
                              out.view<2>().rows(0, 2));
  encode_text_forward<float>(context, clip.text(), tokens.view<2>(), out.view<2>().rows(2, 4));
  return out;
}

std::string write_quantized(const TemporaryFolder& folder, const std::string& full, const PrecisionPlan& plan) {
  const ClipFile source = open_clip(full);
  const Clip<float> clip = load_as(full, plan);
  const std::string path = join_path(folder.path(), "quantized.safetensors");
  save_quantized(path, {source, clip.vision(), clip.text(), plan, R"({"pictures":3})",
                        *find_metadata(source.file.metadata(), kMergesKey)});
  return path;
}

}  // namespace

TEST_CASE("a CLIP is loaded in the precision that is asked for") {
  const TemporaryFolder folder("quantized_load");
  const std::string path = write_full_clip(folder);
  const Clip<float> full = load_as(path, std::nullopt);
  const auto layer = [](const Clip<float>& clip) {
    return clip.vision().transformer.blocks[1].mlp.c_proj.packed.precision();
  };
  const auto text = [](const Clip<float>& clip) {
    return clip.text().transformer.blocks[0].mlp.c_fc.packed.precision();
  };
  CHECK(layer(full) == Precision::f32);
  CHECK(layer(load_as(path, PrecisionPlan{Precision::bf16, {}})) == Precision::bf16);
  const Clip<float> int8 = load_as(path, PrecisionPlan{Precision::int8, {}});
  CHECK(layer(int8) == Precision::int8);
  CHECK(text(int8) == Precision::bf16);  // never lower
  CHECK(layer(load_as(path, PrecisionPlan{Precision::int8, {{kSpared, Precision::bf16}}})) == Precision::bf16);

  const Tensor<float> expected = vectors_of(full, 1);
  for (const Precision precision : {Precision::bf16, Precision::int8}) {
    const Clip<float> clip = load_as(path, PrecisionPlan{precision, {}});
    const Tensor<float> found = vectors_of(clip, 1);
    CHECK(same_bits(found, vectors_of(clip, 3)));
    double distance = 0, length = 0;
    for (index_t i = 0; i < found.size(); ++i) {
      distance += std::pow(static_cast<double>(found[i]) - static_cast<double>(expected[i]), 2);
      length += std::pow(static_cast<double>(expected[i]), 2);
    }
    CHECK(distance > 0);
    // a few products, each with relative errors of 2^-9, or 1/254 beside 1/255 of the range of a row
    CHECK(std::sqrt(distance / length) < (precision == Precision::bf16 ? 0x1p-5 : 0.1));
  }
}

TEST_CASE("a quantized file holds what was multiplied with") {
  const TemporaryFolder folder("quantized_file");
  const std::string full = write_full_clip(folder);
  for (const PrecisionPlan& plan : {PrecisionPlan{Precision::bf16, {}}, PrecisionPlan{Precision::int8, {}},
                                    PrecisionPlan{Precision::int8, {{kSpared, Precision::bf16}}}}) {
    const std::string path = write_quantized(folder, full, plan);
    const Clip<float> before = load_as(full, plan), after = load_as(path, std::nullopt);
    CHECK(same_bits(vectors_of(before, 1), vectors_of(after, 1)));
    CHECK(after.vision().transformer.blocks[1].mlp.c_proj.packed.precision() == plan.of(kSpared));
    const WeightFile file = WeightFile::open(path);
    CHECK(file.entry(weight_name(kSpared)).dtype == (plan.of(kSpared) == Precision::int8 ? DType::i8 : DType::bf16));
    CHECK(file.entry("visual.proj").dtype == DType::f32);
    CHECK(*find_metadata(file.metadata(), kQuantizedFromKey) == R"({"pictures":3})");
    CHECK(open_clip(path).precision.precision == plan.precision);
    CHECK(open_clip(path).precision.exceptions == plan.exceptions);
    // as full precision it is the rounded numbers, in double too
    const VisionTower<double> wide =
        load_vision<double>(*std::make_unique<Context>(), open_clip(path), kernels::Activation::gelu);
    const auto& rounded = before.vision().transformer.blocks[1].mlp.c_proj.packed;
    const auto& layer = wide.transformer.blocks[1].mlp.c_proj.packed;
    for (index_t i = 0; i < rounded.rows(); ++i)
      for (index_t j = 0; j < rounded.columns(); ++j)
        CHECK(layer(i, j) == doctest::Approx(static_cast<double>(rounded(i, j))).epsilon(1e-6));
  }
}

TEST_CASE("what cannot be quantized or read says so") {
  const TemporaryFolder folder("quantized_bad");
  const std::string full = write_full_clip(folder);
  const std::string path = write_quantized(folder, full, {Precision::int8, {}});
  const ClipFile source = open_clip(full);
  const Clip<float> clip = load_as(full, std::nullopt);
  PrecisionPlan nothing;
  nothing.exceptions.clear();
  const QuantizedClip unquantized{source, clip.vision(), clip.text(), nothing, "{}", ""};
  expect_error(ErrorCode::contract, {"not quantized"},
               [&] { save_quantized(join_path(folder.path(), "x.safetensors"), unquantized); });
  Context context({.threads = 1});
  expect_error(ErrorCode::contract, {"double", "bf16"}, [&] {
    load_vision<double>(context, source, kernels::Activation::gelu, {Precision::bf16, {}});
  });
  const std::vector<std::byte> whole = read_file(path, 1 << 20);
  const auto spoiled = [&](std::string_view from, std::string_view to) {
    std::string text(as_text(whole));
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    REQUIRE(from.size() == to.size());
    text.replace(at, from.size(), to);
    const std::string digits = concat("\"", kChecksumKey, "\":\"");
    text.replace(text.find(digits) + digits.size(), kNoChecksum.size(),
                 kNoChecksum);  // what a checksum would find first
    const Bytes bytes = as_bytes(text);
    return WeightFile::from_bytes({bytes.begin(), bytes.end()}, "spoiled.safetensors");
  };
  const auto load = [&](WeightFile file) {
    load_vision<float>(context, recognise_clip(std::move(file)), kernels::Activation::gelu, {Precision::int8, {}});
  };
  expect_error(ErrorCode::unsupported, {"version 7", "version 1"},
               [&] { load(spoiled("moeclip.quantized.version\":\"1\"", "moeclip.quantized.version\":\"7\"")); });
  expect_error(ErrorCode::format, {"moeclip.precision", "bf16 or int8"},
               [&] { load(spoiled("moeclip.precision\":\"int8\"", "moeclip.precision\":\"int3\"")); });
  expect_error(ErrorCode::missing, {"c_fc.weight_scale"}, [&] {
    load(spoiled("visual.transformer.resblocks.0.mlp.c_fc.weight_scale",
                 "wisual.transformer.resblocks.0.mlp.c_fc.weight_scale"));
  });
}
