// SPDX-License-Identifier: MIT
// The curves of a training: whole, bounded, and the same however the steps came.
#include <doctest/doctest.h>

#include <cmath>

#include "train_history.hpp"

using namespace cli;  // NOLINT
using moeclip::index_t;
using moeclip::Json;

namespace {

Json step_of(index_t number) {
  Json two = Json::array();
  two.push_back(0.25).push_back(1.0 / static_cast<double>(number));
  return Json::object()
      .set("step", number)
      .set("loss", static_cast<double>(number))
      .set("cross_entropy", 0.5)
      .set("focal", two)
      .set("dice_normal", two)
      .set("dice_abnormal", two)
      .set("etf", Json::array())
      .set("balance", Json::array())
      .set("gradient_norm", number == 7 ? Json() : Json(1.0))
      .set("lr", 0.001);
}

}  // namespace

TEST_CASE("a step that tells its loss alone has no parts of it") {
  TrainHistory history;
  history.add(Json::object().set("step", 1).set("loss", 2.0).set("gradient_norm", 0.5).set("lr", 0.001));
  CHECK(history.line("total", TrainHistory::kTotal).points.back().y == 2);
  CHECK(history.line("focal", TrainHistory::kFocal).points.back().y == 0);
}

TEST_CASE("few steps are points of their own") {
  TrainHistory history;
  for (index_t i = 1; i <= 10; ++i) history.add(step_of(i));
  CHECK(history.steps() == 10);
  CHECK(history.stride() == 1);
  const moeclip::ReportLine line = history.line("total", TrainHistory::kTotal);
  REQUIRE(line.points.size() == 10);
  CHECK(line.points[4].x == 5);
  CHECK(line.points[4].y == 5);
  CHECK(history.line("", TrainHistory::kFocal).points[1].y == 0.75);
  CHECK(history.line("", TrainHistory::kDice).points[1].y == 1.5);
  CHECK(std::isnan(history.line("", TrainHistory::kGradient).points[6].y));
}

TEST_CASE("many steps become means over windows, in bounded room") {
  TrainHistory history;
  for (index_t i = 1; i <= 5000; ++i) {
    history.add(step_of(i));
    if (history.line("", TrainHistory::kTotal).points.size() > TrainHistory::kMostPoints) FAIL("too many points");
  }
  CHECK(history.stride() == 16);
  const moeclip::ReportLine line = history.line("", TrainHistory::kTotal);
  REQUIRE(line.points.size() == 313);
  CHECK(line.points[0].x == 16);
  CHECK(line.points[0].y == 8.5);
  CHECK(line.points[312].x == 5000);
  CHECK(line.points[312].y == 4996.5);
}

TEST_CASE("a history that begins late has the same windows") {
  TrainHistory whole, late;
  for (index_t i = 1; i <= 3000; ++i) {
    whole.add(step_of(i));
    if (i > 100) late.add(step_of(i));
  }
  REQUIRE(whole.stride() == late.stride());
  const auto a = whole.line("", TrainHistory::kTotal), b = late.line("", TrainHistory::kTotal);
  CHECK(a.points.back().y == b.points.back().y);
  CHECK(b.points.front().x == 104);
}
