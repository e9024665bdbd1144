// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/clip/checkpoint.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/record.hpp>
#include <moeclip/io/safetensors_writer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "micro_clip.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

const GoldenData& recorded() {
  static const GoldenData golden("formats/expected/clip_io.safetensors");
  return golden;
}

Tensor<std::int32_t> recorded_tokens() {
  const Tensor<double> ids = recorded().read("inputs/tokens");
  Tensor<std::int32_t> tokens(ids.shape());
  std::transform(ids.begin(), ids.end(), tokens.begin(), [](double id) { return static_cast<std::int32_t>(id); });
  return tokens;
}

/// What a file's CLIP makes of the recorded inputs, not normalised.
template <class T>
struct Encoded {
  Tensor<T> images, sentences;
};

template <class T>
Encoded<T> encode(const std::string& path, int threads = 1) {
  Context context({.threads = threads});
  const ClipFile clip = open_clip(golden_path("formats/" + path));
  const auto vision = load_vision<T>(context, clip, clip.config.activation);
  const auto text = load_text<T>(context, clip, clip.config.activation);
  const Tensor<T> images = recorded().file().read<T>("inputs/image");
  const Tensor<std::int32_t> tokens = recorded_tokens();
  Encoded<T> encoded{Tensor<T>({images.extent(0), clip.config.embed}),
                     Tensor<T>({tokens.extent(0), clip.config.embed})};
  encode_image_forward<T>(context, vision, images.template view<4>(), vision.positional_embedding,
                          encoded.images.template view<2>());
  encode_text_forward<T>(context, text, tokens.view<2>(), encoded.sentences.template view<2>());
  return encoded;
}

template <class T>
double largest_difference(const Tensor<T>& mine, const std::string& name) {
  const Tensor<double> wanted = recorded().read(name);
  REQUIRE(wanted.shape() == mine.shape());
  double worst = 0;
  for (index_t i = 0; i < mine.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(mine[i]) - wanted[i]));
  return worst;
}

}  // namespace

TEST_CASE("every format gives the recorded embeddings, in float and in double") {
  const char* files[][2] = {
      {"openai_jit.pt", "mixed"},    {"hf", "mixed"},     {"hf/model.safetensors", "mixed"},
      {"open_clip_custom", "mixed"}, {"sharded", "deep"}, {"sharded/model.safetensors.index.json", "deep"}};
  for (const auto& entry : files) {
    const std::string file = entry[0], set = entry[1];
    CAPTURE(file);
    const auto name = [&](const char* what) { return concat(set, "/", what); };
    const auto single = encode<float>(file);
    CHECK(largest_difference(single.images, name("encode_image")) <= 2e-5);
    CHECK(largest_difference(single.sentences, name("encode_text")) <= 2e-5);
    const auto wide = encode<double>(file);
    CHECK(largest_difference(wide.images, name("encode_image_f64")) <= 1e-10);
    CHECK(largest_difference(wide.sentences, name("encode_text_f64")) <= 1e-10);
  }
}

TEST_CASE("files with equal weights give equal bits, and so does any number of threads") {
  const auto first = encode<float>("openai_jit.pt");
  for (const char* other : {"hf", "open_clip_custom"}) {
    CAPTURE(other);
    const auto second = encode<float>(other, 3);
    CHECK(same_bits(first.images, second.images));
    CHECK(same_bits(first.sentences, second.sentences));
  }
}

TEST_CASE("sizes, heads and activation are recognised, and where they come from is told") {
  const ClipFile jit = open_clip(golden_path("formats/openai_jit.pt"));
  CHECK(jit.naming.family == ClipFamily::openai);
  CHECK(jit.config.vision == VisionConfig{28, 7, 64, 1, 1, 256});
  CHECK(jit.config.text == TextConfig{16, 600, 64, 1, 1, 256});
  CHECK(jit.config.embed == 20);
  CHECK(jit.config.activation == kernels::Activation::quick_gelu);
  CHECK(jit.activation_source.find("OpenAI") != std::string::npos);
  const ClipFile hf = open_clip(golden_path("formats/hf"));
  CHECK(hf.naming.family == ClipFamily::hugging_face);
  CHECK(hf.config == jit.config);
  CHECK(hf.activation_source.ends_with("config.json"));
  const ClipFile custom = open_clip(golden_path("formats/open_clip_custom"));
  CHECK(custom.naming.text_prefix == "text.");
  CHECK(custom.config == jit.config);
  CHECK(open_clip(golden_path("formats/sharded")).config.vision.layers == 4);
  CHECK(preset_name(jit.config) == "custom");
  CHECK(std::abs(read_logit_scale(hf) - read_logit_scale(jit)) < 1e-12);
}

