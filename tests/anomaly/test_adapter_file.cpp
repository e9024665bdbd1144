// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/anomaly/features.hpp>
#include <moeclip/io/safetensors_writer.hpp>
#include <moeclip/io/weights.hpp>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

const GoldenData& recorded() {
  static const GoldenData golden("formats/expected/moe_io.safetensors");
  return golden;
}

std::string adapter_path(const std::string& name) { return golden_path("formats/moeclip/" + name + ".pth"); }

AdapterOptions options_of(const std::string& name) {
  AdapterOptions options;
  if (name == "nopaa") options.use_aggregation = false;
  return options;
}

template <class T>
double largest_difference(const Tensor<T>& mine, const std::string& name) {
  const Tensor<double> wanted = recorded().read(name);
  REQUIRE(wanted.shape() == mine.shape());
  double worst = 0;
  for (index_t i = 0; i < mine.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(mine[i]) - wanted[i]));
  return worst;
}

/// Unit features (maps, images, patches, C) and embeddings (images, C) of the recorded images of side 35.
template <class T>
struct Features {
  Tensor<T> maps, embeddings;
};

template <class T>
Features<T> run_images(Context& context, const VisionTower<T>& vision, const Adapter<T>& adapter) {
  const Tensor<T> images = recorded().file().read<T>("inputs/image");
  const index_t batch = images.extent(0), embed = vision.projection.extent(1);
  Features<T> features{Tensor<T>({adapter.config.maps(), batch, 25, embed}), Tensor<T>({batch, embed})};
  auto on_map = [&](index_t map, View<const T, 2> rows) {
    std::copy_n(rows.data(), rows.size(), features.maps.data() + map * rows.size());
  };
  features_forward<T>(context, vision, adapter, resize_positions(vision.positional_embedding, 5),
                      images.template view<4>(), {on_map, features.embeddings.template view<2>()});
  return features;
}

template <class T>
Tensor<T> adapted_sentences(Context& context, const TextTower<T>& text, const Adapter<T>& adapter) {
  const Tensor<double> ids = recorded().read("inputs/tokens");
  Tensor<std::int32_t> tokens(ids.shape());
  std::transform(ids.begin(), ids.end(), tokens.begin(), [](double id) { return static_cast<std::int32_t>(id); });
  Tensor<T> u({ids.extent(0), text.config.width}), z({ids.extent(0), adapter.text.outputs()});
  text_forward<T>(context, text, std::as_const(tokens).view<2>(), u.template view<2>());
  linear_forward<T>(context, adapter.text, std::as_const(u).template view<2>(), z.template view<2>(),
                    {.activation = adapter.text_activation});
  return z;
}

}  // namespace

TEST_CASE_TEMPLATE("every adapter on its CLIP gives the recorded features, embeddings and sentences", T, float,
                   double) {
  Context context({.threads = 2});
  const ClipFile clip = open_clip(golden_path("formats/sharded"));
  const auto vision = load_vision<T>(context, clip, kernels::Activation::gelu);  // as the released code trains them
  const auto text = load_text<T>(context, clip, kernels::Activation::gelu);
  for (const std::string name : {"default", "nopaa", "relu_separate"}) {
    CAPTURE(name);
    const Adapter<T> adapter = load_adapter<T>(context, adapter_path(name), clip.config, options_of(name));
    const Features<T> features = run_images<T>(context, vision, adapter);
    CHECK(largest_difference(features.maps, name + "/seg_tokens") <= 2e-5);
    CHECK(largest_difference(features.embeddings, name + "/det_token") <= 2e-5);
    CHECK(largest_difference(adapted_sentences<T>(context, text, adapter), name + "/encode_text") <= 2e-5);
  }
}

TEST_CASE("switches are recognised from names and shapes") {
  const auto recognise = [](const std::string& name) {
    return recognise_adapter(recognise_adapter_file(WeightFile::open(adapter_path(name))), 4, options_of(name));
  };
  const AdapterConfig plain = recognise("default"), bare = recognise("nopaa"), separate = recognise("relu_separate");
  CHECK(plain.windows == std::vector<index_t>{1, 3, 5});
  CHECK(plain.mixture_blocks == std::vector<index_t>{1, 2, 3, 4});
  CHECK(plain.level_blocks == std::vector<index_t>{1, 2, 3, 4});
  CHECK(plain.experts == 4);
  CHECK(plain.chosen == 2);
  CHECK(plain.scale == 2);
  CHECK(plain.mix_weight == 0.1);
  CHECK_FALSE(plain.use_relu);
  CHECK_FALSE(plain.use_separate_projections);
  CHECK(plain.maps() == 12);
  CHECK(bare.windows == std::vector<index_t>{1});
  CHECK(bare.detection_map() == 1);
  CHECK(separate.use_relu);
  CHECK(separate.use_separate_projections);
  CHECK(separate.projections() == 12);
}

