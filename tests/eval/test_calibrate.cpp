// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/base/rng.hpp>
#include <moeclip/eval/calibrate.hpp>
#include <moeclip/io/json_writer.hpp>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("Clopper and Pearson's interval") {
  // from SciPy: quantiles of Beta(k, n - k + 1) and Beta(k + 1, n - k)
  const auto check = [](index_t k, index_t n, double low, double high) {
    const RateInterval interval = rate_interval(k, n);
    CHECK(interval.low == doctest::Approx(low).epsilon(1e-6));
    CHECK(interval.high == doctest::Approx(high).epsilon(1e-6));
    CHECK(interval.estimate == static_cast<double>(k) / static_cast<double>(n));
  };
  check(1, 10, 0.00252857854446, 0.445016117028);
  check(5, 100, 0.0164318791821, 0.112834911105);
  check(600, 1000, 0.568878445956, 0.630531012451);
  check(3, 1725, 0.000358794204393, 0.00507398709794);
  check(300000, 1000000, 0.299101911934, 0.300899246642);
  check(999, 1000, 0.99444107572, 0.999974682513);
  CHECK(rate_interval(0, 50).high == doctest::Approx(1 - std::pow(0.025, 1.0 / 50)).epsilon(1e-12));
  CHECK(rate_interval(50, 50).low == doctest::Approx(std::pow(0.025, 1.0 / 50)).epsilon(1e-12));
  expect_error(ErrorCode::contract, {"3 of 2"}, [] { (void)rate_interval(3, 2); });
  expect_error(ErrorCode::contract, {"confidence"}, [] { (void)rate_interval(1, 2, 1.0); });
}

TEST_CASE("a threshold from good pictures lets through what was asked for") {
  std::vector<float> scores;
  for (int i = 0; i < 199; ++i) scores.push_back(static_cast<float>(i) / 256);
  const Calibration one = calibrate_on_good(scores, 0.05);  // 10 of 200 places above 190 of 199 scores
  CHECK(one.false_positives == 9);
  CHECK(one.threshold > scores[189]);
  CHECK(one.threshold <= scores[190]);
  CHECK(one.is_reached);
  CHECK(one.good == 199);
  CHECK(one.false_positive_rate.low < 0.05);
  CHECK(one.false_positive_rate.high > 0.05);
  const Calibration none = calibrate_on_good(scores, 0.005);  // 199 pictures are just enough
  CHECK(none.false_positives == 0);
  CHECK(none.is_reached);
  CHECK(pictures_for(0.005) == 199);
  CHECK(pictures_for(0.01) == 99);
  scores.pop_back();
  const Calibration few = calibrate_on_good(scores, 0.005);
  CHECK_FALSE(few.is_reached);
  CHECK(few.false_positives == 0);
  CHECK(few.threshold > scores.back());
  CHECK(calibrate_on_good(std::vector<float>(50, 0.25f), 0.2).false_positives == 0);  // ties: all or none
}

TEST_CASE("new good pictures are called defective at most as often as asked for") {
  // CAL-1 over many draws of 99 pictures: the mean rate of new ones is (k + 1) / (n + 1) for continuous scores
  const Rng rng(3, "calibration");
  double sum = 0, covered = 0;
  constexpr index_t kRounds = 2000, kPictures = 99;
  for (index_t round = 0; round < kRounds; ++round) {
    std::vector<float> scores;
    for (index_t i = 0; i < kPictures; ++i) scores.push_back(static_cast<float>(rng.unit(round * kPictures + i)));
    const Calibration found = calibrate_on_good(scores, 0.1);
    const double rate = 1 - static_cast<double>(found.threshold);  // of a score uniform in [0, 1]
    sum += rate;
    covered += found.false_positive_rate.low <= rate && rate <= found.false_positive_rate.high ? 1 : 0;
  }
  CHECK(sum / kRounds == doctest::Approx(0.1).epsilon(0.02));  // 3 sigma: 3 * 0.03 / sqrt(2000)
  CHECK(covered / kRounds >= 0.94);                            // CAL-2 promises 0.95
}