TEST_CASE("published sizes have published heads") {
  for (const ClipPreset& preset : clip_presets()) {
    CHECK(preset_name(preset.config) == preset.name);
    CHECK(preset.config.vision.width % preset.config.vision.heads == 0);
    CHECK(preset.config.vision.image_size % preset.config.vision.patch_size == 0);
  }
  ClipConfig other = clip_presets()[0].config;
  other.activation = kernels::Activation::gelu;
  CHECK(preset_name(other) == "ViT-B/32");  // open_clip trained these sizes with GELU
}

TEST_CASE("a loaded tower is packed") {
  Context context({.threads = 1});
  const ClipFile clip = open_clip(golden_path("formats/hf"));
  const auto vision = load_vision<float>(context, clip, kernels::Activation::gelu);
  CHECK(vision.activation == kernels::Activation::gelu);
  REQUIRE(vision.transformer.blocks.size() == 1);
  CHECK(vision.transformer.blocks[0].mlp.c_fc.weight.empty());
  CHECK(vision.patch_embed.outputs() == 64);
}

TEST_CASE("a file of another kind is told, with what to do") {
  expect_error(ErrorCode::mismatch, {"default.pth", "MoECLIP adapter", "beside a CLIP", "tensors found"},
               [] { open_clip(golden_path("formats/moeclip/default.pth")); });
  expect_error(ErrorCode::mismatch, {"all.safetensors", "no CLIP", "visual.conv1.weight"},
               [] { open_clip(golden_path("formats/zoo/all.safetensors")); });
  expect_error(ErrorCode::io, {"nowhere.pt"}, [] { open_clip(golden_path("formats/nowhere.pt")); });
  auto resnet = micro_clip_tensors();
  resnet.push_back({"visual.layer1.0.conv1.weight", {4, 4, 1, 1}});
  expect_error(ErrorCode::unsupported, {"made.safetensors", "ResNet", "ViT"},
               [&] { recognise_clip(zeros_file(resnet)); });
}

TEST_CASE("a file of the image tower alone, of a model and of a memory are told") {
  std::vector<NamedShape> image;
  for (const NamedShape& tensor : micro_clip_tensors())
    if (tensor.name.starts_with("visual.")) image.push_back(tensor);
  expect_error(ErrorCode::missing, {"made.safetensors", "the image tower of a CLIP alone", "the text tower is wanted"},
               [&] { recognise_clip(zeros_file(image)); });
  CHECK(recognise_vision(zeros_file(image)).config.vision.layers == 1);
  for (const auto& [key, said] : {std::pair{"model", "give it as --model"}, {"memory", "give it as --good"}}) {
    const TemporaryFolder folder("no_clip");
    const std::string path = join_path(folder.path(), "m.moeclip");
    SafetensorsWriter writer(path);
    writer.announce("visual.conv1.weight", DType::f32, Shape{1});
    writer.set_metadata(std::string(kRecordKey), dump_json(Json::object().set(key, Json::object())));
    writer.begin();
    writer.write_raw(std::vector<std::byte>(4));
    writer.commit();
    expect_error(ErrorCode::mismatch, {"m.moeclip: is a ", said}, [&] { open_clip(path); });
  }
}

TEST_CASE("the smallest whole CLIP is read") {
  const ClipFile clip = recognise_clip(zeros_file(micro_clip_tensors()));
  CHECK(clip.config.vision == VisionConfig{4, 2, 4, 1, 1, 8});
  CHECK(clip.config.text == TextConfig{5, 6, 4, 1, 1, 8});
  Context context({.threads = 1});
  CHECK_NOTHROW(load_vision<float>(context, clip, clip.config.activation));
  CHECK_NOTHROW(load_text<double>(context, clip, clip.config.activation));
  CHECK(read_logit_scale(clip) == 1);
}