TEST_CASE("blocks are spread evenly over the tower") {
  CHECK(detail::evenly_spread(24, 4) == std::vector<index_t>{6, 12, 18, 24});
  CHECK(detail::evenly_spread(12, 4) == std::vector<index_t>{3, 6, 9, 12});
  CHECK(detail::evenly_spread(32, 3) == std::vector<index_t>{10, 21, 32});
  CHECK(detail::evenly_spread(24, 0).empty());
}

TEST_CASE("options that the file contradicts are told") {
  const AdapterFile plain = recognise_adapter_file(WeightFile::open(adapter_path("default")));
  const AdapterFile separate = recognise_adapter_file(WeightFile::open(adapter_path("relu_separate")));
  const auto with = [](const auto& change) {
    AdapterOptions options;
    change(options);
    return options;
  };
  for (const index_t chosen : {0, 5, -1})
    expect_error(ErrorCode::mismatch, {"default.pth", concat(chosen, " experts"), "has 4"},
                 [&] { recognise_adapter(plain, 4, with([&](AdapterOptions& o) { o.chosen = chosen; })); });
  expect_error(ErrorCode::mismatch, {"relu_separate.pth", "12 projections", "aggregation"},
               [&] { recognise_adapter(separate, 4, with([](AdapterOptions& o) { o.use_aggregation = false; })); });
  expect_error(ErrorCode::mismatch, {"4 mixtures", "2 blocks"}, [&] {
    recognise_adapter(plain, 4, with([](AdapterOptions& o) { o.mixture_blocks = {1, 2}; }));
  });
  expect_error(ErrorCode::mismatch, {"block 5", "4 blocks"}, [&] {
    recognise_adapter(plain, 4, with([](AdapterOptions& o) { o.mixture_blocks = {1, 2, 3, 5}; }));
  });
  expect_error(ErrorCode::mismatch, {"block 0"}, [&] {
    recognise_adapter(plain, 4, with([](AdapterOptions& o) { o.level_blocks = {0, 2, 3, 4}; }));
  });
  const AdapterConfig config =
      recognise_adapter(plain, 9, with([](AdapterOptions& o) {
                          o.chosen = 4, o.scale = 0.5, o.mix_weight = 0.2, o.mixture_blocks = {2, 4, 6, 8};
                        }));
  CHECK(config.chosen == 4);
  CHECK(config.scale == 0.5);
  CHECK(config.mix_weight == 0.2);
  CHECK(config.mixture_blocks == std::vector<index_t>{2, 4, 6, 8});
  CHECK(config.level_blocks == std::vector<index_t>{2, 4, 6, 9});
}

TEST_CASE("alpha is the scale times the rank, and reaches what the experts say") {
  Context context({.threads = 1});
  const ClipConfig clip = open_clip(golden_path("formats/sharded")).config;
  const Tensor<float> x = random_tensor<float>({5, clip.vision.width}, "x");
  const auto mixed = [&](const AdapterOptions& options) {
    const Adapter<float> adapter = load_adapter<float>(context, adapter_path("default"), clip, options);
    const Mixture<float>& mixture = adapter.mixtures[1];
    const index_t per_token = mixture.chosen;
    Tensor<float> logits({5, 4}), probabilities({5, 4}), weights({5, per_token}), m(x.shape());
    Tensor<std::int32_t> chosen({5, per_token});
    const Routing<float> routing{logits.view<2>(), probabilities.view<2>(), chosen.view<2>(), weights.view<2>()};
    router_forward<float>(context, mixture.router, x.view<2>(), routing);
    mixture_forward_sparse<float>(context, mixture, routing, x.view<2>(), m.view<2>());
    return m;
  };
  const auto with_alpha = [](double alpha) {
    AdapterOptions options;
    options.alpha = alpha;
    return options;
  };
  const Tensor<float> one = mixed({}), same = mixed(with_alpha(8)), twice = mixed(with_alpha(16));
  AdapterOptions more;
  more.chosen = 3;
  const Tensor<float> of_three = mixed(more);
  double largest = 0, change = 0;
  for (index_t i = 0; i < one.size(); ++i) {
    CHECK(same[i] == one[i]);       // rank 4: twice the rank is assumed
    CHECK(twice[i] == 2 * one[i]);  // a power of two: exactly
    largest = std::max<double>(largest, std::abs(one[i]));
    change = std::max<double>(change, std::abs(of_three[i] - one[i]));
  }
  CHECK(largest > 0);
  CHECK(change > 0.01 * largest);
  AdapterOptions both = with_alpha(16);
  both.scale = 2;
  expect_error(ErrorCode::contract, {"alpha"}, [&] { mixed(both); });
}

