// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/eval/run_results.hpp>
#include <string>
#include <utility>
#include <vector>

#include "eval_test.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// Pictures with scores that a detector might give them, of classes of two data sets.
struct RunFixture {
  Context context{{.threads = 1}};
  Pictures pictures = random_pictures(21, 24, 16);
  bool is_exact = false;

  RunFixture() { pictures.w = pictures.h; }  // maps are square; the last column of each row is the next row's

  [[nodiscard]] RunSettings settings() const {
    RunSettings s;
    s.clip = "clip", s.adapter = "adapter", s.data = "data", s.words = "words";
    s.pictures = pictures.n;
    s.image_size = pictures.h;
    s.pixels = {is_exact, 16};
    return s;
  }

  [[nodiscard]] Sample sample(index_t i) const {
    Sample sample;
    sample.mask = resize_nearest(pictures.mask(i), pictures.w, pictures.h);
    sample.label =
        std::any_of(sample.mask.data(), sample.mask.data() + sample.mask.size(), [](auto v) { return v != 0; });
    if (i % 11 == 5) sample.mask = Image();
    return sample;
  }

  [[nodiscard]] PictureRecord record(index_t i) const {
    PictureRecord record;
    record.set = i % 4 == 0 ? "b" : "a";
    record.path = concat(i % 2 == 0 ? "good/" : "bad/", i, ".png");
    record.class_name = record.row = i % 3 == 0 ? "nut" : "cap";
    record.label = sample(i).label;
    record.hash = static_cast<std::uint64_t>(i) << 40;
    return record;
  }

  void judge(EvaluationRun& run, index_t i) {
    if (i == 7) return add_failure(run, record(i), ErrorCode::io);
    Detection found;
    const index_t side = pictures.h;
    found.map = Tensor<float>({side, side});
    found.reference = Tensor<float>({side, side});
    for (index_t p = 0; p < side * side; ++p) {
      found.map[p] = pictures.map(i).data()[p];
      found.reference[p] = 30 * found.map[p] - 10;
    }
    found.score = static_cast<float>(i % 5) / 8;
    found.class_score = static_cast<float>(i % 7) / 9;
    add_picture(context, run, record(i), sample(i), found);
  }

  /// A shard, its pictures in the order of `order`.
  EvaluationRun shard(Shard part, bool is_backwards = false) {
    std::vector<index_t> members;
    for (index_t i = 0; i < pictures.n; ++i)
      if (part.holds(record(i).path)) members.push_back(i);
    if (is_backwards) std::ranges::reverse(members);
    EvaluationRun run(settings(), part, std::ssize(members));
    for (const index_t i : members) judge(run, i);
    return run;
  }
};

std::string file_text(const std::string& path) {
  const auto bytes = read_file(path, std::uint64_t{1} << 30);
  return std::string(as_text(bytes));
}

std::string results_text_of(EvaluationRun& run) { return dump_json(to_json(results_of(run), run)); }

}  // namespace

TEST_CASE("shards merge to the bytes of the single run, whatever the order") {
  const TemporaryFolder folder("run_merge");
  for (const bool is_exact : {false, true}) {
    RunFixture fixture;
    fixture.is_exact = is_exact;
    EvaluationRun whole = fixture.shard({});
    const std::string path = join_path(folder.path(), "whole.safetensors");
    write_run(path, whole);
    const std::string wanted = file_text(path), wanted_results = results_text_of(whole);
    for (const index_t count : {1, 2, 7}) {
      std::vector<std::string> states;
      for (index_t number = count; number >= 1; --number) {
        EvaluationRun part = fixture.shard({number, count}, number % 2 == 0 || count == 1);
        states.push_back(join_path(folder.path(), concat(number, "-of-", count)));
        write_run(states.back(), part);
      }
      EvaluationRun merged = merge_shards(states);
      const std::string merged_path = join_path(folder.path(), "merged.safetensors");
      write_run(merged_path, merged);
      CHECK(file_text(merged_path) == wanted);
      CHECK(results_text_of(merged) == wanted_results);
      CHECK(picture_lines(merged) == picture_lines(whole));
    }
  }
}

TEST_CASE("a state that is read goes on to the same bytes") {
  const TemporaryFolder folder("run_resume");
  RunFixture fixture;
  EvaluationRun whole = fixture.shard({});
  const std::string path = join_path(folder.path(), "a"), half = join_path(folder.path(), "b");
  write_run(path, whole);
  EvaluationRun first(fixture.settings(), {}, fixture.pictures.n);
  for (index_t i = 0; i < 10; ++i) fixture.judge(first, i);
  CHECK_FALSE(first.is_complete());
  write_run(half, first);
  EvaluationRun second = read_run(half);
  CHECK(second.pictures.size() == 10);
  CHECK(second.failures() == 1);
  for (index_t i = fixture.pictures.n - 1; i >= 10; --i) fixture.judge(second, i);
  CHECK(second.is_complete());
  write_run(half, second);
  CHECK(file_text(half) == file_text(path));
}

