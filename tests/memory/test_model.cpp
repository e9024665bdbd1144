// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/save_quantized.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/safetensors.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/memory_file.hpp>
#include <moeclip/memory/model_file.hpp>
#include <moeclip/memory/save_model.hpp>
#include <utility>

#include "../anomaly/detector_fixtures.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

namespace model_test {

using namespace moeclip;        // NOLINT
using namespace detector_test;  // NOLINT

/// The seeded detector with the words of two classes, in some precision.
PartModel words_model() {
  PartModel model;
  model.detector = small_detector();
  model.anchors = {random_anchors(), random_anchors()};
  model.anchors[1].name = "widget";
  model.anchors[1].vectors[3] += 0.5f;
  return model;
}

/// A memory of noise pictures, known by textures or by what a detector sees.
PatchMemory<float> noise_memory(const Detector* detector, double text_weight) {
  Context context;
  const auto load = [](index_t i) { return random_picture(70, 70, 3, concat("good/", i)); };
  LearnOptions options;
  options.patches = 50;
  options.text_weight = text_weight;
  if (detector == nullptr) return learn_textures<float>(context, {4, load}, options);
  const auto anchors = random_anchors();
  return learn<float>(context, *detector, {4, load}, options, &anchors);
}

std::string save(const TemporaryFolder& folder, const PartModel& model, const char* name = "part.moeclip") {
  const std::string path = join_path(folder.path(), name);
  save_model(path, model, Json::object().set("from", "a test"));
  return path;
}

Detection look(const PartModel& model, const std::string& class_name) {
  Context context({.threads = 1});
  Detection found;
  model.detect(context, random_picture(90, 60, 3).view(), found, class_name);
  return found;
}

/// The bytes of a file whose checksum says that there is none, with `text` replaced by one as long.
std::vector<std::byte> changed(const std::string& path, std::string_view text, std::string_view by) {
  auto bytes = read_file(path, std::uint64_t{1} << 30);
  const auto put = [&](std::string_view what, std::size_t skip, std::string_view in_its_place) {
    const std::size_t at = as_text(bytes).find(what);
    REQUIRE(at != std::string_view::npos);
    std::ranges::copy(as_bytes(in_its_place), bytes.begin() + static_cast<std::ptrdiff_t>(at + skip));
  };
  put("moeclip.crc32\":\"", 16, kNoChecksum);
  put(text, 0, by);
  return bytes;
}

}  // namespace model_test

TEST_CASE("a model that was saved sees the same, to the bit") {
  using namespace model_test;  // NOLINT
  const TemporaryFolder folder("model");
  for (const auto precision : {kernels::Precision::f32, kernels::Precision::bf16, kernels::Precision::int8}) {
    CAPTURE(to_string(precision));
    PartModel model = words_model();
    Context context;
    VisionTower<float> tower(seeded_config().vision, seeded_config().embed, seeded_config().activation);
    detail::draw_parameters<float>(tower, 1, "visual");
    pack(context, tower.patch_embed);
    for (auto& block : tower.transformer.blocks)
      visit_matrices(block, [&](const char*, Linear<float>& layer) { pack(context, layer, precision); });
    AdapterConfig switches;
    switches.mixture_blocks = {2, 4};
    switches.level_blocks = {1, 2, 4};
    switches.windows = {1};
    switches.scale = 0.3;
    Adapter<float> adapter(switches, tower.config.width, seeded_config().embed, 0);
    detail::draw_parameters<float>(adapter, 1, "");
    pack(context, adapter);
    model.detector.emplace(Clip<float>(seeded_config(), std::move(tower)), std::move(adapter),
                           model.detector->options());
    const std::string path = save(folder, model);
    const PartModel read = PartModel::load(path, 1);
    CHECK_FALSE(read.side() == 0);
    CHECK(read.has_verdict());
    CHECK(precision_of_blocks(read.detector->clip().vision()) == precision);
    for (const char* name : {"gizmo", "widget"}) CHECK(same_detection(look(model, name), look(read, name)));
    CHECK(read_file(path, 1 << 30) == read_file(save(folder, read, "again.moeclip"), 1 << 30));
    expect_error(ErrorCode::missing, {"no text tower"}, [&] { static_cast<void>(read.detector->anchors("nut")); });
  }
}