TEST_CASE("an adapter of another CLIP is told with both shapes and what to do") {
  Context context({.threads = 1});
  const ClipConfig base = clip_presets()[1].config;
  expect_error(ErrorCode::mismatch,
               {"default.pth", "(20,64)", "(512,512)", "ViT-B/16", "the CLIP that the adapter was trained on"},
               [&] { load_adapter<float>(context, adapter_path("default"), base); });
  ClipConfig near = open_clip(golden_path("formats/sharded")).config;
  near.vision.width = 128;
  expect_error(ErrorCode::mismatch, {"seg_proj.0.fc.weight", "(20,64)", "(20,128)"},
               [&] { load_adapter<float>(context, adapter_path("default"), near); });
  const ClipConfig shallow = open_clip(golden_path("formats/hf")).config;  // the same widths, one block
  expect_error(ErrorCode::mismatch, {"default.pth", "4 blocks", "has 1"},
               [&] { load_adapter<float>(context, adapter_path("default"), shallow); });
}

TEST_CASE("a file of another kind is told, with what to do") {
  Context context({.threads = 1});
  const ClipConfig config = clip_presets()[0].config;
  for (const char* clip : {"formats/hf/model.safetensors", "formats/openai_jit.pt"})
    expect_error(ErrorCode::mismatch, {"this is a CLIP", "not a MoECLIP adapter", "give it as the CLIP"},
                 [&] { load_adapter<float>(context, golden_path(clip), config); });
  expect_error(ErrorCode::mismatch, {"all.safetensors", "no MoECLIP adapter", "text_adapter.0.fc.0.weight"},
               [&] { load_adapter<float>(context, golden_path("formats/zoo/all.safetensors"), config); });
  expect_error(ErrorCode::io, {"nowhere.pth"},
               [&] { load_adapter<float>(context, golden_path("nowhere.pth"), config); });
}

namespace {

/// The recorded adapter under other names: `rename` gets canonical ones.
template <class Rename>
WeightFile renamed_adapter(const Rename& rename, const std::vector<std::pair<std::string, DType>>& others = {}) {
  const AdapterFile file = recognise_adapter_file(WeightFile::open(adapter_path("default")));
  const TemporaryFolder folder("renamed_adapter");
  SafetensorsWriter writer(join_path(folder.path(), "a.safetensors"));
  std::map<std::string, std::string> stored;  // by their new names
  for (const WeightEntry& entry : file.file.entries()) {
    if (is_optimizer_state(entry.name)) continue;
    std::string name = entry.name;
    name[name.find('/')] = '.';
    stored[rename(name)] = entry.name;
    writer.announce(rename(name), entry.dtype, entry.shape);
  }
  for (const auto& [name, type] : others) writer.announce(name, type, Shape{2});
  writer.begin();
  for (const std::string& name : writer.order()) {
    const auto known = stored.find(name);
    if (known != stored.end()) {
      file.file.stored_bytes(known->second, [&](Bytes piece) { writer.write_raw(piece); });
      continue;
    }
    for (const auto& [other, type] : others)
      if (other == name) writer.write_raw(std::vector<std::byte>(2 * size_of(type)));
  }
  writer.commit();
  const auto bytes = read_file(join_path(folder.path(), "a.safetensors"), 1 << 24);
  return WeightFile::from_bytes(bytes, "a.safetensors");
}

}  // namespace

TEST_CASE("an adapter is found behind whatever training has put into its names") {
  Context context({.threads = 1});
  const ClipConfig clip = open_clip(golden_path("formats/sharded")).config;
  const Adapter<float> plain = load_adapter<float>(context, adapter_path("default"), clip);
  struct Wrapping {
    std::string outer, separator, text, image;
  };
  for (const auto& [outer, separator, text, image] :
       {Wrapping{"", ".", "", ""},
        {"module.", ".", "", ""},
        {"state_dict/", ".", "", ""},
        {"", "/", "module.", "module."},
        {"", "/", "", "module."},
        {"", "/", "module.", ""},
        {"_orig_mod.", ".", "", ""},
        {"", ".", "_orig_mod.", "_orig_mod."},
        {"model/module.", ".", "", ""},
        {"state_dict/model.", ".", "module._orig_mod.", "module._orig_mod."}}) {
    const std::string wrapping = concat(outer, separator, text, image);
    CAPTURE(wrapping);
    const auto rename = [&, o = outer, s = separator, t = text, i = image](const std::string& name) {
      const std::size_t dot = name.find('.');
      return concat(o, name.substr(0, dot), s, name.starts_with("text") ? t : i, name.substr(dot + 1));
    };
    const WeightFile file =
        renamed_adapter(rename, {{"optimizer/state/0/exp_avg", DType::f32}, {"scaler", DType::f32}});
    const Adapter<float> read = read_adapter<float>(file, clip);
    CHECK(recognise_adapter_file(file).unused() == std::vector<std::string>{"scaler"});
    CHECK(read.text.weight[5] ==
          Adapter<float>(read_adapter<float>(WeightFile::open(adapter_path("default")), clip)).text.weight[5]);
    CHECK(read.config.mixture_blocks == plain.config.mixture_blocks);
  }
}