TEST_CASE("whichever tensor is missing, its name is in the error") {
  Context context({.threads = 1});
  const auto load = [&](const std::vector<NamedShape>& tensors) {
    const ClipFile clip = recognise_clip(zeros_file(tensors));
    load_vision<float>(context, clip, clip.config.activation);
    load_text<float>(context, clip, clip.config.activation);
    read_logit_scale(clip);
  };
  for (const NamedShape& tensor : micro_clip_tensors()) {
    if (tensor.name == "visual.conv1.weight") continue;  // then it is no CLIP at all
    CAPTURE(tensor.name);
    try {
      load(without(micro_clip_tensors(), tensor.name));
      FAIL_CHECK("no error was thrown");
    } catch (const Error& error) {
      const std::string message = error.what();
      CAPTURE(message);
      CHECK(message.find("made.safetensors") != std::string::npos);
      CHECK(error.code() == ErrorCode::missing);
      CHECK(message.find(tensor.name) != std::string::npos);
    }
  }
}

TEST_CASE("a CLIP is found behind whatever training has put before its names") {
  const auto renamed = [](const std::string& prefix) {
    auto tensors = micro_clip_tensors();
    for (NamedShape& tensor : tensors) tensor.name.insert(0, prefix);
    return tensors;
  };
  for (const std::string prefix : {"module.", "_orig_mod.", "module._orig_mod.", "model.", "state_dict/",
                                   "model/module.", "ema/", "state_dict/model.clip.", "net/_orig_mod.module."}) {
    CAPTURE(prefix);
    auto tensors = renamed(prefix);
    for (const char* other :
         {"optimizer/state/0/exp_avg", "optimizer_states/0/state/3/exp_avg_sq", "adam.m.visual.conv1.weight"})
      tensors.push_back({other, Shape{4, 3, 2, 2}});
    const ClipFile clip = recognise_clip(zeros_file(tensors));
    CHECK(clip.naming.prefix == prefix);
    CHECK(clip.config.vision.layers == 1);
    CHECK(clip.unused.empty());
    Context context({.threads = 1});
    load_vision<float>(context, clip, kernels::Activation::gelu);
    load_text<float>(context, clip, kernels::Activation::gelu);
  }
  auto two = renamed("model/");
  for (const NamedShape& tensor : renamed("ema/")) two.push_back(tensor);
  expect_error(ErrorCode::mismatch, {"2 models", "\"model/\"", "\"ema/\"", "not guessed"},
               [&] { recognise_clip(zeros_file(two)); });
}

TEST_CASE("tensors that nothing reads are named, and refused where they would change a tower") {
  const auto with = [](std::initializer_list<const char*> names) {
    auto tensors = micro_clip_tensors();
    for (const char* name : names) tensors.push_back({name, Shape{4}});
    return zeros_file(tensors);
  };
  CHECK(recognise_clip(with({})).unused.empty());
  CHECK(recognise_clip(with({"attn_mask", "logit_bias", "head.weight"})).unused ==
        std::vector<std::string>{"attn_mask", "logit_bias", "head.weight"});
  for (const char* name :
       {"visual.attn_pool.query", "visual.conv1.bias", "visual.transformer.resblocks.0.ls_1.gamma", "text.cls_emb",
        "transformer.resblocks.0.attn.lora_A", "ln_final.extra", "text_projection.scale"})
    expect_error(ErrorCode::unsupported, {"made.safetensors", "1 tensor (", name, "would be another"}, [&] {
      recognise_clip(with({name, "head.weight"}));
    });
  expect_error(ErrorCode::unsupported, {"6 tensors (visual.a, visual.b, visual.c, visual.d, visual.e, ...)"}, [&] {
    recognise_clip(with({"visual.a", "visual.b", "visual.c", "visual.d", "visual.e", "visual.f"}));
  });
}

