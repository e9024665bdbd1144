// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/anomaly/fingerprint.hpp>
#include <moeclip/train/checkpoint.hpp>
#include <moeclip/train/official_checkpoint.hpp>

#include "expect_error.hpp"
#include "golden.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

using namespace moeclip;

namespace {

template <class T>
Checkpoint<T> make_checkpoint() {
  Checkpoint<T> checkpoint;
  CheckpointRecord& record = checkpoint.record;
  record.identity.recipe = Recipe::moeclip();
  record.identity.recipe.lr = 0.1 + 0.2;
  record.identity.seed = ~std::uint64_t{0};
  record.identity.batch = 3;
  record.identity.image_size = 16;
  record.identity.clip = "c";
  record.identity.data = "d";
  record.identity.images = {.apply_exif_orientation = true, .deep_gray = DeepGray::clipped};
  record.position = {1'000'000'000'000, 4, 5, 6};
  record.activation = kernels::Activation::quick_gelu;
  record.isa = "abacus";
  record.version = "9";
  record.trained_on = {{1, ~std::uint64_t{0}}, {"gear"}};
  record.judged_by = {{2, 3}, {"gear", "tile"}};
  record.adapter.mixture_blocks = record.adapter.level_blocks = {2, 4};
  record.adapter.windows = {1};
  record.adapter.chosen = 3;
  record.adapter.mix_weight = 0.25;
  checkpoint.adapter = Adapter<T>(record.adapter, 64, 24, 64);
  initialize_adapter(checkpoint.adapter, {true, 0.1, 0.1}, 1);
  checkpoint.moments["text_adapter.0.fc.0.weight"] = {random_tensor<T>({24, 64}, "m"), random_tensor<T>({24, 64}, "v"),
                                                      7};
  return checkpoint;
}

template <class T>
bool same_weights(const Adapter<T>& a, const Adapter<T>& b) {
  bool is_same = true;
  std::vector<const Tensor<T>*> tensors;
  visit_parameters(a, "", [&](const std::string&, const Tensor<T>& tensor) { tensors.push_back(&tensor); });
  std::size_t i = 0;
  visit_parameters(b, "",
                   [&](const std::string&, const Tensor<T>& t) { is_same = is_same && same_bits(*tensors[i++], t); });
  return is_same && i == tensors.size();
}

TEST_CASE_TEMPLATE("a checkpoint gives back everything to the last bit", T, float, double) {
  const TemporaryFolder folder("checkpoint");
  const std::string path = join_path(folder.path(), "a.safetensors");
  const Checkpoint<T> written = make_checkpoint<T>();
  write_checkpoint<T>(path, written.record, written.adapter, written.moments);
  const WeightFile file = WeightFile::open(path);
  CHECK(holds_run(file));
  CHECK(trained_epochs(file) == 4);
  CHECK(trained_activation(file) == kernels::Activation::quick_gelu);
  const Checkpoint<T> read = read_checkpoint<T>(file, tiny_model::config());
  expect_same_run("the file", read.record.identity, written.record.identity);  // throws if not
  CHECK(to_json(read.record.identity.recipe) == to_json(written.record.identity.recipe));
  CHECK(read.record.position == written.record.position);
  CHECK(read.record.isa == "abacus");
  CHECK(read.record.version == "9");
  CHECK(read.record.trained_on.hashes == written.record.trained_on.hashes);
  CHECK(read.record.trained_on.classes == written.record.trained_on.classes);
  CHECK(read.record.judged_by.hashes == written.record.judged_by.hashes);
  CHECK(read.record.judged_by.classes == written.record.judged_by.classes);
  CHECK(read.adapter.config.mixture_blocks == std::vector<index_t>{2, 4});
  CHECK(read.adapter.config.windows == std::vector<index_t>{1});
  CHECK(read.adapter.config.chosen == 3);
  CHECK(read.adapter.config.mix_weight == 0.25);
  CHECK(same_weights(read.adapter, written.adapter));
  REQUIRE(read.moments.size() == 1);
  const AdamState<T>& state = read.moments.at("text_adapter.0.fc.0.weight");
  CHECK(state.step == 7);
  CHECK(same_bits(state.m, written.moments.begin()->second.m));
  CHECK(same_bits(state.v, written.moments.begin()->second.v));
  // what the caller says goes before what is recorded
  AdapterOptions wish;
  wish.chosen = 1;
  CHECK(read_adapter<T>(file, tiny_model::config(), wish).config.chosen == 1);
}

TEST_CASE("options may be refused where they contradict the record") {
  const TemporaryFolder folder("checkpoint_contradicted");
  const std::string path = join_path(folder.path(), "a.safetensors");
  const Checkpoint<float> written = make_checkpoint<float>();  // rank 8, scale 2, top-k 3, no aggregation
  write_checkpoint<float>(path, written.record, written.adapter, written.moments);
  const WeightFile file = WeightFile::open(path);
  const auto read = [&](auto change) {
    AdapterOptions options;
    options.overrides_record = false;
    change(options);
    return read_adapter<float>(file, tiny_model::config(), options).config;
  };
  const auto refused = [&](std::string_view recorded, std::string_view wanted, auto change) {
    expect_error(ErrorCode::mismatch, {path, recorded, wanted}, [&] { read(change); });
  };
  refused("top-k (experts per token) 3", "but 2", [](AdapterOptions& o) { o.chosen = 2; });
  refused("alpha 16", "but 12", [](AdapterOptions& o) { o.alpha = 12; });
  refused("scale 2", "but 3", [](AdapterOptions& o) { o.scale = 3; });
  refused("mix weight 0.25", "but 0.1", [](AdapterOptions& o) { o.mix_weight = 0.1; });
  refused("similarity scale 100", "but 10", [](AdapterOptions& o) { o.similarity_scale = 10; });
  refused("without", "PAA", [](AdapterOptions& o) { o.use_aggregation = true; });
  const AdapterConfig same = read([](AdapterOptions& o) { o.chosen = 3, o.alpha = 16, o.use_aggregation = false; });
  CHECK(same.chosen == 3);
  CHECK(same.scale == 2);
  AdapterOptions other;  // as a library does it unless told otherwise
  other.alpha = 12;
  CHECK(read_adapter<float>(file, tiny_model::config(), other).config.scale == 1.5);
}

TEST_CASE("an adapter from elsewhere is no run") {
  const TemporaryFolder folder("checkpoint_adapter");
  const std::string path = join_path(folder.path(), "a.safetensors");
  const Checkpoint<float> written = make_checkpoint<float>();
  write_adapter<float>(path, 3, written.adapter, written.moments);
  const WeightFile file = WeightFile::open(path);
  CHECK_FALSE(holds_run(file));
  CHECK(trained_epochs(file) == 3);
  CHECK(read_moments<float>(file, written.adapter).size() == 1);
  CHECK(records_switches(file));  // its switches are known all the same
  CHECK(read_adapter<float>(file, tiny_model::config()).config.mixture_blocks == std::vector<index_t>{2, 4});
  CHECK(read_adapter<float>(file, tiny_model::config()).config.chosen == 3);
  expect_error(ErrorCode::missing, {path, "cannot be resumed"}, [&] { read_record(file); });
}

TEST_CASE("moments and counts that do not fit are told before anything is made of them") {
  const TemporaryFolder folder("checkpoint_hostile");
  const std::string path = join_path(folder.path(), "a.safetensors");
  const auto refuse = [&](ErrorCode code, std::string_view fact, auto change) {
    Checkpoint<float> made = make_checkpoint<float>();
    change(made);
    write_checkpoint<float>(path, made.record, made.adapter, made.moments);
    expect_error(code, {path, fact}, [&] { read_checkpoint<float>(WeightFile::open(path), tiny_model::config()); });
  };
  const std::string name = "text_adapter.0.fc.0.weight";
  refuse(ErrorCode::mismatch, "adam.v.", [&](auto& made) { made.moments[name].v = Tensor<float>({1, 1}); });
  refuse(ErrorCode::mismatch, "adam.m.", [&](auto& made) { made.moments[name].m = Tensor<float>({64, 24}); });
  refuse(ErrorCode::format, name, [&](auto& made) { made.moments[name].step = -1; });
  refuse(ErrorCode::mismatch, "optimiser", [&](auto& made) {
    made.moments["nothing"] = {Tensor<float>({1}), Tensor<float>({1}), 1};
  });
  refuse(ErrorCode::format, "step", [](auto& made) { made.record.position.step = -5; });
  refuse(ErrorCode::format, "schedule_start",
         [](auto& made) { made.record.position.schedule_start = std::numeric_limits<index_t>::max(); });
  refuse(ErrorCode::format, "-14", [](auto& made) { made.record.identity.image_size = -14; });
  refuse(ErrorCode::format, "1000000", [](auto& made) { made.record.identity.image_size = 1000000; });
}

TEST_CASE("another run is told apart, and how") {
  const RunIdentity mine = make_checkpoint<float>().record.identity;
  expect_same_run("a", mine, mine);
  const auto refused = [&](std::string_view fact, auto change) {
    RunIdentity other = mine;
    change(other);
    expect_error(ErrorCode::mismatch, {"a: cannot be resumed", fact}, [&] { expect_same_run("a", other, mine); });
  };
  refused("another CLIP", [](RunIdentity& id) { id.clip = "x"; });
  refused("other data", [](RunIdentity& id) { id.data = "x"; });
  refused("rank (4, 8)", [](RunIdentity& id) { id.recipe.rank = 4; });
  refused("seed is 5", [](RunIdentity& id) { id.seed = 5; });
  refused("batch size is 1", [](RunIdentity& id) { id.batch = 1; });
  refused("image size is 32", [](RunIdentity& id) { id.image_size = 32; });
  refused("pictures were read as they are stored, with 16-bit gray clipped, not turned upright by EXIF",
          [](RunIdentity& id) { id.images.apply_exif_orientation = false; });
  refused("with 16-bit gray scaled, not", [](RunIdentity& id) { id.images.deep_gray = DeepGray::scaled; });
}

TEST_CASE("a CLIP's fingerprint is that of its values, plain or packed") {
  auto vision = tiny_model::make_vision<float>();
  const auto text = tiny_model::make_text<float>();
  const std::string plain = clip_fingerprint(vision, text);
  CHECK(plain.size() == 64);
  CHECK(clip_fingerprint(tiny_model::make_vision<double>(), tiny_model::make_text<double>()) == plain);
  CHECK(clip_fingerprint(tiny_model::make_vision<float>(2), text) != plain);
  CHECK(clip_fingerprint(vision, tiny_model::make_text<float>(2)) != plain);
  Context context({.threads = 1});
  pack(context, vision.patch_embed);
  for (Block<float>& block : vision.transformer.blocks) pack(context, block);
  CHECK(clip_fingerprint(vision, text) == plain);
  vision.activation = kernels::Activation::quick_gelu;
  CHECK(clip_fingerprint(vision, text) != plain);
}

TEST_CASE("the official layout keeps weights and optimiser") {
  const TemporaryFolder folder("official");
  const ClipConfig sizes{{35, 7, 64, 4, 1, 256}, {16, 600, 64, 1, 1, 256}, 20, kernels::Activation::gelu};
  const WeightFile official = WeightFile::open(golden_path("formats/moeclip/default.pth"));
  const auto adapter = read_adapter<float>(official, sizes);
  const auto moments = read_moments<float>(official, adapter);
  CHECK(trained_epochs(official) == 1);
  CHECK(moments.size() == 28);  // of 29: one expert never had a gradient
  CHECK(moments.at("text_adapter.0.fc.0.weight").step == 2);
  const std::string path = join_path(folder.path(), "a.pth");
  write_official<float>(path, adapter, moments, Recipe::released(), {2, 1, 0, 0});
  const WeightFile again = WeightFile::open(path);
  CHECK(same_weights(read_adapter<float>(again, sizes), adapter));
  CHECK(again.entry("image_adapter/det_proj.adapter.2.weight").shape == Shape{20, 64, 1});
  const auto same = read_moments<float>(again, adapter);
  REQUIRE(same.size() == moments.size());
  for (const auto& [name, state] : moments) {
    CHECK(same_bits(same.at(name).m, state.m));
    CHECK(same_bits(same.at(name).v, state.v));
    CHECK(same.at(name).step == state.step);
  }
  CHECK_FALSE(records_switches(again));
}

TEST_CASE("what the official layout has no place for lies beside it") {
  const TemporaryFolder folder("official_record");
  const std::string ours = join_path(folder.path(), "a.safetensors"), official = join_path(folder.path(), "a.pth"),
                    back = join_path(folder.path(), "b.safetensors");
  Checkpoint<float> written = make_checkpoint<float>();
  written.record.adapter.similarity_scale = 10;
  written.record.adapter.scale = 1.0 / 3;
  write_checkpoint<float>(ours, written.record, written.adapter, written.moments);
  const WeightFile from = WeightFile::open(ours);
  const auto adapter = read_adapter<float>(from, tiny_model::config());
  const auto moments = read_moments<float>(from, adapter);
  write_official<float>(official, adapter, moments, written.record.identity.recipe, written.record.position,
                        record_of(from, adapter.config));
  const WeightFile file = WeightFile::open(official);
  const auto again = read_adapter<float>(file, tiny_model::config());
  CHECK(adapter_record(again.config, kernels::Activation::gelu) ==
        adapter_record(adapter.config, kernels::Activation::gelu));
  CHECK(trained_activation(file) == kernels::Activation::quick_gelu);
  CHECK(trained_image_size(file) == 16);
  CHECK(trained_epochs(file) == 4);
  CHECK(trained_on(file)->hashes == written.record.trained_on.hashes);
  CHECK(read_record(file).position == written.record.position);
  expect_error(ErrorCode::missing, {official, "convert"}, [&] { read_checkpoint<float>(file, tiny_model::config()); });
  write_adapter<float>(back, record_of(file, again.config), again, read_moments<float>(file, again));
  CHECK(read_file(back, 1 << 24) == read_file(ours, 1 << 24));  // to the last byte
}

TEST_CASE("an official file's settings are recorded as they were assumed") {
  const ClipConfig sizes{{35, 7, 64, 4, 1, 256}, {16, 600, 64, 1, 1, 256}, 20, kernels::Activation::gelu};
  const WeightFile official = WeightFile::open(golden_path("formats/moeclip/default.pth"));
  AdapterOptions options;
  options.chosen = 3;
  options.alpha = 12;
  const Json record = record_of(official, read_adapter<float>(official, sizes, options).config);
  CHECK(record.at("epoch").as_int64() == 1);
  const Json& adapter = record.at("adapter");
  CHECK(adapter.at("chosen").as_int64() == 3);
  CHECK(adapter.at("scale").as_number() == 3);  // rank 4
  CHECK(adapter.at("similarity_scale").as_number() == 100);
  CHECK(adapter.at("activation").as_string() == "gelu");
  CHECK(adapter.at("mixture_blocks").size() == 0);  // the CLIP's matter
}

}  // namespace