TEST_CASE("a copy of one part beside the adapter is left alone; copies alone are not guessed at") {
  const ClipConfig clip = open_clip(golden_path("formats/sharded")).config;
  const auto same = [](const std::string& name) { return name; };
  const auto moved_image = [](const std::string& name) {
    return name.starts_with("image_adapter.") ? concat("image_adapter_ema.", name.substr(14)) : name;
  };
  for (const char* copy : {"image_adapter_ema.", "image_adapter2/module.", "ema.image_adapter.", "a_image_adapter."}) {
    const std::string extra = concat(copy, "seg_proj.0.fc.weight");
    CAPTURE(extra);
    const WeightFile file = renamed_adapter(same, {{extra, DType::f32}});
    CHECK(recognise_adapter_file(file).image_prefix == "image_adapter.");
    CHECK(recognise_adapter_file(file).unused() == std::vector<std::string>{extra});
    read_adapter<float>(file, clip);
  }
  expect_error(ErrorCode::mismatch, {"2 models", "\"image_adapter_ema.\"", "not guessed"},
               [&] { recognise_adapter_file(renamed_adapter(moved_image)); });
  const auto moved_text = [](const std::string& name) {
    return name.starts_with("text_adapter.") ? concat("text_adapter_ema.", name.substr(13)) : name;
  };
  expect_error(ErrorCode::mismatch, {"2 models", "\"text_adapter_ema.\"", "not guessed"},
               [&] { recognise_adapter_file(renamed_adapter(moved_text)); });
}

TEST_CASE("tensors that an adapter has no place for are refused, and integers") {
  const ClipConfig clip = open_clip(golden_path("formats/sharded")).config;
  const auto same = [](const std::string& name) { return name; };
  for (const char* name : {"image_adapter.seg_proj.0.fc.bias", "text_adapter.1.fc.0.weight", "image_adapter.gate"})
    expect_error(ErrorCode::unsupported, {"a.safetensors", "1 tensor (", name, "would be another"}, [&] {
      read_adapter<float>(renamed_adapter(same, {{name, DType::f32}}), clip);
    });
  read_adapter<float>(renamed_adapter(same, {{"image_adapter.calls", DType::i64}}), clip);  // a counter
  const auto moved = [](const std::string& name) { return name == "text_adapter.0.fc.0.weight" ? "spare" : name; };
  expect_error(ErrorCode::mismatch, {"no MoECLIP adapter"}, [&] { recognise_adapter_file(renamed_adapter(moved)); });
}

TEST_CASE("without an adapter, features are CLIP's own") {
  Context context({.threads = 1});
  const ClipFile clip = open_clip(golden_path("formats/hf"));
  const auto vision = load_vision<double>(context, clip, clip.config.activation);
  const auto text = load_text<double>(context, clip, clip.config.activation);
  const Adapter<double> plain = plain_adapter<double>(context, vision, text);
  CHECK(plain.config.maps() == 3);
  CHECK_FALSE(plain.detection.has_value());
  const Features<double> features = run_images<double>(context, vision, plain);

  const Tensor<double> images = recorded().read("inputs/image");
  Tensor<double> embeddings({images.extent(0), 20}), sentences({4, 20});
  encode_image_forward<double>(context, vision, images.view<4>(), resize_positions(vision.positional_embedding, 5),
                               embeddings.view<2>());
  normalize_tokens<double>(context, embeddings.view<2>());
  for (index_t i = 0; i < embeddings.size(); ++i) CHECK(std::abs(embeddings[i] - features.embeddings[i]) < 1e-13);
  for (index_t row = 0; row < features.maps.size() / 20; ++row) {
    double square = 0;
    for (index_t c = 0; c < 20; ++c) square += features.maps[20 * row + c] * features.maps[20 * row + c];
    CHECK(std::abs(square - 1) < 1e-13);
  }

  const Tensor<double> ids = recorded().read("inputs/tokens");
  Tensor<std::int32_t> tokens(ids.shape());
  std::transform(ids.begin(), ids.end(), tokens.begin(), [](double id) { return static_cast<std::int32_t>(id); });
  encode_text_forward<double>(context, text, std::as_const(tokens).view<2>(), sentences.view<2>());
  const Tensor<double> adapted = adapted_sentences<double>(context, text, plain);
  for (index_t i = 0; i < sentences.size(); ++i) CHECK(std::abs(sentences[i] - adapted[i]) < 1e-12);
}
