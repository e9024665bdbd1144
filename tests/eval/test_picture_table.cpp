// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/base/rng.hpp>
#include <moeclip/eval/picture_table_file.hpp>
#include <moeclip/io/safetensors_writer.hpp>

#include "comparison_test.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("metrics of resampled pictures are those of the pictures, as often, within the bins' own bound") {
  Context context({.threads = 1});
  const Rng rng(5, "times");
  for (index_t repetition = 0; repetition < 12; ++repetition) {
    const float strengths[] = {0.6f, 0, 1.5f};  // as good as chance, too, where anomalous pixels are rare everywhere
    const std::vector<JudgedPicture> pictures = judged_pictures(3, 24, strengths[repetition % 3]);
    const PictureTable table = table_of(context, pictures);
    CHECK(table.classes == std::vector<std::string>{"nut", "tile"});
    std::vector<std::uint32_t> times(pictures.size(), 1);
    if (repetition > 0)
      for (std::size_t i = 0; i < times.size(); ++i)
        times[i] = static_cast<std::uint32_t>(rng.integer(repetition * 100 + static_cast<index_t>(i), 0, 4));
    EvaluationOptions options;
    options.pixels.is_exact = true;
    Evaluation exact(options);
    for (std::size_t i = 0; i < times.size(); ++i)
      for (std::uint32_t k = 0; k < times[i]; ++k) exact.add(context, pictures[i].sample, pictures[i].finding());
    for (index_t c = 0; c < 2; ++c) {
      ComparedMetrics errors{};
      const ComparedMetrics found = resampled_metrics(table, c, times, &errors);
      const ComparedMetrics wanted = compared_metrics(exact.result(table.classes[static_cast<std::size_t>(c)]));
      for (std::size_t m = 0; m < found.size(); ++m) {
        CAPTURE(kComparedMetrics[m]);
        CHECK(std::abs(found[m] - wanted[m]) <= errors[m] + 1e-9);
        // a class has but 80 anomalous pixels here, and precision hangs on the first few of them
        CHECK(std::abs(found[m] - wanted[m]) < (kComparedMetrics[m] == "pixel_ap" ? 5e-3 : 2e-3));
      }
    }
  }
}

TEST_CASE("a class without defects has pictures, and no metric") {
  Context context({.threads = 1});
  std::vector<JudgedPicture> pictures = judged_pictures(3, 4, 0.6f);
  std::erase_if(pictures, [](const JudgedPicture& p) { return p.sample.class_name == "nut" && p.sample.label != 0; });
  pictures.back().sample.mask = Image();  // defective, and nobody marked where
  const PictureTable table = table_of(context, pictures);
  const std::vector<std::uint32_t> times(pictures.size(), 1);
  for (const double value : resampled_metrics(table, 0, times)) CHECK(std::isnan(value));
  CHECK(table.pictures.back().anomalous.empty());
  CHECK(table.pictures.back().regions == 0);
  expect_error(ErrorCode::contract, {"numbers came for"}, [&] { resampled_metrics(table, 0, {}); });
}

TEST_CASE("a table of pictures comes back from its file, and what is no such file is refused") {
  Context context({.threads = 1});
  const TemporaryFolder folder("picture_table");
  const std::string path = join_path(folder.path(), "run.safetensors");
  const PictureTable table = table_of(context, judged_pictures(9, 10, 0.5f));
  write_picture_table(path, table);
  CHECK(read_picture_table(path) == table);
  CHECK(read_file(path, 1 << 20).size() < 10 * 2048 + 2048);

  write_picture_table(path, {});
  CHECK(read_picture_table(path) == PictureTable{});
  PictureTable broken = table;
  broken.pictures[1].class_index = 7;
  write_picture_table(path, broken);
  expect_error(ErrorCode::format, {"run.safetensors", "\"class\" holds 7"}, [&] { read_picture_table(path); });
  broken = table;
  for (PictureRow& row : broken.pictures) std::reverse(row.anomalous.begin(), row.anomalous.end());
  write_picture_table(path, broken);
  expect_error(ErrorCode::format, {"not in order"}, [&] { read_picture_table(path); });
  broken = table;
  std::swap(broken.classes[0], broken.classes[1]);
  write_picture_table(path, broken);
  expect_error(ErrorCode::format, {"not in order"}, [&] { read_picture_table(path); });
  SafetensorsWriter other(path);
  other.announce("class", DType::i32, {0});
  other.announce("anomalous.bin", DType::i32, {0});
  other.begin();
  other.commit();
  expect_error(ErrorCode::format, {"no table of pictures"}, [&] { read_picture_table(path); });
}

TEST_CASE("tables of other pictures are told apart") {
  Context context({.threads = 1});
  std::vector<JudgedPicture> pictures = judged_pictures(3, 6, 0.6f);
  const PictureTable table = table_of(context, pictures), other = table_of(context, judged_pictures(3, 6, 0.1f));
  expect_same_pictures(table, "a", other, "b");
  pictures.pop_back();
  expect_error(ErrorCode::mismatch, {"a and b", "different pictures"},
               [&] { expect_same_pictures(table, "a", table_of(context, pictures), "b"); });
}
