// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/eval/protocol.hpp>
#include <moeclip/image/upsample.hpp>
#include <moeclip/tensor/probe.hpp>
#include <string>
#include <vector>

#include "eval_test.hpp"
#include "expect_error.hpp"
#include "golden_data.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// Masks of the recorded runs: a rectangle in picture 1, discs in pictures 1 and 2 (the golden data's README).
Pictures recorded_masks(index_t side) {
  Pictures p{4, side, side, {}, std::vector<std::uint8_t>(static_cast<std::size_t>(4 * side * side), 0)};
  const index_t centre = 2 * side / 3, radius = side / 6;
  for (index_t k = 1; k <= 2; ++k)
    for (index_t y = 0; y < side; ++y)
      for (index_t x = 0; x < side; ++x) {
        const bool is_in_box = k == 1 && y >= side / 7 && y < side / 3 && x >= side / 5 && x < 3 * side / 5;
        const index_t square = (y - centre) * (y - centre) + (x - centre) * (x - centre);
        if (is_in_box || square <= radius * radius) p.masks[static_cast<std::size_t>((k * side + y) * side + x)] = 1;
      }
  return p;
}

/// The sum of all upsampled maps (4, 70, 70), from the blurred ones on the patch grid.
Tensor<float> recorded_maps(const GoldenData& golden, const std::string& folder) {
  Tensor<float> sum({4, 70, 70}), large({70, 70});
  for (index_t m = 0; golden.has(folder + "map_blur/" + two_digits(m)); ++m) {
    const Tensor<float> blurred = golden.file().read<float>(folder + "map_blur/" + two_digits(m));
    for (index_t b = 0; b < 4; ++b) {
      upsample_bilinear<float>(blurred.view<3>()[b], large.view<2>());
      for (index_t i = 0; i < large.size(); ++i) sum[b * large.size() + i] += large[i];
    }
  }
  return sum;
}

ReleasedScores scores_of(const Pictures& p, Domain domain, const Tensor<float>& class_scores,
                         const std::vector<bool>& labels) {
  Context context({.threads = 1});
  ReleasedScores scores(domain, {.is_exact = true});
  for (index_t i = 0; i < p.n; ++i)
    scores.add(context, p.map(i), p.mask(i), class_scores[i], labels[static_cast<std::size_t>(i)]);
  return scores;
}

}  // namespace

TEST_CASE("released scores and metrics of the recorded tiny runs") {
  for (const char* run : {"released_gelu", "released_quickgelu", "released_nopaa", "released_separate_relu"}) {
    const GoldenData golden(concat("tiny/", run, ".safetensors"));
    int domains = 0;
    for (const Domain domain : {Domain::industrial, Domain::medical}) {
      const std::string folder = domain == Domain::industrial ? "test_industrial/" : "test_medical/";
      if (!golden.has(folder + "metrics")) continue;
      ++domains;
      CAPTURE(run);
      CAPTURE(folder);
      const Tensor<float> maps = recorded_maps(golden, folder);
      if (golden.has(folder + "map_sum")) CHECK(golden.distance(folder + "map_sum", maps.data(), maps.size()) <= 2);
      Pictures p = recorded_masks(maps.extent(1));
      p.maps.assign(maps.begin(), maps.end());
      ReleasedScores scores =
          scores_of(p, domain, golden.file().read<float>(folder + "image_score_raw"), {false, true, true, false});
      const std::vector<float> image_scores = scores.image_scores();
      CHECK(golden.distance(folder + "image_score", image_scores.data(), 4) <= 2);
      const Metrics pixel = scores.pixel_metrics(), image = scores.image_metrics();
      const double mine[] = {pixel.auroc.value, pixel.average_precision.value, image.auroc.value,
                             image.average_precision.value};
      CHECK(golden.distance(folder + "metrics", mine, 4) <= 2);
    }
    CHECK(domains > 0);
  }
}

TEST_CASE("recorded results of the released evaluation, as it rounds them") {
  const WeightFile file = WeightFile::open(golden_path("components/metrics_eval.safetensors"));
  for (const std::string name : {"industrial_raw", "medical_raw", "industrial_unit", "medical_unit", "one_class"}) {
    const Tensor<float> maps = file.read<float>(name + "/map");
    const Tensor<double> masks = file.read<double>(name + "/mask"), labels = file.read<double>(name + "/label"),
                         result = file.read<double>(name + "/result");
    Pictures p{maps.extent(0), maps.extent(1), maps.extent(2), {maps.begin(), maps.end()}, {}};
    for (const double mask : masks) p.masks.push_back(mask > 0 ? 1 : 0);
    std::vector<bool> is_anomalous;
    for (const double label : labels) is_anomalous.push_back(label != 0);
    const Domain domain = name.starts_with("medical") ? Domain::medical : Domain::industrial;
    const ReleasedRow row = scores_of(p, domain, file.read<float>(name + "/cls"), is_anomalous).row();
    CAPTURE(name);
    CHECK(row.pixel_auroc.value == doctest::Approx(result[0]).epsilon(1e-12));
    CHECK(row.pixel_average_precision.value == doctest::Approx(result[1]).epsilon(1e-12));
    CHECK(row.image_auroc.value == doctest::Approx(result[2]).epsilon(1e-12));
    CHECK(row.image_average_precision.value == doctest::Approx(result[3]).epsilon(1e-12));
  }
}

TEST_CASE("scores of parts are scores of the whole") {
  Pictures p = random_pictures(2, 6, 12);
  for (float& value : p.maps) value = 20 * value - 3;
  Tensor<float> classes({6});
  for (index_t i = 0; i < 6; ++i) classes[i] = 0.5f + 0.01f * static_cast<float>(i);
  const std::vector<bool> labels{false, true, false, true, true, false};
  const ReleasedScores whole = scores_of(p, Domain::industrial, classes, labels);
  Context context({.threads = 1});
  ReleasedScores first(Domain::industrial, {.is_exact = true}), second(Domain::industrial, {.is_exact = true});
  for (index_t i = 0; i < 6; ++i)
    (i < 2 ? first : second).add(context, p.map(i), p.mask(i), classes[i], labels[static_cast<std::size_t>(i)]);
  first.merge(second);
  CHECK(first.image_scores() == whole.image_scores());
  for (const float score : whole.image_scores()) CHECK((score >= 0 && score <= 1));
  ReleasedScores medical(Domain::medical, {.is_exact = true});
  expect_error(ErrorCode::contract, {"medical"}, [&] { first.merge(medical); });
}

TEST_CASE("a constant map, one label, no masks") {
  Pictures p{2, 3, 3, std::vector<float>(18, 7.0f), std::vector<std::uint8_t>(18, 0)};
  Tensor<float> classes({2});
  classes.fill(0.25f);
  ReleasedScores scores = scores_of(p, Domain::industrial, classes, {false, false});
  CHECK(scores.image_scores() == std::vector{0.125f, 0.125f});  // the map counts as 0
  const ReleasedRow row = scores.row();
  CHECK(row.image_auroc.value == 0);  // as released
  CHECK(row.image_average_precision.value == 0);
  CHECK(row.pixel_auroc.undefined == "nothing is anomalous");
}

TEST_CASE("the variant that a path names") {
  CHECK(variant_of_path("Woven_001/test/bad/000.png") == "Woven_001");
  CHECK(variant_of_path("/abs/Woven_127/x.png") == "abs");
  CHECK(variant_of_path("plain.png") == "plain.png");
  CHECK(variant_of_path("images/1.png") == "images");
  CHECK(variant_of_path("") == "");
}
