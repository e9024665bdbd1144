// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <moeclip/io/safetensors_writer.hpp>
#include <moeclip/methods/anomaly_clip_file.hpp>
#include <moeclip/methods/method_file.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "expect_error.hpp"
#include "temporary_folder.hpp"
#include "tiny_anomaly_clip.hpp"

using namespace tiny_anomaly_clip;  // NOLINT

namespace {

constexpr const char* kOfficial = "methods/anomaly_clip_epoch_1.pth";

/// The tensors of the official checkpoint in a safetensors file, changed on the way.
WeightFile official_with(const TemporaryFolder& folder,
                         function_ref<void(std::map<std::string, Tensor<float>>&)> change) {
  const WeightFile file = WeightFile::open(golden_path(kOfficial));
  std::map<std::string, Tensor<float>> tensors;
  for (const WeightEntry& entry : file.entries()) tensors[entry.name] = file.read<float>(entry.name);
  change(tensors);
  const std::string path = join_path(folder.path(), "changed.safetensors");
  SafetensorsWriter writer(path);
  for (const auto& [name, tensor] : tensors) writer.announce(name, DType::f32, tensor.shape());
  writer.begin();
  for (const std::string& name : writer.order()) writer.write(std::as_const(tensors.at(name)).values());
  writer.commit();
  return WeightFile::open(path);
}

float judged(const AnomalyClip<float>& method, Tensor<float>& map, index_t b = 0) {
  Context context({.threads = 1});
  const TrainingBatch<float> batch = make_batch<float>();
  map = Tensor<float>({kSize, kSize});
  return method.judge(context, picture_of(batch, b), "anything", map.view<2>());
}

}  // namespace

TEST_CASE("the official checkpoint of AnomalyCLIP is read, with the sizes that it has") {
  const WeightFile file = WeightFile::open(golden_path(kOfficial));
  AnomalyClipConfig config = switches();
  config.prompts = {6, 3, 2};
  AnomalyClip<float> method(make_clip<float>(), options_of(config));
  method.load(file);
  CHECK(method.config().prompts == switches().prompts);
  const auto expected = make_method<float>();
  CHECK(same_bits(method.prompts().normal, expected->prompts().normal));
  CHECK(same_bits(method.prompts().abnormal, expected->prompts().abnormal));
  for (std::size_t i = 0; i < 2; ++i) CHECK(same_bits(method.prompts().deep[i], expected->prompts().deep[i]));
  Tensor<float> map, expected_map;
  CHECK(judged(method, map) == judged(*expected, expected_map));
  CHECK(same_bits(map, expected_map));
}

TEST_CASE("checkpoints of other CLIPs, other words and other methods are told apart from this one's") {
  const TemporaryFolder folder("anomaly_clip_file");
  const auto clip = make_clip<float>();
  const auto read = [&](const WeightFile& file, const AnomalyClipConfig& config = switches()) {
    static_cast<void>(read_anomaly_clip<float>(file, *clip, config));
  };
  const auto expect = [&](ErrorCode code, std::initializer_list<std::string_view> texts,
                          function_ref<void(std::map<std::string, Tensor<float>>&)> change) {
    const WeightFile file = official_with(folder, change);
    expect_error(code, texts, [&] { read(file); });
  };
  const std::string at = "prompt_learner/";
  read(official_with(folder, [](auto&) {}));
  read(official_with(folder, [&](auto& tensors) {  // without what nothing needs
    for (const char* name : {"token_prefix_pos", "token_suffix_pos", "tokenized_prompts_pos", "token_suffix_neg",
                             "tokenized_prompts_neg", "compound_prompt_projections.0.weight"})
      tensors.erase(at + name);
  }));
  expect(ErrorCode::missing, {"ctx_pos", "epoch_15.pth"}, [&](auto& tensors) { tensors.erase(at + "ctx_pos"); });
  expect(ErrorCode::missing, {"ctx_neg"}, [&](auto& tensors) { tensors.erase(at + "ctx_neg"); });
  expect(ErrorCode::unsupported, {"(other)", "does not have"},
         [&](auto& tensors) { tensors["other"] = Tensor<float>({1}); });
  expect(ErrorCode::unsupported, {"compound_prompts_text.3"}, [&](auto& tensors) {
    tensors[at + "compound_prompts_text.3"] = Tensor<float>({2, 12});
  });
  expect(ErrorCode::mismatch, {"2 models"}, [&](auto& tensors) {
    tensors["ema/ctx_pos"] = Tensor<float>({1, 1, 4, 12});
  });
  expect(ErrorCode::mismatch, {"(1,2,4,12)", "(1,1,n,width)"}, [&](auto& tensors) {
    tensors[at + "ctx_pos"] = Tensor<float>({1, 2, 4, 12});
  });
  expect(ErrorCode::mismatch, {"(1,1,5,12)", "(1,1,4,12)"}, [&](auto& tensors) {
    tensors[at + "ctx_neg"] = Tensor<float>({1, 1, 5, 12});
  });
  expect(ErrorCode::mismatch, {"(3,12)", "(2,12)"}, [&](auto& tensors) {
    tensors[at + "compound_prompts_text.1"] = Tensor<float>({3, 12});
  });
  expect(ErrorCode::mismatch, {"do not fit", "20 tokens"}, [&](auto& tensors) {
    tensors[at + "ctx_pos"] = Tensor<float>({1, 1, 300, 12});
  });
  expect(ErrorCode::mismatch, {"width 13", "this CLIP's has 12"}, [&](auto& tensors) {
    tensors[at + "ctx_pos"] = Tensor<float>({1, 1, 4, 13});
  });
  expect(ErrorCode::mismatch, {"4 blocks", "and 3"}, [&](auto& tensors) {
    tensors[at + "compound_prompts_text.2"] = Tensor<float>({2, 12});
  });
  expect(ErrorCode::mismatch, {"token_suffix_neg", "word embeddings"},
         [&](auto& tensors) { tensors[at + "token_suffix_neg"][5] += 1; });
  expect(ErrorCode::mismatch, {"tokenized_prompts_pos", "other words"},
         [&](auto& tensors) { tensors[at + "tokenized_prompts_pos"][6] += 1; });
  expect(ErrorCode::format, {"ctx_neg", "nan"}, [&](auto& tensors) { tensors[at + "ctx_neg"][3] = std::nanf(""); });
  AnomalyClipConfig other = switches();
  other.abnormal_words = "broken object.";
  const WeightFile file = WeightFile::open(golden_path(kOfficial));
  expect_error(ErrorCode::mismatch, {"tokenized_prompts_neg"}, [&] { read(file, other); });
}

