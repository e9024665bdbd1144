// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <moeclip/eval/score_table_file.hpp>
#include <moeclip/io/weights.hpp>
#include <utility>

#include "eval_test.hpp"
#include "expect_error.hpp"
#include "golden.hpp"

using namespace moeclip;  // NOLINT

namespace {

constexpr double kTableClose = 1e-12;  // sums of at most 20,000 doubles below 1, and weights rounded down by 2^-64 each
constexpr ScoreTableOptions kExact{.is_exact = true};

/// Each metric of `binned` lies within its own error of the exact one, give or take rounding.
void check_bounds(const Metrics& binned, const Metrics& exact, double most) {
  const auto check = [&](const Metric& mine, const Metric& truth) {
    REQUIRE(mine.is_defined() == truth.is_defined());
    if (!truth.is_defined()) return;
    CHECK(truth.error == 0);
    CHECK(std::abs(mine.value - truth.value) <= mine.error + kTableClose);
    CHECK(mine.error <= most);
  };
  check(binned.auroc, exact.auroc);
  check(binned.average_precision, exact.average_precision);
  check(binned.f1_max, exact.f1_max);
  check(binned.aupro, exact.aupro);
}

/// A table of pictures [first, last).
ScoreTable part_of(const Pictures& p, index_t first, index_t last, const ScoreTableOptions& options) {
  Context context({.threads = 1});
  ScoreTable table(options);
  for (index_t i = first; i < last; ++i) table.add_map(context, p.map(i), p.mask(i));
  return table;
}

}  // namespace

TEST_CASE("metrics of maps equal their definitions, exact and binned") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const Pictures p = random_pictures(seed, 4, 6 + static_cast<index_t>(seed));
    Ranking ranking{p.maps, p.masks};
    for (const ScoreTableOptions& options : {kExact, ScoreTableOptions{}}) {
      ScoreTable table = table_of(p, options);
      for (const double limit : {0.05, 0.3, 1.0}) {
        const Metrics m = table.metrics(limit);
        CHECK(m.auroc.value == doctest::Approx(slow_auroc(ranking)).epsilon(kTableClose));
        CHECK(m.average_precision.value == doctest::Approx(slow_average_precision(ranking)).epsilon(kTableClose));
        CHECK(m.f1_max.value == doctest::Approx(slow_f1_max(ranking).first).epsilon(kTableClose));
        CHECK(m.f1_threshold == slow_f1_max(ranking).second);
        CHECK(m.aupro.value == doctest::Approx(slow_aupro(p, limit)).epsilon(kTableClose));
        CHECK(m.aupro.error == 0);  // every score still has its own bin
      }
    }
  }
}

TEST_CASE("per-region overlap of recorded maps") {
  const WeightFile file = WeightFile::open(golden_path("components/metrics_pro.safetensors"));
  int cases = 0;
  for (const auto& entry : file.entries()) {
    const std::size_t place = entry.name.find("/result_");
    if (place == std::string::npos) continue;
    const std::string name = entry.name.substr(0, place);
    const double limit = std::stod(entry.name.substr(place + 8));
    const Tensor<float> maps = file.read<float>(name + "/map");
    const Tensor<double> masks = file.read<double>(name + "/mask"), result = file.read<double>(entry.name);
    Pictures p{maps.extent(0), maps.extent(1), maps.extent(2), {maps.begin(), maps.end()}, {}};
    for (const double mask : masks) p.masks.push_back(mask != 0 ? 1 : 0);
    CAPTURE(entry.name);
    for (const ScoreTableOptions& options : {kExact, ScoreTableOptions{}}) {
      ScoreTable table = table_of(p, options);
      const Metric aupro = table.metrics(limit).aupro;
      CHECK(static_cast<double>(table.totals().regions) == result[1]);
      CHECK(aupro.is_defined() == !std::isnan(result[0]));
      if (aupro.is_defined()) CHECK(std::abs(aupro.value - result[0]) <= aupro.error + kTableClose);
      if (options.is_exact) CHECK(aupro.error == 0);
    }
    ++cases;
  }
  CHECK(cases == 12);
}

TEST_CASE("coarse bins stay within the error that they state") {
  const Pictures p = random_pictures(3, 9, 60);
  const Metrics exact = table_of(p, kExact).metrics();
  double last = 2;
  for (const index_t pages : {1, 2, 3, 5, 8, 16, 64, 4096}) {
    ScoreTable table = table_of(p, {.is_exact = false, .max_pages = pages});
    const Metrics binned = table.metrics();
    check_bounds(binned, exact, 2.0);
    CHECK(binned.auroc.error <= last);
    last = binned.auroc.error;
  }
  CHECK(last <= 1e-4);
}

