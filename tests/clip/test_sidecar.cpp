// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/sidecar.hpp>
#include <string>

#include "expect_error.hpp"
#include "golden.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

using kernels::Activation;

ClipSidecar read(ClipFamily family, std::string_view text) {
  const TemporaryFolder folder("sidecar");
  folder.write(family == ClipFamily::hugging_face ? "config.json" : "open_clip_config.json", text);
  const auto sidecar = read_clip_sidecar(folder.path(), family);
  REQUIRE(sidecar.has_value());
  return *sidecar;
}

ClipSidecar read_hugging_face(std::string_view text) { return read(ClipFamily::hugging_face, text); }
ClipSidecar read_open_clip(std::string_view text) { return read(ClipFamily::openai, text); }

}  // namespace

TEST_CASE("the recorded configurations") {
  const auto hugging_face = read_clip_sidecar(golden_path("formats/hf/model.safetensors"), ClipFamily::hugging_face);
  REQUIRE(hugging_face.has_value());
  CHECK(hugging_face->activation == Activation::quick_gelu);
  CHECK(hugging_face->vision_heads == 1);
  CHECK(hugging_face->text_heads == 1);
  CHECK(hugging_face->vision_width == 64);
  const auto open_clip = read_clip_sidecar(golden_path("formats/open_clip_custom"), ClipFamily::openai);
  REQUIRE(open_clip.has_value());
  CHECK(open_clip->activation == Activation::quick_gelu);
  CHECK(open_clip->vision_heads == 1);
  CHECK(open_clip->text_heads == 1);
  CHECK(open_clip->path.ends_with("open_clip_config.json"));
}

TEST_CASE("no configuration is no error, and each family looks for its own") {
  CHECK_FALSE(read_clip_sidecar(golden_path("formats/openai_jit.pt"), ClipFamily::openai).has_value());
  CHECK_FALSE(read_clip_sidecar(golden_path("formats/hf"), ClipFamily::openai).has_value());
}

TEST_CASE("Hugging Face's defaults are those of its CLIPConfig") {
  const auto bare = read_hugging_face(R"({"vision_config": {}, "text_config": {}})");
  CHECK(bare.activation == Activation::quick_gelu);
  CHECK(bare.vision_heads == 12);
  CHECK(bare.text_heads == 8);
  CHECK(bare.vision_width == 768);
  CHECK(bare.text_width == 512);
  const auto laion = read_hugging_face(
      R"({"vision_config": {"hidden_act": "gelu", "num_attention_heads": 16, "hidden_size": 1280}, "text_config": {"hidden_size": 1024}})");
  CHECK(laion.activation == Activation::gelu);
  CHECK(laion.vision_heads == 16);
  CHECK(laion.vision_width == 1280);
}

TEST_CASE("open_clip: GELU unless told otherwise, heads of 64 unless a head width is given") {
  const auto plain = read_open_clip(R"({"vision_cfg": {"width": 768}, "text_cfg": {"width": 512, "heads": 8}})");
  CHECK(plain.activation == Activation::gelu);
  CHECK(plain.vision_heads == 12);
  CHECK(plain.text_heads == 8);
  const auto huge = read_open_clip(
      R"({"model_cfg": {"quick_gelu": true, "vision_cfg": {"width": 1280, "head_width": 80}, "text_cfg": {"width": 1024, "heads": 16}}})");
  CHECK(huge.activation == Activation::quick_gelu);
  CHECK(huge.vision_heads == 16);
}

TEST_CASE("configurations that cannot be used are told") {
  expect_error(ErrorCode::format, {"config.json", "vision_config"},
               [] { read_hugging_face(R"({"text_config": {}})"); });
  expect_error(ErrorCode::format, {"open_clip_config.json", "text_cfg"},
               [] { read_open_clip(R"({"vision_cfg": {}})"); });
  expect_error(ErrorCode::format, {"vision_config"},
               [] { read_hugging_face(R"({"vision_config": 3, "text_config": {}})"); });
  expect_error(ErrorCode::unsupported, {"swish", "quick_gelu"},
               [] { read_hugging_face(R"({"vision_config": {"hidden_act": "swish"}, "text_config": {}})"); });
  for (const char* heads : {"0", "-3", "1.5", "\"8\"", "1e30", "[]"})
    expect_error(ErrorCode::format, {"num_attention_heads", "positive whole number"}, [&] {
      read_hugging_face(concat(R"({"vision_config": {"num_attention_heads": )", heads, R"(}, "text_config": {}})"));
    });
  expect_error(ErrorCode::format, {"head_width"},
               [] { read_open_clip(R"({"vision_cfg": {"width": 64, "head_width": 0}, "text_cfg": {}})"); });
  expect_error(ErrorCode::format, {"config.json", "object"}, [] { read_hugging_face("[1, 2]"); });
  expect_error(ErrorCode::format, {"config.json"}, [] { read_hugging_face("{\"vision_config\": "); });
  expect_error(ErrorCode::format, {"config.json", "hidden_act"},
               [] { read_hugging_face(R"({"vision_config": {"hidden_act": 7}, "text_config": {}})"); });
}