TEST_CASE("results: rows by data set, means of them, and of data sets") {
  RunFixture fixture;
  EvaluationRun run = fixture.shard({});
  const RunResults results = results_of(run);
  REQUIRE(results.sets.size() == 2);
  CHECK(results.sets[0].name == "a");
  REQUIRE(results.sets[0].rows.size() == 2);
  CHECK(results.sets[0].rows[1].name == "nut");
  CHECK(results.sets[0].rows[1].key == "a/nut");
  CHECK(results.sets[0].mean.failures == 1);
  const auto auroc = [](const RunRow& row) { return row.standard->pixel.auroc.value; };
  CHECK(auroc(results.mean) == (auroc(results.sets[0].mean) + auroc(results.sets[1].mean)) / 2);
  CHECK(results.mean.released->released.has_value());
  const Json json = to_json(results, run);
  CHECK(json.at("failed").as_int64() == 1);
  CHECK(json.at("rows").size() == 4);
  // the tables that the curves of a report need are those that the figures came from
  CHECK(run.standard->pixel_table("a/nut").metrics().auroc.value == auroc(results.sets[0].rows[1]));
  CHECK(run.released->image_table("a/nut").metrics().auroc.value ==
        results.sets[0].rows[1].released->image.auroc.value);
}

TEST_CASE("a set of unread pictures has a row without figures") {
  RunFixture fixture;
  EvaluationRun run(fixture.settings(), {}, 1);
  add_failure(run, fixture.record(7), ErrorCode::io);
  const RunResults results = results_of(run);
  CHECK_FALSE(results.sets.at(0).rows.at(0).standard.has_value());
  CHECK_FALSE(results.mean.standard.has_value());
  CHECK(to_json(results, run).at("rows").at(0).at("failed").as_int64() == 1);
}

TEST_CASE("shards that do not belong together are refused by name") {
  const TemporaryFolder folder("run_mismatch");
  RunFixture fixture;
  std::vector<std::string> paths;
  for (index_t number = 1; number <= 3; ++number) {
    EvaluationRun run = fixture.shard({number, 3});
    paths.push_back(join_path(folder.path(), concat("shard", number)));
    write_run(paths.back(), run);
  }
  const auto refuse = [](ErrorCode code, std::initializer_list<std::string_view> facts,
                         const std::vector<std::string>& states) {
    expect_error(code, facts, [&] { (void)merge_shards(states); });
  };
  refuse(ErrorCode::missing, {"of 3 shards some are missing: 1, 2"}, {paths[2]});
  refuse(ErrorCode::missing, {"one is missing: 2"}, {paths[2], paths[0]});
  refuse(ErrorCode::mismatch, {"is shard 1, as", "shard1"}, {paths[0], paths[1], paths[0]});
  const auto change = [&](const char* name, auto&& edit) {
    EvaluationRun run = fixture.shard({2, 3});
    edit(run);
    const std::string path = join_path(folder.path(), name);
    write_run(path, run);
    return path;
  };
  refuse(ErrorCode::mismatch, {"adapter (found other, wanted adapter)"},
         {paths[0], change("other", [](auto& run) { run.settings.adapter = "other"; }), paths[2]});
  refuse(ErrorCode::mismatch, {"is one of 4 shards"},
         {paths[0], change("four", [](auto& run) { run.shard.count = 4; }), paths[2]});
  refuse(ErrorCode::mismatch, {"shard 2 is not finished", "--resume"},
         {paths[0], change("open", [](auto& run) { ++run.assigned; }), paths[2]});
  refuse(ErrorCode::mismatch, {"was judged by another part"},
         {paths[0],
          change("twin",
                 [&](auto& run) {
                   run = fixture.shard({1, 3});
                   run.shard.number = 2;
                 }),
          paths[2]});
  EvaluationRun other_isa = fixture.shard({2, 3});
  other_isa.isa = "abacus";
  write_run(paths[1], other_isa);
  CHECK(merge_shards(paths).isa.find("abacus+") == 0);
}

TEST_CASE("runs of different evaluations are not merged") {
  RunFixture fixture;
  const auto refuse = [&](std::string_view fact, auto&& edit) {
    EvaluationRun whole(fixture.settings(), {}, fixture.pictures.n), part = fixture.shard({1, 2});
    edit(part);
    expect_error(ErrorCode::contract, {"part: ", fact}, [&] { merge_run(whole, std::move(part), "part"); });
    CHECK(whole.pictures.empty());
  };
  refuse("adapter (found other", [](EvaluationRun& part) { part.settings.adapter = "other"; });
  refuse("another protocol", [](EvaluationRun& part) { part.released.reset(); });
}