TEST_CASE("the default bins: within 1e-4 where scores spread over many powers of two") {
  const Rng rng(5, "spread");
  for (const double power : {1.0, 4.0, 12.0}) {
    ScoreTable exact(kExact), binned;
    for (index_t i = 0; i < 400000; ++i) {
      const bool is_anomalous = rng.unit(2 * i) < 0.02;
      const auto score = static_cast<float>(std::pow(0.85 * rng.unit(2 * i + 1) + (is_anomalous ? 0.15 : 0.0), power));
      exact.add_image(score, is_anomalous);
      binned.add_image(score, is_anomalous);
    }
    check_bounds(binned.metrics(), exact.metrics(), 1e-4);
  }
}

TEST_CASE("a binned table of one score per bin has no error, however coarse") {
  ScoreTable table({.is_exact = false, .max_pages = 1});
  for (index_t i = 0; i < 100; ++i) table.add_image(i % 3 == 0 ? 1.0f : 1e-20f, i % 2 == 0);
  CHECK(table.metrics().auroc.error == 0);
}

TEST_CASE("parts merge to the same bytes as the whole") {
  const Pictures p = random_pictures(11, 8, 30);
  for (const ScoreTableOptions& options :
       {kExact, ScoreTableOptions{}, ScoreTableOptions{.is_exact = false, .max_pages = 3}}) {
    ScoreTable whole = table_of(p, options);
    const auto bytes = ScoreTableFile::encode(whole);
    for (const index_t cut : {0, 1, 5, 8}) {
      ScoreTable first = part_of(p, 0, cut, options), second = part_of(p, cut, p.n, options);
      const auto carried = ScoreTableFile::encode(first);
      second.merge(ScoreTableFile::decode(carried, "part", options));  // the later part first
      CHECK(ScoreTableFile::encode(second) == bytes);
    }
    ScoreTable read = ScoreTableFile::decode(bytes, "whole", options);
    CHECK(ScoreTableFile::encode(read) == bytes);
    CHECK(read.metrics().aupro.value == whole.metrics().aupro.value);
  }
}

TEST_CASE("every score has a number, and every number of a score is its own") {
  const Rng rng(1, "ranks");
  for (index_t i = 0; i < 100000; ++i) {
    const auto score = std::bit_cast<float>(static_cast<std::uint32_t>(rng.integer(i, 0, std::int64_t{1} << 32)));
    if (score != score) continue;
    CHECK(score_of_rank(score_rank(score)) == score);
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float score : {0.0f, -0.0f, 0.5f, 1.0f, -1.0f, std::nextafter(0.5f, 1.0f), std::nextafter(1.0f, 0.0f),
                            std::nextafter(1.0f, 2.0f), 1e-45f, -1e-45f, kInfinity, -kInfinity})
    CHECK(score_of_rank(score_rank(score)) == score);
  CHECK(std::isnan(score_of_rank(score_rank(kInfinity) + 1)));
  CHECK(std::isnan(score_of_rank(score_rank(-kInfinity) - 1)));
  CHECK(std::isnan(score_of_rank(~std::uint64_t{0})));
}

TEST_CASE("tables that do not fit are not merged") {
  ScoreTable exact(kExact), binned, coarse({.is_exact = false, .max_pages = 2});
  expect_error(ErrorCode::contract, {"exact", "binned"}, [&] { binned.merge(exact); });
  expect_error(ErrorCode::contract, {"4096", "2 pages"}, [&] { binned.merge(coarse); });
}

TEST_CASE("bytes that are no table") {
  constexpr ScoreTableOptions kThree{.is_exact = false, .max_pages = 3};
  ScoreTable table(kThree);
  for (index_t i = 0; i < 2000; ++i) table.add_image(static_cast<float>(i) * 0.37f, i % 2 == 0);
  const auto good = ScoreTableFile::encode(table);
  const auto decode = [&](const std::vector<std::byte>& bytes) {
    return ScoreTableFile::decode(bytes, "a.scores", kThree);
  };
  for (std::size_t length = 0; length < good.size(); length += 7)
    expect_error(ErrorCode::format, {"a.scores"}, [&] {
      return decode({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)});
    });
  const auto with = [&](std::size_t at, int value) {
    auto bytes = good;
    bytes[at] = static_cast<std::byte>(value);
    return bytes;
  };
  expect_error(ErrorCode::format, {"no table"}, [&] { return decode(with(0, 'X')); });
  expect_error(ErrorCode::unsupported, {"version 9"}, [&] { return decode(with(8, 9)); });
  expect_error(ErrorCode::format, {"bins"}, [&] { return decode(with(16, 99)); });
  expect_error(ErrorCode::format, {"add up"}, [&] { return decode(with(20, 1)); });
  const std::size_t rows = 8 + 3 * 4 + 3 * 8;  // two bytes of their count, then the first row's rank: five bytes
  expect_error(ErrorCode::format, {"one bin"}, [&] { return decode(with(rows + 6, 0x7F)); });
  auto endless = good;
  std::fill_n(endless.begin() + rows, 10, std::byte{0xFF});
  expect_error(ErrorCode::format, {"64 bits"}, [&] { return decode(endless); });
}

