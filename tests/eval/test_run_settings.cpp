// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <moeclip/eval/run_settings.hpp>
#include <string>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

namespace {

using Variables = std::map<std::string, std::string>;

Shard shard_in(const std::string& text, const Variables& variables) {
  return parse_shard(text, [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

}  // namespace

TEST_CASE("members of a document: what is wrong is said of which file") {
  const Json json = parse_json(R"({"name": "a", "count": 3, "huge": 9223372036854775808, "is": true})", "f");
  CHECK(member(json, "count", "f") == Json(3));
  CHECK(member<std::string>(json, "name", "f") == "a");
  CHECK(member<index_t>(json, "count", "f") == 3);
  CHECK(member<double>(json, "count", "f") == 3.0);
  CHECK(member<bool>(json, "is", "f"));
  CHECK(member<index_t>(Json::object().set("least", std::numeric_limits<index_t>::min()), "least", "f") ==
        std::numeric_limits<index_t>::min());
  expect_error(ErrorCode::missing, {"f: ", "\"other\""}, [&] { (void)member(json, "other", "f"); });
  expect_error(ErrorCode::format, {"f: ", "\"name\"", "an array"}, [] { (void)member(Json::array(), "name", "f"); });
  expect_error(ErrorCode::format, {"f: ", "\"name\"", "a number was wanted", "a string"},
               [&] { (void)member<double>(json, "name", "f"); });
  expect_error(ErrorCode::format, {"f: ", "\"count\"", "found 3"}, [&] { (void)member<bool>(json, "count", "f"); });
  for (const double number : {2.5, 1e300})
    expect_error(ErrorCode::format, {"f: ", "\"real\"", "an integer"},
                 [&] { (void)member<index_t>(Json::object().set("real", number), "real", "f"); });
  expect_error(ErrorCode::format, {"f: ", "\"huge\""}, [&] { (void)member<index_t>(json, "huge", "f"); });
}

TEST_CASE("a shard is what the words, Slurm or Kubernetes say") {
  CHECK(shard_in("2/7", {}) == Shard{2, 7});
  const Variables slurm{{"SLURM_ARRAY_TASK_ID", "5"}, {"SLURM_ARRAY_TASK_COUNT", "7"}, {"SLURM_ARRAY_TASK_MIN", "5"}};
  CHECK(shard_in("auto", slurm) == Shard{1, 7});
  Variables stepped = slurm;  // --array=0-12:4
  stepped["SLURM_ARRAY_TASK_MIN"] = "0";
  stepped["SLURM_ARRAY_TASK_ID"] = "8";
  stepped["SLURM_ARRAY_TASK_STEP"] = "4";
  stepped["SLURM_ARRAY_TASK_COUNT"] = "4";
  CHECK(shard_in("auto", stepped) == Shard{3, 4});
  CHECK(shard_in("auto", {{"SLURM_ARRAY_TASK_ID", "0"}, {"SLURM_ARRAY_TASK_COUNT", "2"}}) == Shard{1, 2});
  CHECK(shard_in("auto", {{"JOB_COMPLETION_INDEX", "0"}, {"JOB_COMPLETIONS", "3"}}) == Shard{1, 3});
  CHECK(shard_in("auto/4", {{"JOB_COMPLETION_INDEX", "3"}}) == Shard{4, 4});
}

TEST_CASE("what no shard can be is said") {
  const auto refuse = [](std::string_view fact, const std::string& text, const Variables& variables) {
    expect_error(ErrorCode::contract, {fact}, [&] { (void)shard_in(text, variables); });
  };
  refuse("from 1 to 7", "0/7", {});
  refuse("from 1 to 7", "8/7", {});
  refuse("such as 2/7", "3", {});
  refuse("such as 2/7", "", {});
  refuse("number of shards", "1/0", {});
  refuse("number of shards", "1/x", {});
  refuse("neither is set", "auto", {});
  refuse("JOB_COMPLETIONS", "auto", {{"JOB_COMPLETION_INDEX", "0"}});
  refuse("from 0 to 2", "auto", {{"JOB_COMPLETION_INDEX", "3"}, {"JOB_COMPLETIONS", "3"}});
  refuse("SLURM_ARRAY_TASK_COUNT", "auto", {{"SLURM_ARRAY_TASK_ID", "1"}});
  refuse("no regular one", "auto",  // --array=1,3,17
         {{"SLURM_ARRAY_TASK_ID", "17"}, {"SLURM_ARRAY_TASK_COUNT", "3"}, {"SLURM_ARRAY_TASK_MIN", "1"}});
}

TEST_CASE("each picture is in one shard, about as many in each") {
  constexpr index_t kCount = 7;
  index_t counts[kCount] = {};
  for (int i = 0; i < 7000; ++i) {
    index_t holders = 0;
    for (index_t number = 1; number <= kCount; ++number)
      if (Shard{number, kCount}.holds(concat("good/", i, ".png"))) ++holders, ++counts[number - 1];
    CHECK(holders == 1);
  }
  for (const index_t count : counts) CHECK(std::abs(count - 1000) < 5 * 30);  // 5 sigma of a binomial
  CHECK(Shard{}.holds("anything"));
}

TEST_CASE("settings come back from JSON, and what differs is named") {
  RunSettings settings;
  settings.clip = "0123456789abcdef0123";
  settings.adapter = "b";
  settings.pictures = 12;
  settings.image_size = 96;
  settings.domain = Domain::medical;
  settings.has_released = false;
  settings.pixels.is_exact = true;
  const RunSettings read = run_settings_from_json(to_json(settings), "file");
  CHECK(to_json(read) == to_json(settings));
  CHECK(settings_differences(read, settings).empty());
  RunSettings other = settings;
  other.clip = "f";
  other.image_size = 98;
  CHECK(settings_differences(other, settings) ==
        "clip (found f, wanted 0123456789abcdef), image_size (found 98, wanted 96)");
  for (const auto& change : std::initializer_list<std::pair<const char*, Json>>{
           {"pictures", -1}, {"image_size", 1 << 20}, {"pages", 1 << 20}, {"protocol", "none"}, {"domain", 3}}) {
    Json broken = to_json(settings);
    expect_error(ErrorCode::format, {"file: "},
                 [&] { (void)run_settings_from_json(broken.set(change.first, change.second), "file"); });
  }
  other = settings;
  other.images = {.apply_exif_orientation = true, .deep_gray = DeepGray::clipped};
  CHECK(run_settings_from_json(to_json(other), "file").images == other.images);
  CHECK(other.evaluation(false).images == other.images);
  CHECK(settings_differences(settings, other).starts_with("images (found {"));
  Json older = Json::object();  // from before pictures could be read in more than one way
  const Json whole = to_json(settings);
  for (const auto& [name, value] : whole.members())
    if (name != "images") older.set(name, value);
  CHECK(run_settings_from_json(older, "file").images == ImageOptions{.deep_gray = DeepGray::clipped});
  expect_error(ErrorCode::format, {"file: ", "deep_gray", "scaled or clipped"}, [&] {
    (void)run_settings_from_json(older.set("images", Json::object().set("exif", true).set("deep_gray", "x")), "file");
  });
  Json without_pages = to_json(settings).set("pages", 0);  // which does not matter to exact scores
  CHECK(run_settings_from_json(without_pages, "file").pixels.is_exact);
  expect_error(ErrorCode::format, {"file: ", "\"pages\" is 0"},
               [&] { (void)run_settings_from_json(without_pages.set("exact", false), "file"); });
}
