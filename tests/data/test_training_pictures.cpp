// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/data/source_pictures.hpp>
#include <moeclip/synthetic/source.hpp>

#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;

TEST_CASE("pictures are known by their contents, drawn ones are not listed") {
  const TemporaryFolder folder("training_pictures");
  const std::string a = folder.write("a.png", "one"), b = folder.write("b.png", "two"),
                    c = folder.write("c.png", "one");
  CHECK(hash_text(picture_hash(a)) == sha256_hex(as_bytes("one")).substr(0, 16));
  CHECK(picture_hash(a) == picture_hash(c));
  CHECK(picture_hash(a) != picture_hash(b));
  SampleSource source(std::vector<DatasetEntry>{{b, 0, "nut", ""}, {a, 0, "cap", ""}, {c, 1, "nut", ""}});
  SyntheticPlan plan;
  plan.categories = {std::string(unseen_categories()[0])};
  plan.count = 2;
  source.add(drawn_samples(plan_synthetic(plan)));
  Context context({.threads = 1});
  const TrainingPictures seen = training_pictures(context, source);
  CHECK(seen.hashes.size() == 2);
  CHECK(seen.classes == std::vector<std::string>{"cap", "nut"});
  CHECK(seen.has_picture(picture_hash(c)));
  CHECK_FALSE(seen.has_picture(1));
  CHECK(seen.has_class("nut"));
  CHECK_FALSE(seen.has_class("gear"));
  CHECK(training_pictures(context, SampleSource(drawn_samples(plan_synthetic(plan)))).empty());
  const TrainingPictures read = training_pictures_from_json(to_json(seen), "f");
  CHECK(read.hashes == seen.hashes);
  CHECK(read.classes == seen.classes);
  TrainingPictures both{{1}, {"gear"}};
  both.add(seen);
  CHECK(both.hashes.size() == 3);
  CHECK(std::ranges::is_sorted(both.hashes));
  CHECK(both.has_class("cap"));
  expect_error(ErrorCode::io, {"d.png"}, [&] { (void)picture_hash(join_path(folder.path(), "d.png")); });
}

TEST_CASE("a record of pictures that is none") {
  for (const char* text : {"0123456789abcde", "0123456789abcdeg", "-123456789abcdef", "0123456789abcdef0"})
    expect_error(ErrorCode::format, {"f: ", "is no hash"}, [&] {
      (void)training_pictures_from_json(Json::object().set("pictures", text).set("classes", Json::array()), "f");
    });
}
