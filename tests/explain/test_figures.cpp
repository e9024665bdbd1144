// SPDX-License-Identifier: MIT
// Statistics over a set, and figures: what they say is what was counted, and what is drawn is where it should be.
#include <doctest/doctest.h>

#include <moeclip/explain/inspect.hpp>
#include <moeclip/explain/inspection_figures.hpp>

#include "expect_error.hpp"
#include "explain_test.hpp"

using namespace explain_test;  // NOLINT

namespace {

bool has_color(const Image& picture, Rgb color) {
  for (index_t i = 0; i < picture.width() * picture.height(); ++i) {
    const std::uint8_t* pixel = picture.data() + 3 * i;
    if (pixel[0] == color.red && pixel[1] == color.green && pixel[2] == color.blue) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("statistics of pictures add up, whole or in parts") {
  Context context({.threads = 1});
  const auto detector = make_detector<float>();
  const auto anchors = make_anchors<float>();
  InspectOptions options;
  options.has_grad_cam = false;
  const auto a = inspect(context, detector, make_picture(27, 31).view(), anchors, options);
  const auto b = inspect(context, detector, make_picture(40, 20, 1).view(), anchors, options);
  ExpertStatistics all, first, second;
  CHECK(all.blocks().empty());
  all.add(a);
  all.add(b);
  first.add(a);
  second.add(b);
  first.merge(second);
  first.merge(ExpertStatistics());
  REQUIRE(all.blocks().size() == 2);
  for (std::size_t j = 0; j < 2; ++j) {
    const MixtureStatistics& block = all.blocks()[j];
    CHECK(block.pictures == 2);
    CHECK(block.tokens == 52);
    CHECK(block.target() == doctest::Approx(-0.5));
    double load = 0, places = 0, weight = 0;
    for (index_t e = 0; e < 3; ++e) {
      load += block.load(e);
      places += block.first_share(e);
      weight += block.weight[static_cast<std::size_t>(e)];
      CHECK(block.chosen[static_cast<std::size_t>(e)] == first.blocks()[j].chosen[static_cast<std::size_t>(e)]);
    }
    CHECK(load == doctest::Approx(1));
    CHECK(places == doctest::Approx(1));
    CHECK(weight == doctest::Approx(52));
    CHECK(block.cosine(0, 1) == doctest::Approx((a.blocks[j].cosines[1] + b.blocks[j].cosines[1]) / 2));
    CHECK(block.etf_loss() == doctest::Approx((a.blocks[j].etf_loss + b.blocks[j].etf_loss) / 2));
    CHECK(same_bits(block.cosine_sums, first.blocks()[j].cosine_sums));
  }
  ExpertStatistics shorter;
  auto one = a;
  one.blocks.pop_back();
  shorter.add(one);
  expect_error(ErrorCode::contract, {"of 2 and of 1 mixtures"}, [&] { first.merge(shorter); });
  expect_error(ErrorCode::contract, {"of 1 and of 2 mixtures"}, [&] { shorter.merge(first); });
}

TEST_CASE("figures of a picture") {
  Context context({.threads = 1});
  const auto detector = make_detector<float>();
  const auto seen = inspect(context, detector, make_picture(40, 20).view(), make_anchors<float>());
  Image mask(40, 20, 1);
  mask.fill(0);
  for (index_t y = 5; y < 10; ++y) std::fill_n(mask.row(y) + 10, 10, std::uint8_t{255});
  InspectionFigureOptions options;
  options.truth = mask.view();
  const std::vector<Figure> figures = inspection_figures(seen, options);
  REQUIRE(figures.size() == 4);  // the map, two blocks, cosines
  for (const Figure& figure : figures) {
    CHECK(!figure.title.empty());
    CHECK(figure.description.back() == '.');
    CHECK(figure.picture.channels() == 3);
    CHECK(figure.picture.width() <= 560);  // two panels: letters stay readable at 320 pixels
  }
  CHECK(has_color(figures[0].picture, {64, 224, 255}));
  CHECK(figures[0].description.find("light blue") != std::string::npos);
  CHECK(!has_color(inspection_figures(seen)[0].picture, {64, 224, 255}));
  CHECK(figures[1].title == "Experts after block 2");
  CHECK(figures[1].description.find("expert 3") != std::string::npos);
  CHECK(figures[3].description.find("-0.50") != std::string::npos);
  options.has_blocks = options.has_cosines = false;
  CHECK(inspection_figures(seen, options).size() == 1);
}

TEST_CASE("figures of the experts") {
  Context context({.threads = 1});
  auto detector = make_detector<float>();
  ExpertStatistics statistics;
  statistics.add(inspect(context, detector, make_picture().view(), make_anchors<float>()));
  const Figure load = load_figure(statistics.blocks());
  CHECK(load.description.find("Even would be 33%") != std::string::npos);
  CHECK(load.picture.width() <= 560);
  CHECK(has_color(cosine_figure(statistics.blocks()).picture, {255, 214, 64}));  // the target's mark

  for (const auto& mixture : detector.adapter().mixtures) CHECK(fofs_error(mixture) < 1e-6);
  CHECK(fofs_figure(detector.adapter()).description.find("No expert sees what another sees") != std::string::npos);
  auto& broken = const_cast<Adapter<float>&>(detector.adapter());  // NOLINT: the detector is not constant
  broken.mixtures[0].experts[1].lora_a = broken.mixtures[0].experts[0].lora_a;
  CHECK(fofs_error(broken.mixtures[0]) == doctest::Approx(1));
  CHECK(fofs_figure(broken).description.find("overlap") != std::string::npos);
}

TEST_CASE("many experts are drawn too") {
  MixtureStatistics block;
  block.block = 1;
  block.pictures = block.tokens = block.per_token = 1;
  block.chosen.assign(40, 1);
  block.first.assign(40, 0);
  block.weight.assign(40, 0);
  block.cosine_sums = Tensor<double>({40, 40});
  CHECK(cosine_figure(std::span(&block, 1)).picture.width() > 0);
  CHECK(load_figure(std::span(&block, 1)).picture.height() > 0);
}
