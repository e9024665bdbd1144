// SPDX-License-Identifier: MIT
#include <moeclip/data/class_words.hpp>

#include <doctest/doctest.h>

#include <moeclip/data/dataset_counts.hpp>

#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;

TEST_CASE("without a list the name is taken for words") {
  const ClassWords words;
  CHECK(words.words("metal_nut") == "metal nut");
  CHECK_FALSE(words.knows("metal_nut"));
  const Prompts prompts = words.prompts("metal_nut"), same = make_prompts("metal nut");
  CHECK(prompts.normal == same.normal);
  CHECK(prompts.abnormal == same.abnormal);
  CHECK(words.classes().empty());
}

TEST_CASE("a list names classes, in groups or not, and what comes later counts") {
  const TemporaryFolder folder("class_words");
  ClassWords words;
  words.add(folder.write(
      "a.json", R"({"about": "x", "classes": {"MVTec": {"metal_nut": "nut", "grid": "wire"}, "01": "ring"}})"));
  words.add(folder.write("b.json", R"({"classes": {"grid": "mesh", "bolt": {"words": "steel bolt"}}})"));
  CHECK(words.words("metal_nut") == "nut");
  CHECK(words.words("grid") == "mesh");
  CHECK(words.words("bolt") == "steel bolt");
  CHECK(words.knows("01"));
  CHECK(words.classes() == std::vector<std::string>{"01", "bolt", "grid", "metal_nut"});
  CHECK(words.prompts("01").normal == make_prompts("ring").normal);
}

TEST_CASE("states, templates and sentences of one's own") {
  ClassWords words;
  const auto add = [&](std::string_view text) { words.add(parse_json(text, "w"), "w"); };
  add(R"({"normal": ["a {}"], "abnormal": ["a bent {}", "a torn {}"], "templates": ["{}.", "see {}!"],
          "classes": {"x": {"words": "bolt", "normal": ["fine."], "abnormal": ["bad.", "worse."]}}})");
  CHECK(words.prompts("rod").normal == std::vector<std::string>{"a rod.", "see a rod!"});
  CHECK(words.prompts("rod").abnormal.size() == 4);
  CHECK(words.prompts("rod").abnormal[3] == "see a torn rod!");
  CHECK(words.prompts("x").normal == std::vector<std::string>{"fine."});
  CHECK(words.prompts("x").abnormal.size() == 2);
}

TEST_CASE("mistakes in a list are told with their place") {
  const auto fails = [](std::string_view text, std::initializer_list<std::string_view> facts) {
    expect_error(ErrorCode::format, facts, [&] { ClassWords().add(parse_json(text, "w.json"), "w.json"); });
  };
  fails("[]", {"w.json", "an object"});
  fails(R"({"clases": {}})", {"clases", "classes"});
  fails(R"({"normal": "x"})", {"normal", "a list"});
  fails(R"({"normal": []})", {"normal", "a list"});
  fails(R"({"templates": ["a photo"]})", {"templates", "a photo", "{}"});
  fails(R"({"classes": {"a": 1}})", {"\"a\"", "a number"});
  fails(R"({"classes": {"a": {"words": 1}}})", {"\"a\"", "words"});
  fails(R"({"classes": {"a": {"words": "b", "normal": ["c"]}}})", {"\"a\"", "abnormal"});
  fails(R"({"classes": 3})", {"classes", "a number"});
}

TEST_CASE("the installed list has words for every class of the known sets") {
  const std::string path = std::string(MOECLIP_TEST_GOLDEN_DIR) + "/../../tools/moeclip/data/class_words.json";
  if (!file_exists(path)) return;  // the library is tested without its tool
  ClassWords words;
  words.add(path);
  for (const KnownClass& known : kKnownClasses) {
    CAPTURE(known.name);
    CHECK(words.knows(std::string(known.name)));
    CHECK_FALSE(words.words(std::string(known.name)).empty());
  }
}