TEST_CASE("memories are part of a model, with or without words or a tower") {
  using namespace model_test;  // NOLINT
  const TemporaryFolder folder("model_memory");
  PartModel fused = words_model();
  fused.anchors.pop_back();
  fused.memory = noise_memory(&*fused.detector, 0.5);
  fused.threshold_source = "good pictures";
  PartModel alone;
  alone.detector = small_detector();
  alone.memory = noise_memory(&*alone.detector, 0);
  PartModel textures;
  textures.memory = noise_memory(nullptr, 0);
  for (const PartModel* model : {&fused, &alone, &textures}) {
    const PartModel read = PartModel::load(save(folder, *model), 1);
    CHECK(read.threshold_source == model->threshold_source);
    CHECK(same_detection(look(*model, ""), look(read, "")));
  }
  const std::string learned = join_path(folder.path(), "learned.moeclip");
  save_memory(learned, *textures.memory);
  CHECK(same_detection(look(textures, ""), look(PartModel::load(learned), "")));
  CHECK(PartModel::load(learned).threshold_source == "good pictures");
  save_memory(learned, *alone.memory);
  expect_error(ErrorCode::missing, {"moeclip export --clip"}, [&] { static_cast<void>(PartModel::load(learned)); });
}

TEST_CASE("a model names its classes to who asks for another") {
  using namespace model_test;  // NOLINT
  const PartModel model = words_model();
  CHECK(model.anchors_of("widget") == &model.anchors[1]);
  expect_error(ErrorCode::missing, {"a class has to be named; there are", "gizmo", "widget"},
               [&] { static_cast<void>(model.anchors_of("")); });
  expect_error(ErrorCode::missing, {"knows no class", "nut", "gizmo", "widget"},
               [&] { static_cast<void>(model.anchors_of("nut")); });
}

TEST_CASE("a model file whose record or tensors make no sense is refused") {
  using namespace model_test;  // NOLINT
  const TemporaryFolder folder("model_damaged");
  const std::string path = save(folder, words_model());
  const auto expect = [&](ErrorCode code, std::string_view text, std::string_view by, std::string_view told) {
    CAPTURE(std::string(by));
    const std::string other = join_path(folder.path(), "other.moeclip");
    write_file(other, changed(path, text, by));
    expect_error(code, {"other.moeclip", told}, [&] { static_cast<void>(PartModel::load(other, 1)); });
  };
  expect(ErrorCode::unsupported, R"(\"format\":1,)", R"(\"format\":2,)", "version 2");
  expect(ErrorCode::format, R"(\"image_size\":70,)", R"(\"image_size\":71,)", "71 pixels");
  expect(ErrorCode::format, R"(\"image_size\":70,)", R"(\"image_size\":-7,)", "image_size");
  expect(ErrorCode::format, R"(\"domain\":\"industrial\")", R"(\"domain\":\"industriaX\")", "industriaX");
  expect(ErrorCode::mismatch, R"([\"gizmo\",\"widget\"])", R"([\"gizmo\"           ])", "anchors");
  expect(ErrorCode::missing, R"([\"gizmo\",\"widget\"])", R"([                    ])", "words have a say");
  expect(ErrorCode::missing, R"("anchors":)", R"("anchorz":)", "anchors");
  expect(ErrorCode::unsupported, R"(visual.transformer.resblocks.2.ln_1)", R"(visual.transformer.resblocks.X.ln_1)",
         "resblocks");
  expect(ErrorCode::missing, R"(\"model\")", R"(\"modem\")", "an adapter");
}

TEST_CASE("the threads of a context may share the work of a checksum") {
  using namespace model_test;  // NOLINT
  const TemporaryFolder folder("model_checksum");
  const std::string path = save(folder, words_model());
  auto bytes = read_file(path, 1 << 30);
  REQUIRE(bytes.size() > std::size_t{3} << 20);  // several pieces
  Context context({.threads = 3});
  CHECK(read_safetensors(WeightBytes::keep(bytes, "whole"), &context).entries.size() > 10);
  for (const std::size_t at : {bytes.size() - 1, bytes.size() / 2, std::size_t{2} << 20}) {
    bytes[at] ^= std::byte{1};
    for (Context* const shared : {&context, static_cast<Context*>(nullptr)})
      expect_error(ErrorCode::format, {"damaged"},
                   [&] { read_safetensors(WeightBytes::keep(bytes, "damaged"), shared); });
    bytes[at] ^= std::byte{1};
  }
}
