// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/names.hpp>
#include <string>
#include <vector>

using namespace moeclip;  // NOLINT

namespace {

std::string only_name(const ClipNaming& naming, std::string_view name) {
  const ClipTensorSource source = clip_tensor_source(naming, name);
  CHECK(source.names.size() == 1);
  CHECK_FALSE(source.is_transposed);
  return source.names[0];
}

}  // namespace

TEST_CASE("OpenAI's names are the library's own") {
  const ClipNaming naming;
  for (const char* name : {"visual.conv1.weight", "visual.proj", "logit_scale", "token_embedding.weight",
                           "transformer.resblocks.11.attn.in_proj_weight", "text_projection"})
    CHECK(only_name(naming, name) == name);
}

TEST_CASE("open_clip puts prefixes before them, and 'text.' before the text tower of CustomTextCLIP") {
  const ClipNaming prefixed{ClipFamily::openai, "state_dict/module.", ""};
  CHECK(only_name(prefixed, "visual.ln_pre.bias") == "state_dict/module.visual.ln_pre.bias");
  CHECK(only_name(prefixed, "ln_final.weight") == "state_dict/module.ln_final.weight");
  const ClipNaming custom{ClipFamily::openai, "module.", "text."};
  CHECK(only_name(custom, "visual.transformer.resblocks.0.ln_1.weight") ==
        "module.visual.transformer.resblocks.0.ln_1.weight");
  CHECK(only_name(custom, "transformer.resblocks.0.ln_1.weight") == "module.text.transformer.resblocks.0.ln_1.weight");
  CHECK(only_name(custom, "text_projection") == "module.text.text_projection");
  CHECK(only_name(custom, "logit_scale") == "module.logit_scale");
}

TEST_CASE("Hugging Face's names of both towers") {
  const ClipNaming naming{ClipFamily::hugging_face, "", ""};
  const std::vector<std::vector<std::string>> pairs = {
      {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
      {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"},
      {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
      {"visual.ln_pre.weight", "vision_model.pre_layrnorm.weight"},
      {"visual.ln_post.bias", "vision_model.post_layernorm.bias"},
      {"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
      {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
      {"ln_final.weight", "text_model.final_layer_norm.weight"},
      {"logit_scale", "logit_scale"},
      {"visual.transformer.resblocks.23.ln_1.weight", "vision_model.encoder.layers.23.layer_norm1.weight"},
      {"visual.transformer.resblocks.0.ln_2.bias", "vision_model.encoder.layers.0.layer_norm2.bias"},
      {"transformer.resblocks.7.attn.out_proj.weight", "text_model.encoder.layers.7.self_attn.out_proj.weight"},
      {"transformer.resblocks.7.mlp.c_fc.bias", "text_model.encoder.layers.7.mlp.fc1.bias"},
      {"transformer.resblocks.10.mlp.c_proj.weight", "text_model.encoder.layers.10.mlp.fc2.weight"}};
  for (const auto& pair : pairs) CHECK(only_name(naming, pair[0]) == pair[1]);
}

TEST_CASE("Hugging Face keeps queries, keys and values apart and projections transposed") {
  const ClipNaming naming{ClipFamily::hugging_face, "clip.", ""};
  const auto weight = clip_tensor_source(naming, "visual.transformer.resblocks.3.attn.in_proj_weight");
  const std::string layer = "clip.vision_model.encoder.layers.3.self_attn.";
  CHECK(weight.names ==
        std::vector<std::string>{layer + "q_proj.weight", layer + "k_proj.weight", layer + "v_proj.weight"});
  const auto bias = clip_tensor_source(naming, "transformer.resblocks.0.attn.in_proj_bias");
  REQUIRE(bias.names.size() == 3);
  CHECK(bias.names[2] == "clip.text_model.encoder.layers.0.self_attn.v_proj.bias");
  for (const char* name : {"visual.proj", "text_projection"}) {
    const auto source = clip_tensor_source(naming, name);
    CHECK(source.is_transposed);
    CHECK(source.names[0] ==
          (name == std::string("visual.proj") ? "clip.visual_projection.weight" : "clip.text_projection.weight"));
  }
}
