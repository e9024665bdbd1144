// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/io/safetensors_writer.hpp>
#include <moeclip/io/torch.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/methods/aa_clip_file.hpp>
#include <moeclip/methods/fit.hpp>
#include <moeclip/methods/make_method.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <string>
#include <utility>
#include <vector>

#include "aa_clip_fixture.hpp"
#include "expect_error.hpp"
#include "golden.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

namespace aa_clip_test {  // names of its own: the tests of all methods are one translation unit

namespace {

/// The fixture's CLIP, with room for whole sentences, which are spelled letter by letter.
std::shared_ptr<const Clip<float>> spelling_clip() {
  const std::string vocabulary = golden_path("tokenizer/bpe_micro.txt.gz");
  ClipConfig sizes = config();
  sizes.text.context_length = 77;
  sizes.text.vocabulary = Tokenizer::open(vocabulary).vocabulary_size();
  TextTower<float> text(sizes.text, sizes.embed, sizes.activation);
  fill<float>(text, "");
  return std::make_shared<const Clip<float>>(sizes, make_vision<float>(), std::move(text), vocabulary);
}

std::unique_ptr<AaClipMethod<float>> make_method(std::uint64_t seed = 111) {
  MethodOptions options;
  options.seed = seed;
  options.image_size = 16;
  return std::make_unique<AaClipMethod<float>>(spelling_clip(), options);
}

std::string official(const char* name) { return golden_path(concat("methods/aa_clip/", name)); }

void copy_file(const std::string& from, const std::string& to) {
  const auto file = MappedFile::open(from);
  write_file(to, file->bytes());
}

/// The first picture of the fixture by a method, and its score.
std::pair<Tensor<float>, float> judged(const Method<float>& method, const std::string& words = "nut") {
  Context context({.threads = 2});
  const Fixture<float> fixture;
  Tensor<float> map({16, 16});
  const float score = method.judge(context, fixture.batch.images.view<4>().rows(0, 1), words, map.view<2>());
  return {std::move(map), score};
}

}  // namespace

TEST_CASE("the official checkpoints of AA-CLIP are read, either part by itself finding the other one") {
  const TemporaryFolder folder("aa_clip");
  Fixture<float> fixture;
  const auto expect_same = [&](const WeightFile& file) {
    const auto method = make_method();
    method->load(file);
    CHECK(method->model().config == fixture.model.config);
    std::vector<const Tensor<float>*> wanted;
    visit_parameters(fixture.model, "", [&](const std::string&, Tensor<float>& tensor) { wanted.push_back(&tensor); });
    std::size_t i = 0;
    method->visit([&](const std::string& name, Tensor<float>& tensor) {
      CAPTURE(name);
      CHECK(same_bits(tensor, *wanted.at(i++)));
    });
    CHECK(i == wanted.size());
  };
  expect_same(WeightFile::open(official("image_adapter_2.pth")));
  copy_file(official("image_adapter_2.pth"), join_path(folder.path(), "image_adapter.pth"));
  expect_same(WeightFile::open(folder.copy(official("text_adapter.pth"))));

  const TemporaryFolder lonely("aa_clip_alone");
  const WeightFile image = WeightFile::open(lonely.copy(official("image_adapter_2.pth")));
  expect_error(ErrorCode::missing, {"no text_adapter", "there is no", "put both there"},
               [&] { make_method()->load(image); });
  copy_file(official("image_adapter_2.pth"), join_path(lonely.path(), "text_adapter.pth"));
  expect_error(ErrorCode::missing, {"image_adapter_2.pth", "no text_adapter", "nor does", "text_adapter.pth"},
               [&] { make_method()->load(image); });
  expect_same(WeightFile::open(official("text_adapter.pth")));  // beside image_adapter_2.pth alone
  const TemporaryFolder several("aa_clip_several");
  const WeightFile text = WeightFile::open(several.copy(official("text_adapter.pth")));
  expect_error(ErrorCode::missing, {"no image_adapter", "there is no"}, [&] { make_method()->load(text); });
  for (const char* name : {"image_adapter_2.pth", "image_adapter_4.pth", "image_adapter_x.pth"})
    copy_file(official("image_adapter_2.pth"), join_path(several.path(), name));
  expect_error(ErrorCode::missing, {"2 epochs", "image_adapter_2.pth to image_adapter_4.pth", "give that file"},
               [&] { make_method()->load(text); });
}

TEST_CASE("checkpoints of another CLIP, or with more than AA-CLIP has, are refused by name") {
  const TemporaryFolder folder("aa_clip_bad");
  Fixture<float> fixture;
  const auto write = [&](const char* name, auto&& change) {
    const std::string path = join_path(folder.path(), name);
    std::vector<std::pair<std::string, Tensor<float>>> tensors;
    visit_parameters(fixture.model, "",
                     [&](const std::string& own, Tensor<float>& tensor) { tensors.emplace_back(own, tensor); });
    change(tensors);
    SafetensorsWriter writer(path);
    for (const auto& [own, tensor] : tensors) writer.announce(own, DType::f32, tensor.shape());
    writer.begin();
    for (const std::string& own : writer.order())
      for (const auto& item : tensors)
        if (item.first == own) writer.write(item.second.values());
    writer.commit();
    return WeightFile::open(path);
  };
  using Tensors = std::vector<std::pair<std::string, Tensor<float>>>;
  make_method()->load(write("good.safetensors", [](Tensors&) {}));
  const auto refused = [&](ErrorCode code, std::initializer_list<std::string_view> facts, const char* name,
                           auto&& change) {
    const WeightFile file = write(name, change);
    expect_error(code, facts, [&] { make_method()->load(file); });
  };
  refused(ErrorCode::mismatch, {"\"text_adapter.0.fc.0.weight\"", "(12,7)", "(12,12)", "use the CLIP"}, "shape",
          [](Tensors& tensors) {
            tensors[0].second = Tensor<float>({12, 7});
          });
  refused(ErrorCode::unsupported, {"1 tensor", "image_adapter.gate.weight", "no place"}, "more", [](Tensors& tensors) {
    tensors.emplace_back("image_adapter.gate.weight", Tensor<float>({2, 2}));
  });
  refused(ErrorCode::mismatch, {"5 image blocks", "4 blocks"}, "deep", [](Tensors& tensors) {
    for (int i = 2; i < 5; ++i)
      tensors.emplace_back(concat("image_adapter.layer_adapters.", i, ".fc.0.weight"), Tensor<float>({16, 16}));
  });
  refused(ErrorCode::mismatch, {"0 levels"}, "flat", [](Tensors& tensors) {
    std::erase_if(tensors, [](const auto& item) { return item.first.find("seg_proj") != std::string::npos; });
  });
  refused(ErrorCode::format, {"\"image_adapter.det_proj.fc.weight\"", "nan"}, "nan",
          [](Tensors& tensors) { tensors.back().second[3] = std::nanf(""); });
}

TEST_CASE("checkpoints with LeakyReLU and more than ten adapters are read for the sizes they have") {
  const TemporaryFolder folder("aa_clip_deep");
  ClipConfig deep = config();
  deep.vision.layers = deep.text.layers = 12;
  AaClipConfig wide;
  wide.level_blocks = {4, 8, 12};
  wide.text_blocks = 11;
  wide.image_blocks = 12;
  wide.use_relu = true;
  AaClip<float> model(wide, deep);
  fill<float>(model, "");
  for (const std::string_view part : {"text_adapter", "image_adapter"}) {
    SafetensorsWriter writer(join_path(folder.path(), concat(part, ".pth")));  // told apart by content
    std::map<std::string, const Tensor<float>*> tensors;
    visit_parameters(model, "", [&](const std::string& name, const Tensor<float>& tensor) {
      if (name.starts_with(part)) tensors[concat(part, ".module", name.substr(part.size()))] = &tensor;
    });
    for (const auto& [name, tensor] : tensors) writer.announce(name, DType::f32, tensor->shape());
    writer.begin();
    for (const std::string& name : writer.order()) writer.write(tensors.at(name)->values());
    writer.commit();
  }
  for (const char* part : {"text_adapter.pth", "image_adapter.pth"}) {
    const WeightFile file = WeightFile::open(join_path(folder.path(), part));
    AaClip<float> read = read_aa_clip<float>(file, deep, aa_clip_config(deep));
    CHECK(read.config == wide);
    std::vector<Tensor<float>> own;
    visit_parameters(read, "", [&](const std::string&, const Tensor<float>& tensor) { own.push_back(tensor); });
    std::size_t i = 0;
    visit_parameters(model, "", [&](const std::string& name, const Tensor<float>& tensor) {
      CAPTURE(name);
      CHECK(same_bits(tensor, own.at(i++)));
    });
  }
  expect_error(ErrorCode::mismatch, {"12 image blocks", "4 and 4 blocks", "use the CLIP"}, [&] {
    static_cast<void>(read_aa_clip<float>(WeightFile::open(join_path(folder.path(), "text_adapter.pth")), config(),
                                          aa_clip_config(config())));
  });
}

TEST_CASE("AA-CLIP is trained in two stages, goes on to the same bits, and what it made is read by name") {
  const TemporaryFolder folder("aa_clip_fit");
  SyntheticPlan plan;
  plan.categories = {std::string(synthetic_categories().front())};
  plan.count = 4;
  plan.size = 32;
  const SampleSource source(drawn_samples(plan_synthetic(plan)));
  MethodFitOptions options;
  options.batch = 2;
  options.steps = 2;
  options.lr = 1e-3;
  options.words = {"metal nut"};
  const auto fit = [&](AaClipMethod<float>& method, int threads, index_t most) {
    Context context({.threads = threads});
    index_t steps = 0;
    return fit_method<float>(context, method, source, options, [&](const MethodStep& step) {
      CHECK(std::isfinite(step.loss));
      CHECK(step.gradient_norm > 0);
      CHECK(step.stage_name == (step.stage == 1 ? "text adapter" : "image adapter"));
      return ++steps < most;
    });
  };
  const auto whole = make_method();
  const Tensor<float> before = whole->model().text_layers[0].weight, image = whole->model().detection.weight;
  CHECK(fit(*whole, 1, 100));
  CHECK_FALSE(same_bits(whole->model().text_layers[0].weight, before));
  CHECK_FALSE(same_bits(whole->model().detection.weight, image));

  options.checkpoint = folder.path();
  options.is_resumed = true;
  CHECK_FALSE(fit(*make_method(), 3, 3));  // in the image stage
  const auto resumed = make_method();
  CHECK(fit(*resumed, 2, 100));
  const auto expect_whole = [&](const AaClipMethod<float>& method) {
    std::vector<Tensor<float>> own;
    visit_parameters(method.model(), "", [&](const std::string&, const Tensor<float>& t) { own.push_back(t); });
    std::size_t i = 0;
    whole->visit([&](const std::string& name, Tensor<float>& tensor) {
      CAPTURE(name);
      CHECK(same_bits(tensor, own.at(i++)));
    });
    CHECK(judged(method).second == judged(*whole).second);
  };
  expect_whole(*resumed);
  const WeightFile file = WeightFile::open(join_path(folder.path(), kMethodCheckpoint));
  const auto loaded = load_method<float>(file, "", spelling_clip());
  CHECK(loaded->name() == "aa-clip");
  CHECK(loaded->image_size() == 16);
  expect_whole(dynamic_cast<const AaClipMethod<float>&>(*loaded));
}

TEST_CASE("AA-CLIP's map and score are in [0, 1], depend on the words, and follow its parameters") {
  const auto method = make_method();
  const auto [map, score] = judged(*method);
  for (const float value : map) CHECK((value >= 0 && value <= 1));
  CHECK((score >= 0 && score <= 1));
  const auto again = judged(*method);
  CHECK(same_bits(again.first, map));
  CHECK_FALSE(same_bits(judged(*method, "bolt").first, map));
  CHECK_FALSE(same_bits(judged(*make_method(5)).first, map));
  for (const TrainedParameter<float>& parameter : method->parameters(0))
    for (float& value : *parameter.value) value = -value;
  CHECK(same_bits(judged(*method).first, map));  // words are kept
  method->forget_words();
  CHECK_FALSE(same_bits(judged(*method).first, map));
}

TEST_CASE("AA-CLIP's settings come back from what they were written as, and unknown ones are refused") {
  const ClipConfig sizes = clip_presets()[3].config;
  const AaClipSettings published = aa_clip_settings({}, sizes);
  CHECK(published.training.value_blocks == 19);
  AaClipSettings other = published;
  other.model.use_relu = true;
  other.model.level_blocks = {5, 24};
  other.model.image_weight = 0.25;
  other.training.value_scope = ValueScope::tokens;
  other.training.sums_levels = true;
  const Json json = to_json(other);
  CHECK(to_json(aa_clip_settings(json, sizes)) == json);
  CHECK_FALSE(to_json(published) == json);
  expect_error(ErrorCode::unsupported, {"AA-CLIP", "\"levels\"", "\"level_blocks\""},
               [&] { static_cast<void>(aa_clip_settings(Json::object().set("levels", 4), sizes)); });
  expect_error(ErrorCode::format, {"AA-CLIP", "\"value_scope\"", "\"all\"", "\"pictures\" or \"tokens\""},
               [&] { static_cast<void>(aa_clip_settings(Json::object().set("value_scope", "all"), sizes)); });

  const auto method = make_method();
  const std::vector<MethodStage> stages = method->stages();
  REQUIRE(stages.size() == 2);
  CHECK(stages[0].batch == 16);
  CHECK(stages[0].schedule.at(100000) == 1e-5);
  CHECK(stages[1].schedule.at(16000) == 2.5e-4);
  CHECK(method->parameters(0).size() == 2);
  CHECK(method->parameters(1).size() == 1 + 4 + 1);
}

}  // namespace aa_clip_test