TEST_CASE("heads that the weights do not tell are not guessed") {
  const auto wide = [](index_t width, index_t text_width) {
    std::vector<NamedShape> tensors;
    VisionTower<float> vision({4, 2, width, 1, 1, 8}, 3, kernels::Activation::gelu);
    TextTower<float> text({5, 6, text_width, 1, 1, 8}, 3, kernels::Activation::gelu);
    const auto add = [&](const std::string& name, const Tensor<float>& tensor) {
      tensors.push_back({name, name == "visual.conv1.weight" ? Shape{width, 3, 2, 2} : tensor.shape()});
    };
    visit_parameters(vision, "visual", add);
    visit_parameters(text, "", add);
    tensors.push_back({"logit_scale", Shape{}});
    return recognise_clip(zeros_file(tensors));
  };
  CHECK(wide(128, 64).config.vision.heads == 2);
  for (const index_t width : {index_t{96}, index_t{1408}, index_t{1664}})
    expect_error(ErrorCode::missing, {"how many heads", concat("width ", width), "open_clip_config.json"},
                 [&] { wide(width, 64); });
  expect_error(ErrorCode::missing, {"how many heads", "width 100"}, [&] { wide(64, 100); });
}

TEST_CASE("whatever a configuration says is compared with the weights") {
  const TemporaryFolder folder("said_sizes");
  const std::string weights = folder.copy(golden_path("formats/openai_jit.pt"));
  const ClipConfig config = open_clip(weights).config;
  const auto say = [&](const std::string& top, const std::string& vision, const std::string& text) {
    folder.write("open_clip_config.json", concat("{", top, R"("vision_cfg": {"width": 64)", vision,
                                                 R"(}, "text_cfg": {"width": 64, "heads": 1)", text, "}}"));
  };
  const auto number = [](const char* key, index_t value) { return concat("\"", key, "\": ", value); };
  say(number("embed_dim", config.embed) + ", ",
      concat(", ", number("layers", config.vision.layers), ", ", number("patch_size", config.vision.patch_size), ", ",
             number("image_size", config.vision.image_size)),
      concat(", ", number("layers", config.text.layers), ", ", number("vocab_size", config.text.vocabulary), ", ",
             number("context_length", config.text.context_length)));
  CHECK(open_clip(weights).config.vision.layers == config.vision.layers);
  say("\"embed_dim\": 512, ", "", "");
  expect_error(ErrorCode::mismatch, {"open_clip_config.json", "\"embed_dim\" is 512", "another model"},
               [&] { open_clip(weights); });
  for (const char* key : {"layers", "patch_size", "image_size"}) {
    say("", concat(", ", number(key, 999)), "");
    expect_error(ErrorCode::mismatch, {concat("\"vision_cfg.", key, "\" is 999")}, [&] { open_clip(weights); });
  }
  for (const char* key : {"layers", "vocab_size", "context_length"}) {
    say("", "", concat(", ", number(key, 999)));
    expect_error(ErrorCode::mismatch, {concat("\"text_cfg.", key, "\" is 999")}, [&] { open_clip(weights); });
  }
}

TEST_CASE("integers are no weights") {
  const std::string header = R"({"visual.conv1.weight":{"dtype":"I8","shape":[1,3,2,2],"data_offsets":[0,12]}})";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  file += header + std::string(12, '\1');
  const auto bytes = as_bytes(file);
  const ClipFile clip{WeightFile::from_bytes({bytes.begin(), bytes.end()}, "a.safetensors"), {}, {}, {}, {}, {}};
  expect_error(ErrorCode::mismatch, {"a.safetensors", "visual.conv1.weight", "holds integers (i8)", "quantised"}, [&] {
    read_clip_tensor<float>(clip, "visual.conv1.weight", {1, 12});
  });
}

TEST_CASE("what PyTorch saves in training is read: wrapped, halved, tied, turned, on a GPU") {
  for (const char* name : {"compiled_ddp.pt", "lightning.ckpt", "cuda_half.pt"}) {
    CAPTURE(name);
    const ClipFile clip = open_clip(golden_path(concat("formats/wrapped/", name)));
    CHECK(clip.config.vision.layers == 2);
    CHECK(clip.unused.empty());
    Context context({.threads = 1});
    const auto vision = load_vision<double>(context, clip, kernels::Activation::gelu);
    const auto text = load_text<double>(context, clip, kernels::Activation::gelu);
    CHECK(vision.class_embedding[3] == 0.5);  // as make.py sets it: exact in every format
    CHECK(text.projection[1] == 1.0);         // row 0, column 1 of a transposed view
    CHECK(text.projection[3] == 3.0);
  }
}