TEST_CASE("bytes of another table than the one that was wanted") {
  ScoreTable coarse({.is_exact = false, .max_pages = 2}), exact(kExact);
  const auto refuse = [](std::string_view fact, const std::vector<std::byte>& bytes, const ScoreTableOptions& wanted) {
    expect_error(ErrorCode::format, {"a.scores", fact},
                 [&] { return ScoreTableFile::decode(bytes, "a.scores", wanted); });
  };
  auto million = ScoreTableFile::encode(coarse);
  million[12] = std::byte{0}, million[14] = std::byte{0x10};  // 2^20 pages
  refuse("1048576 pages", million, {.is_exact = false, .max_pages = 2});
  refuse("2 pages", ScoreTableFile::encode(coarse), {.is_exact = false, .max_pages = 3});
  refuse("2 pages", ScoreTableFile::encode(coarse), kExact);
  refuse("0 pages", ScoreTableFile::encode(exact), {.is_exact = false, .max_pages = 2});
}

TEST_CASE("rows of a file whose sums overflow, or that weigh too much") {
  // Two rows of the scores 0 and 1, each two positives in one region and a negative.
  constexpr ScoreTableOptions kTwo{.is_exact = false, .max_pages = 2};
  Context context({.threads = 1});
  Image mask(3, 1, 1);
  mask.data()[0] = mask.data()[1] = 1, mask.data()[2] = 0;
  const auto table_with = [&](const ScoreTableOptions& options) {
    ScoreTable table(options);
    for (const float score : {0.0f, 1.0f}) {
      const std::vector<float> map(3, score);
      table.add_map(context, View<const float, 2>(map.data(), {1, 3}), mask.view());
    }
    return ScoreTableFile::encode(table);
  };
  const auto good = table_with(kTwo), exact = table_with(kExact);
  const auto refuse = [](std::string_view fact, const std::vector<std::byte>& bytes, const ScoreTableOptions& options) {
    expect_error(ErrorCode::format, {"a.scores", fact},
                 [&] { return ScoreTableFile::decode(bytes, "a.scores", options); });
  };
  const std::size_t totals = 8 + 3 * 4, row = totals + 3 * 8 + 1 + 5 + 1;  // count, rank of the score 0, width 0
  REQUIRE(good[row] == std::byte{2});                                      // positives
  REQUIRE(good[row + 1] == std::byte{1});                                  // negatives
  REQUIRE(good[row + 2] == std::byte{1});                                  // whole part of the weight
  const auto with = [](std::vector<std::byte> bytes, std::size_t at, int value) {
    bytes[at] = static_cast<std::byte>(value);
    return bytes;
  };
  CHECK(ScoreTableFile::decode(good, "a.scores", kTwo).totals().regions == 2);
  CHECK(ScoreTableFile::decode(exact, "a.scores", kExact).totals().regions == 2);
  refuse("add up", with(good, row, 5), kTwo);
  refuse("add up", with(good, row + 1, 3), kTwo);
  refuse("weight", with(good, row + 2, 3), kTwo);
  refuse("weight", with(with(good, row + 2, 2), row + 3, 1), kTwo);
  refuse("5 regions of 4", with(good, totals + 16, 5), kTwo);
  for (const std::size_t at : {row, row + 1}) {  // 2^64 - 1 in the first row, so that the sum is right modulo 2^64
    const int in_second_row = at == row ? 2 : 1;
    std::vector<std::byte> wrapped =
        with(with(good, at == row ? totals : totals + 8, in_second_row - 1), totals + 16, 0);
    wrapped[at] = std::byte{0x01};
    wrapped.insert(wrapped.begin() + static_cast<std::ptrdiff_t>(at), 9, std::byte{0xFF});
    refuse("add up", wrapped, kTwo);
  }
  refuse("add up", with(exact, totals + 24, 7), kExact);
  refuse("add up", with(exact, totals, 3), kExact);
}

TEST_CASE("a map and its mask") {
  Context context({.threads = 1});
  ScoreTable table;
  std::vector<float> map(12, 0.25f);
  const View<const float, 2> view(map.data(), {3, 4});
  table.add_map(context, view, {});
  CHECK(table.totals().negatives == 12);
  CHECK(table.metrics().auroc.undefined == "nothing is anomalous");
  const Image small(2, 2, 1);
  expect_error(ErrorCode::contract, {"2x2", "4x3"}, [&] { table.add_map(context, view, small.view()); });
  map[7] = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorCode::contract, {"1 of 12 scores are NaN"}, [&] { table.add_map(context, view, {}); });
  CHECK(table.totals().negatives == 12);
}