TEST_CASE("nearly every good picture may be called defective, not more") {
  for (const double target : {1 - 1e-10, std::nextafter(1.0, 0.0)}) {
    const Calibration found = calibrate_on_good({0.3f, 0.1f, 0.7f}, target);
    CHECK(found.threshold == std::nextafter(0.1f, 1.0f));
    CHECK(found.false_positives == 2);
  }
}

TEST_CASE("the best F1 of labelled pictures") {
  const std::vector<float> scores{0.1f, 0.2f, 0.6f, 0.5f, 0.9f, 0.8f};
  const std::vector<std::uint8_t> labels{0, 0, 0, 1, 1, 1};
  const Calibration found = calibrate_on_labelled(scores, labels);
  CHECK(found.threshold == 0.5f);
  CHECK(found.false_positives == 1);
  CHECK(found.found == 3);
  expect_error(ErrorCode::contract, {"nothing is anomalous"},
               [&] { (void)calibrate_on_labelled(scores, std::vector<std::uint8_t>(6, 0)); });
}

TEST_CASE("a calibration comes back from JSON") {
  CalibrationFile file;
  file.calibration = calibrate_on_good({0.1f, 0.3f, 0.7f}, 0.5);
  file.pixel_threshold = 0.375f;
  file.clip = "c", file.adapter = "a", file.words = "w", file.domain = "medical";
  file.image_size = 96;
  const CalibrationFile read = calibration_from_json(to_json(file), "f");
  CHECK(read.calibration.threshold == file.calibration.threshold);
  CHECK(read.pixel_threshold == file.pixel_threshold);
  CHECK(read.clip == "c");
  CHECK(read.adapter == "a");
  CHECK(read.domain == "medical");
  CHECK(read.image_size == 96);
  CHECK_FALSE(read.images.has_value());  // unknown, as in files from before there was a choice
  file.images = ImageOptions{.apply_exif_orientation = true};
  CHECK(calibration_from_json(to_json(file), "f").images == file.images);
  expect_error(ErrorCode::format, {"f: is no calibration"},
               [] { (void)calibration_from_json(Json::object().set("threshold", 1), "f"); });
  expect_error(ErrorCode::format, {"f", "no number"},
               [&] { (void)calibration_from_json(to_json(file).set("threshold", 1e300), "f"); });
  expect_error(ErrorCode::format, {"f: ", "\"clip\"", "a string was wanted", "found 3"},
               [&] { (void)calibration_from_json(to_json(file).set("clip", 3), "f"); });
  expect_error(ErrorCode::missing, {"f: ", "\"how\""},
               [] { (void)calibration_from_json(Json::object().set("format", "moeclip calibration 1"), "f"); });
  expect_error(ErrorCode::format, {"f: is no calibration"}, [] { (void)calibration_from_json(Json(), "f"); });
  expect_error(ErrorCode::unsupported, {"f: ", "calibration of version 3", "newer", "reads versions 1 to 2"},
               [&] { (void)calibration_from_json(to_json(file).set("format", "moeclip calibration 3"), "f"); });
}

TEST_CASE("a calibration file that is not as it was written is refused") {
  CalibrationFile file;
  file.calibration.how = "f1";
  file.calibration.threshold = 0.625f;
  file.clip = file.adapter = "ab";
  file.domain = "industrial";
  const std::string text = calibration_text(file);
  CHECK(parse_calibration(text, "f").calibration.threshold == 0.625f);
  CHECK(parse_calibration(dump_json(to_json(file)), "f").calibration.threshold == 0.625f);  // written by hand
  const auto is_refused = [](const std::string& damaged) {
    try {
      static_cast<void>(parse_calibration(damaged, "f"));
      return false;
    } catch (const Error& error) {
      return std::string_view(error.what()).starts_with("f:");
    }
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    CAPTURE(i);
    CHECK(is_refused(text.substr(0, i)));
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ 1 << bit);
      CHECK_MESSAGE(is_refused(damaged), bit);
    }
  }
}