TEST_CASE("a block that is missing between others is not passed over") {
  auto tensors = micro_clip_tensors();
  tensors.push_back({"transformer.resblocks.2.ln_1.weight", {4}});
  expect_error(ErrorCode::missing, {"transformer.resblocks.1.ln_1.weight"},
               [&] { recognise_clip(zeros_file(tensors)); });
  tensors.back() = {"visual.transformer.resblocks.99999999999999999999.ln_2.weight", {4}};
  expect_error(ErrorCode::missing, {"visual.transformer.resblocks.1.ln_1.weight"},
               [&] { recognise_clip(zeros_file(tensors)); });
}

TEST_CASE("whichever tensor has another shape, both shapes are in the error") {
  Context context({.threads = 1});
  for (const char* name :
       {"visual.class_embedding", "visual.ln_pre.bias", "visual.transformer.resblocks.0.attn.in_proj_weight",
        "visual.transformer.resblocks.0.mlp.c_proj.weight", "visual.ln_post.weight"}) {
    CAPTURE(name);
    const ClipFile clip = recognise_clip(zeros_file(with_shape(micro_clip_tensors(), name, {7, 5})));
    expect_error(ErrorCode::mismatch, {"made.safetensors", name, "f32", "(7,5)", "was wanted"},
                 [&] { load_vision<float>(context, clip, clip.config.activation); });
  }
  const ClipFile clip = recognise_clip(zeros_file(with_shape(micro_clip_tensors(), "ln_final.weight", {1, 4})));
  expect_error(ErrorCode::mismatch, {"ln_final.weight", "(1,4)", "(4)"},
               [&] { load_text<float>(context, clip, clip.config.activation); });
}

TEST_CASE("sizes that contradict each other are told before anything is read") {
  const auto spoiled = [](const char* name, const Shape& shape) {
    return zeros_file(with_shape(micro_clip_tensors(), name, shape));
  };
  expect_error(ErrorCode::mismatch, {"position embedding", "7 rows", "square"}, [&] {
    recognise_clip(spoiled("visual.positional_embedding", {7, 4}));
  });
  expect_error(ErrorCode::mismatch, {"visual.conv1.weight", "(4,12)", "4 positive extents"}, [&] {
    recognise_clip(spoiled("visual.conv1.weight", {4, 12}));
  });
  expect_error(ErrorCode::mismatch, {"visual.conv1.weight", "(0,3,2,2)"}, [&] {
    recognise_clip(spoiled("visual.conv1.weight", {0, 3, 2, 2}));
  });
  expect_error(ErrorCode::mismatch, {"token_embedding.weight", "(6)"},
               [&] { recognise_clip(spoiled("token_embedding.weight", {6})); });
  expect_error(ErrorCode::mismatch, {"position embedding", "1 row"}, [&] {
    recognise_clip(spoiled("visual.positional_embedding", {1, 4}));
  });
}

TEST_CASE("a configuration of another model beside the weights is noticed") {
  const TemporaryFolder folder("checkpoint");
  const std::string weights = folder.copy(golden_path("formats/openai_jit.pt"));
  const auto say = [&](std::string_view text) { folder.write("open_clip_config.json", text); };
  say(R"({"vision_cfg": {"width": 768}, "text_cfg": {"width": 64, "heads": 1}})");
  expect_error(ErrorCode::mismatch, {"open_clip_config.json", "image tower", "768", "64"}, [&] { open_clip(weights); });
  say(R"({"vision_cfg": {"width": 64}, "text_cfg": {"width": 512, "heads": 8}})");
  expect_error(ErrorCode::mismatch, {"text tower", "512", "64"}, [&] { open_clip(weights); });
  say(R"({"vision_cfg": {"width": 64}, "text_cfg": {"width": 64, "heads": 7}})");
  expect_error(ErrorCode::mismatch, {"openai_jit.pt", "7 heads"}, [&] { open_clip(weights); });
  say(R"({"vision_cfg": {"width": 64, "head_width": 16}, "text_cfg": {"width": 64, "heads": 4}})");
  const ClipFile clip = open_clip(weights);
  CHECK(clip.config.vision.heads == 4);
  CHECK(clip.config.text.heads == 4);
  CHECK(clip.config.activation == kernels::Activation::gelu);
}
