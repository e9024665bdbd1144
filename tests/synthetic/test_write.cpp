// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstring>
#include <moeclip/synthetic/write.hpp>

#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("a written data set has the folders of MVTec AD and is what it would be if it were drawn") {
  const TemporaryFolder folder("synthetic_files");
  SyntheticFiles files;
  files.categories = {"circuit board", "spring"};
  files.defects = {"missing part", "scratch"};
  files.count = 2;
  files.size = 32;
  Context context({.threads = 2});
  int folders = 0;
  auto count = [&](const SyntheticFolder&) { ++folders; };
  write_synthetic_dataset(context, folder.path(), files, count);
  CHECK(folders == 2 * 2 + 2 + 1);  // nobody sees a scratch on a spring

  const auto test = read_dataset(join_path(folder.path(), "test.jsonl"));
  const auto train = read_dataset(join_path(folder.path(), "train.jsonl"));
  CHECK(train.size() == 4);
  CHECK(test.size() == 2 * (2 + 2 + 2) - 2);
  CHECK(train[0].image_path == join_path(folder.path(), "circuit_board/train/good/000.png"));
  CHECK(test[0].image_path == join_path(folder.path(), "circuit_board/test/good/000.png"));
  CHECK(test[0].label == 0);
  CHECK(test[0].class_name == "circuit board");
  const auto& bad = test[5];
  CHECK(bad.image_path == join_path(folder.path(), "circuit_board/test/missing_part/001.png"));
  CHECK(bad.mask_path == join_path(folder.path(), "circuit_board/ground_truth/missing_part/001_mask.png"));
  CHECK(bad.label == 1);

  const Sample read = load_sample(bad);
  const Sample drawn = synthesize(detail::spec_of(files, {"circuit board", "missing part", false}, 1));
  REQUIRE(read.picture.size() == drawn.picture.size());
  CHECK(std::memcmp(read.picture.data(), drawn.picture.data(), static_cast<std::size_t>(drawn.picture.size())) == 0);
  CHECK(std::memcmp(read.mask.data(), drawn.mask.data(), static_cast<std::size_t>(drawn.mask.size())) == 0);
  for (const auto& entry : test) CHECK(load_sample(entry).has_mask());
}

TEST_CASE("no two folders share a scene, and unknown names are refused") {
  SyntheticFiles files;
  files.count = 3;
  CHECK(detail::spec_of(files, {"gear", "", true}, 0).index != detail::spec_of(files, {"gear", "", false}, 0).index);
  CHECK(detail::spec_of(files, {"gear", "", false}, 0).index !=
        detail::spec_of(files, {"gear", "scratch", false}, 0).index);
  CHECK(detail::spec_of(files, {"gear", "dent", false}, 0).index !=
        detail::spec_of(files, {"gear", "scratch", false}, 0).index);
  CHECK(synthetic_folders({}).size() > 100);
  files.defects = {"wart"};
  expect_error(ErrorCode::contract, {"wart"}, [&] { synthetic_folders(files); });
  files.defects = {};
  files.categories = {"gaer"};
  expect_error(ErrorCode::contract, {"gaer"}, [&] { synthetic_folders(files); });
}