TEST_CASE("the switches of AnomalyCLIP go through a file, and those that are wrong are named") {
  AnomalyClipConfig config = switches();
  config.deep_rows = DeepRows::exact;
  config.temperature = 0.1;
  config.map_sigma = 0;
  config.normal_words = "part.";
  config.abnormal_words = "bad part.";
  CHECK(anomaly_clip_config(to_json(config), clip_config()) == config);
  const AnomalyClipConfig released = anomaly_clip_config({}, clip_presets()[3].config);
  CHECK(released == AnomalyClipConfig{});
  CHECK(AnomalyClipConfig::released(clip_config()).level_blocks == std::vector<index_t>{4});
  expect_error(ErrorCode::unsupported, {"AnomalyCLIP", "\"depht\"", "\"depth\""},
               [&] { static_cast<void>(anomaly_clip_config(Json::object().set("depht", 3), clip_config())); });
  const auto refuse = [&](std::initializer_list<std::string_view> texts, auto change) {
    AnomalyClipConfig wrong = switches();
    change(wrong);
    expect_error(ErrorCode::contract, texts, [&] { check_anomaly_clip(wrong, clip_config()); });
  };
  refuse({"20 learned rows"}, [](auto& wrong) { wrong.prompts.context = 20; });
  refuse({"block 4", "of 3"}, [](auto& wrong) { wrong.prompts.depth = 4; });
  refuse({"5 rows replaced of 4"}, [](auto& wrong) { wrong.prompts.deep = 5; });
  refuse({"through 5 of 4"}, [](auto& wrong) { wrong.value_blocks = 5; });
  refuse({"temperature of 0"}, [](auto& wrong) { wrong.temperature = 0; });
  refuse({"needs a block"}, [](auto& wrong) { wrong.level_blocks.clear(); });
  refuse({"block 2 behind one after 3"}, [](auto& wrong) { wrong.level_blocks = {3, 2}; });
}

TEST_CASE("AnomalyCLIP learns, what it learned goes through a file, and judges need no class") {
  const TemporaryFolder folder("anomaly_clip");
  const auto method = make_method<float>();
  Tensor<float> before, after, loaded_map;
  const float first = judged(*method, before, 1);
  for (const float value : before) CHECK((value >= 0 && value <= 1));
  CHECK((first > 0 && first < 1));

  Context context({.threads = 2});
  const TrainingBatch<float> batch = make_batch<float>();
  const std::vector<std::string> words = {"thing"};
  REQUIRE(method->stages().size() == 1);
  Adam<float> adam(method->stages()[0].adam);
  double loss = 0, first_loss = 0;
  for (index_t step = 0; step < 30; ++step) {
    loss = method->forward_backward(context, {batch, words, 0, step, 1});
    if (step == 0) first_loss = loss;
    adam.step(context, method->parameters(0), 0.02);
  }
  CHECK(loss < 0.97 * first_loss);  // the CLIP is of random numbers
  const float score = judged(*method, after, 1);
  CHECK(score != first);

  const std::string path = join_path(folder.path(), "method.safetensors");
  write_method<float>(path, record_of<float>(*method, {}, {}), *method);
  const WeightFile file = WeightFile::open(path);
  const MethodRecord record = read_method_record(file);
  CHECK(record.method == "anomalyclip");
  AnomalyClip<float> loaded(make_clip<float>(), {record.image_size, 5, record.settings});
  CHECK(judged(loaded, loaded_map, 1) != score);
  loaded.load(file);
  CHECK(judged(loaded, loaded_map, 1) == score);
  CHECK(same_bits(loaded_map, after));
}

TEST_CASE("several threads judge with one AnomalyCLIP") {
  const auto method = make_method<float>();
  Tensor<float> expected, maps[3];
  float scores[3] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&, i] { scores[i] = judged(*method, maps[i]); });
  for (auto& thread : threads) thread.join();
  const float score = judged(*method, expected);
  for (int i = 0; i < 3; ++i) {
    CHECK(scores[i] == score);
    CHECK(same_bits(maps[i], expected));
  }
}