TEST_CASE("a line of a picture that cannot be is refused by name") {
  RunFixture fixture;
  EvaluationRun run(fixture.settings(), {}, fixture.pictures.n);
  fixture.judge(run, 1);
  const RunSettings settings = fixture.settings();
  const Json line = moeclip::detail::to_json(run.pictures.begin()->second, settings);
  const auto read = [&](const Json& json) { return moeclip::detail::picture_from_json(json, settings, "f"); };
  const auto with = [&](const char* name, Json value) { return Json(line).set(name, std::move(value)); };
  CHECK(read(line).score == run.pictures.begin()->second.score);
  for (const char* name : {"score", "class_score"}) {
    CHECK_NOTHROW(read(with(name, 0)));
    CHECK_NOTHROW(read(with(name, 1.0000001)));  // a cosine above 1 by rounding
    for (const double score : {-0.01, 1.01, 1e30})
      expect_error(ErrorCode::format, {"f: ", name, "between 0 and 1"}, [&] { read(with(name, score)); });
    expect_error(ErrorCode::format, {"f: "}, [&] { read(with(name, 1e300)); });
  }
  for (const char* name : {"set", "path", "class", "row", "label", "has_mask", "hash", "was_trained_on", "score",
                           "class_score", "map", "reference_map"}) {
    CAPTURE(name);
    expect_error(ErrorCode::format, {"f: ", name}, [&] { read(with(name, Json())); });
    Json without = Json::object();
    for (const auto& [key, value] : line.members())
      if (key != name) without.set(key, value);
    expect_error(ErrorCode::missing, {"f: ", name}, [&] { read(without); });
  }
  expect_error(ErrorCode::format, {"f: ", "pair"}, [&] { read(with("map", Json::array().push_back(1))); });
  expect_error(ErrorCode::format, {"f: ", "an object"}, [&] { read(Json::array()); });
  // without the default protocol nothing is said of its score
  RunSettings released = settings;
  released.has_default = false;
  PictureRecord unset;
  unset.reference = {-3, 8};
  const Json other = moeclip::detail::to_json(unset, released);
  CHECK(other.find("score") == nullptr);
  CHECK_NOTHROW(moeclip::detail::picture_from_json(other, released, "f"));
}

TEST_CASE("what a state says of itself, and what training says, is wrong by name") {
  const TemporaryFolder folder("run_manifest");
  const std::string path = join_path(folder.path(), "state");
  const auto manifest_of = [&](const std::string& text) {
    SafetensorsWriter writer(path);
    writer.set_metadata(std::string(moeclip::detail::kRunKey), text);
    writer.announce("a", DType::u8, {0});
    writer.begin();
    writer.commit();
    return read_manifest(WeightFile::open(path));
  };
  expect_error(ErrorCode::format, {path, "an object"}, [&] { manifest_of("[]"); });
  expect_error(ErrorCode::missing, {path, "\"format\""}, [&] { manifest_of("{}"); });
  expect_error(ErrorCode::unsupported, {path, "version 2", "newer", "reads version 1"},
               [&] { manifest_of(R"({"format": 2})"); });
  expect_error(ErrorCode::missing, {path, "\"settings\""}, [&] { manifest_of(R"({"format": 1})"); });
  expect_error(ErrorCode::format, {path, "an object"}, [&] { manifest_of(R"({"format": 1, "settings": 3})"); });
  expect_error(ErrorCode::missing, {path, "\"version\""}, [&] { manifest_of(R"({"format": 1, "settings": {}})"); });

  const auto trained = [](const char* text) { return training_pictures_from_json(parse_json(text, "t"), "t"); };
  expect_error(ErrorCode::missing, {"t: ", "pictures"}, [&] { trained("{}"); });
  expect_error(ErrorCode::format, {"t: ", "pictures"}, [&] { trained(R"({"pictures": 1})"); });
  expect_error(ErrorCode::missing, {"t: ", "classes"}, [&] { trained(R"({"pictures": ""})"); });
  expect_error(ErrorCode::format, {"t: ", "classes"}, [&] { trained(R"({"pictures": "", "classes": 1})"); });
  expect_error(ErrorCode::format, {"t: ", "classes"}, [&] { trained(R"({"pictures": "", "classes": [1]})"); });
}

TEST_CASE("a broken state is refused, whatever is broken") {
  const TemporaryFolder folder("run_hostile");
  RunFixture fixture;
  EvaluationRun run = fixture.shard({});
  const std::string path = join_path(folder.path(), "state"), broken = join_path(folder.path(), "broken");
  write_run(path, run);
  const std::string text = file_text(path);
  std::size_t refused = 0, tried = 0;
  const auto attempt = [&](const std::string& bytes) {
    ++tried;
    write_file(broken, as_bytes(bytes));
    try {
      (void)read_run(broken);
    } catch (const Error&) {
      ++refused;
    }
  };
  for (std::size_t cut = 0; cut < text.size(); cut += text.size() / 97 + 1) attempt(text.substr(0, cut));
  CHECK(refused == tried);
  const Rng rng(5, "flips");
  for (index_t i = 0; i < 300; ++i) {
    std::string bytes = text;
    const auto place = static_cast<std::size_t>(rng.integer(2 * i, 0, std::ssize(text)));
    bytes[place] = static_cast<char>(bytes[place] ^ static_cast<char>(1 << rng.integer(2 * i + 1, 0, 8)));
    attempt(bytes);
  }
  CHECK(refused == tried);  // the file has a checksum of all its bytes
  expect_error(ErrorCode::format, {"no state of an evaluation"}, [&] {
    SafetensorsWriter writer(broken);
    writer.announce("a", DType::u8, {0});
    writer.begin();
    writer.commit();
    (void)read_run(broken);
  });
}