TEST_CASE("what would change the result is refused: file, key, found, wanted") {
  const auto refuse = [](std::string_view file, std::string_view key, std::string_view value, std::string_view wanted,
                         const auto& act) {
    expect_error(ErrorCode::unsupported, {file, concat("\"", key, "\" is ", value), concat("only ", wanted)}, act);
  };
  struct Said {
    const char *part, *key, *value, *wanted;
  };
  for (const auto& [part, key, value, wanted] : {Said{"preprocess_cfg", "mean", "[0.5,0.5,0.5]", "[0.48145466"},
                                                 {"preprocess_cfg", "std", "[0.5,0.5,0.5]", "[0.26862954"},
                                                 {"vision_cfg", "act_kwargs", R"({"approximate":"tanh"})", "{"},
                                                 {"vision_cfg", "norm_kwargs", R"({"eps":1e-06})", "{"},
                                                 {"vision_cfg", "pool_type", R"("avg")", R"("tok")"},
                                                 {"vision_cfg", "no_ln_pre", "true", "false"},
                                                 {"text_cfg", "pool_type", R"("last")", R"("argmax")"},
                                                 {"text_cfg", "no_causal_mask", "true", "false"}}) {
    const auto object = [&, p = part, k = key, v = value](std::string_view name) {
      return name == p ? concat("\"", name, "\": {\"", k, "\": ", v, "}") : concat("\"", name, "\": {}");
    };
    refuse("open_clip_config.json", concat(part, ".", key), value, wanted, [&] {
      read_open_clip(concat("{", object("preprocess_cfg"), R"(, "model_cfg": {)", object("vision_cfg"), ", ",
                            object("text_cfg"), "}}"));
    });
  }
  refuse("config.json", "vision_config.layer_norm_eps", "1e-06", "1e-05",
         [] { read_hugging_face(R"({"vision_config": {"layer_norm_eps": 1e-6}, "text_config": {}})"); });
  refuse("config.json", "text_config.hidden_act", "\"gelu\"", "\"quick_gelu\"",
         [] { read_hugging_face(R"({"vision_config": {}, "text_config": {"hidden_act": "gelu"}})"); });
  const TemporaryFolder folder("preprocessor");
  folder.write("preprocessor_config.json", R"({"image_mean": [0.5, 0.5, 0.5]})");
  refuse("preprocessor_config.json", "image_mean", "[0.5,0.5,0.5]", "[0.48145466",
         [&] { read_clip_sidecar(folder.path(), ClipFamily::hugging_face); });
  CHECK_FALSE(read_clip_sidecar(folder.path(), ClipFamily::openai).has_value());
}

TEST_CASE("configurations that say what is computed anyway are read") {
  read_open_clip(
      R"({"model_cfg": {"embed_dim": 64, "vision_cfg": {"image_size": [224, 224], "act_kwargs": {"approximate": "none"},
        "norm_kwargs": {"eps": 1e-5}, "pool_type": "tok", "no_ln_pre": false, "patch_dropout": 0.5, "layers": 3},
        "text_cfg": {"act_kwargs": null, "norm_kwargs": {}, "hf_tokenizer_name": "x", "tokenizer_kwargs": {}}},
        "preprocess_cfg": {"size": 224, "mode": "RGB", "interpolation": "bicubic", "resize_mode": "shortest",
        "mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.2686, 0.2613, 0.2758]}})");
  read_hugging_face(
      R"({"vision_config": {"layer_norm_eps": 0.00001, "dropout": 0.1, "attention_dropout": 0.0},
        "text_config": {"layer_norm_eps": 1e-05, "hidden_act": "quick_gelu", "eos_token_id": 2}})");
}

TEST_CASE("sizes that are none are refused, not passed over") {
  expect_error(ErrorCode::format, {"open_clip_config.json", "vision_cfg.layers", "is \"12\"", "positive whole number"},
               [] { read_open_clip(R"({"vision_cfg": {"layers": "12"}, "text_cfg": {}})"); });
  expect_error(ErrorCode::format, {"embed_dim", "is 1e+300", "positive whole number"},
               [] { read_open_clip(R"({"embed_dim": 1e300, "vision_cfg": {}, "text_cfg": {}})"); });
  expect_error(ErrorCode::format, {"vision_config.patch_size", "is 0"},
               [] { read_hugging_face(R"({"vision_config": {"patch_size": [16, 0]}, "text_config": {}})"); });
}

TEST_CASE("a head width above the width is told") {
  expect_error(ErrorCode::format, {"head_width"},
               [] { read_open_clip(R"({"vision_cfg": {"width": 64, "head_width": 80}, "text_cfg": {"width": 64}})"); });
}
