// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/methods/aa_clip_step.hpp>
#include <string>
#include <utility>
#include <vector>

#include "aa_clip_fixture.hpp"
#include "expect_error.hpp"
#include "golden.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

namespace aa_clip_test {  // names of its own: the tests of all methods are one translation unit

namespace {

constexpr bool kVariants[] = {false, true};  // released, mended

const Json& recorded(bool is_mended) {
  static const Json all = [] {
    const auto file = MappedFile::open(golden_path("methods/aa_clip/results.json"));
    return parse_json(as_text(file->bytes()), "results.json");
  }();
  return all.at(is_mended ? "mended" : "released");
}

/// Largest distance from a recorded list, relative to its largest entry.
template <class T>
double distance(const Json& list, const Tensor<T>& mine) {
  REQUIRE(std::ssize(list.items()) == mine.size());
  double worst = 0, largest = 1e-300;
  for (index_t i = 0; i < mine.size(); ++i) {
    const double wanted = list.items()[static_cast<std::size_t>(i)].as_number();
    worst = std::max(worst, std::abs(wanted - static_cast<double>(mine[i])));
    largest = std::max(largest, std::abs(wanted));
  }
  return worst / largest;
}

/// Losses and gradients pass through some hundred sums of up to a hundred terms, and a softmax at a temperature of
/// 1/100 that makes 100 eps of each eps in a cosine.
template <class T>
constexpr double kTolerance = 2000 * eps_of<T>();

}  // namespace

TEST_CASE_TEMPLATE("AA-CLIP's two stages are those of the released computation, losses and gradients", T, double,
                   float) {
  for (const bool is_mended : kVariants) {
    CAPTURE(is_mended);
    const Json& golden = recorded(is_mended);
    Context context({.threads = 2});
    Fixture<T> fixture(is_mended);
    const auto anchors = fixture.anchors(context);
    for (std::size_t which = 0; which < 2; ++which)
      CHECK(distance(golden.at("anchors").items()[which], anchors[which].vectors) <= kTolerance<T>);
    const auto near = [&](const char* name, double mine) {
      CAPTURE(name);
      CHECK(std::abs(mine - golden.at(name).as_number()) <= kTolerance<T> * (1 + std::abs(mine)));
    };
    const auto gradients = [&](std::string_view part, const char* name) {
      std::size_t i = 0;
      for (const auto& own : fixture.gradients(part)) {
        const std::string& tensor = own.first;
        CAPTURE(tensor);
        CHECK(distance(golden.at(name).items()[i++], own.second) <= 10 * kTolerance<T>);
      }
      CHECK(i == golden.at(name).items().size());
    };
    const AaClipLosses text = fixture.text_step(context, true);
    near("text_loss", text.total);
    near("disentangle", text.disentangle);
    CHECK(text.maps.size() == (is_mended ? 2 : 1));
    gradients("text_adapter", "text_gradients");
    for (const auto& own : fixture.gradients("image_adapter"))
      CHECK(std::all_of(own.second.begin(), own.second.end(), [](T value) { return value == T(0); }));

    const AaClipLosses image = fixture.image_step(context, anchors, true);
    near("image_loss", image.total);
    near("cross_entropy", image.cross_entropy);
    gradients("image_adapter", "image_gradients");
  }
}

TEST_CASE_TEMPLATE("AA-CLIP's map and class score are those of the released computation", T, double, float) {
  for (const bool is_mended : kVariants) {
    CAPTURE(is_mended);
    Context context({.threads = 1});
    Fixture<T> fixture(is_mended);
    const auto anchors = fixture.anchors(context);
    Tensor<T> similarities({2, 2, 16}), embedding({1, 10}), map({16, 16});
    const View<const T, 4> image = std::as_const(fixture.batch.images).template view<4>().rows(1, 2);
    aa_clip_similarities<T>(context, fixture.adapted(), anchors[0], image, similarities.template view<3>(),
                            embedding.template view<2>());
    reference_map<T>(context, std::as_const(similarities).template view<3>(), Domain::industrial,
                     map.template view<2>());
    CHECK(distance(recorded(is_mended).at("map"), map) <= kTolerance<T>);
    const auto score = static_cast<double>(class_score<T>(embedding.data(), anchors[0]));
    CHECK(std::abs(score - recorded(is_mended).at("class_score").as_number()) <= kTolerance<T>);
  }
}

TEST_CASE("gradients of AA-CLIP's adapter, values and all trained tensors are those that differences find") {
  Context context({.threads = 1});
  Linear<double> layer(6, 6, false), d_layer(6, 6, false);
  randomize(layer.weight, "adapter");
  d_layer.weight.fill(0);
  Tensor<double> x = random_tensor<double>({5, 6}, "x"), weights = random_tensor<double>({5, 6}, "weights");
  const auto loss = [&] {
    Tensor<double> y = x;
    residual_forward<double>(context, layer, 0.3, y.view<2>());
    double sum = 0;
    for (index_t i = 0; i < y.size(); ++i) sum += y[i] * weights[i];
    return sum;
  };
  ResidualSaved<double> saved;
  Tensor<double> y = x, d_x = weights;
  residual_forward<double>(context, layer, 0.3, y.view<2>(), &saved);
  residual_backward<double>(context, layer, 0.3, saved, d_x.view<2>(), d_layer);
  expect_gradient(loss, {{"x", x, d_x}, {"W", layer.weight, d_layer.weight}});

  for (const bool is_mended : kVariants) {
    Fixture<double> fixture(is_mended);
    if (is_mended) fixture.batch.has_mask = {true, false, true};
    const auto anchors = fixture.anchors(context);
    for (const std::string_view part : {"text_adapter", "image_adapter"}) {
      const bool is_text = part == "text_adapter";
      const auto step = [&](bool goes_back) {
        return (is_text ? fixture.text_step(context, goes_back) : fixture.image_step(context, anchors, goes_back))
            .total;
      };
      step(true);
      for (const ClaimedGradient& claim : parameter_gradients(fixture.model, fixture.gradient))
        if (claim.name.starts_with(part)) expect_gradient([&] { return step(false); }, {claim}, 2);
    }
  }
}

TEST_CASE("AA-CLIP without adapters trains its projections alone, and a budget of memory changes no bit") {
  Context context({.threads = 1});
  Fixture<double> fixture;
  const auto anchors = fixture.anchors(context);
  fixture.image_step(context, anchors, true);
  const auto whole = fixture.gradients("image_adapter");
  fixture.training.memory_budget_bytes = 1;
  fixture.image_step(context, anchors, true);
  const auto again = fixture.gradients("image_adapter");
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(same_bits(whole[i].second, again[i].second));

  AaClipConfig bare = switches(false);
  bare.text_blocks = bare.image_blocks = 0;
  fixture.model = AaClip<double>(bare, config());
  fixture.gradient = AaClip<double>(bare, config());
  fill<double>(fixture.model, "");
  for (const bool is_text : {true, false}) {
    const auto step = [&](bool goes_back) {
      return (is_text ? fixture.text_step(context, goes_back) : fixture.image_step(context, anchors, goes_back)).total;
    };
    step(true);
    for (const ClaimedGradient& claim : parameter_gradients(fixture.model, fixture.gradient))
      if (claim.name.starts_with("text") == is_text) expect_gradient([&] { return step(false); }, {claim}, 1);
  }
}

TEST_CASE("AA-CLIP's steps have the same bits for any number of threads") {
  std::vector<std::pair<std::string, Tensor<float>>> first[2];
  double losses[2] = {};
  for (int threads = 1; threads <= 4; ++threads) {
    Context context({.threads = threads});
    Fixture<float> fixture(true);
    const auto anchors = fixture.anchors(context);
    for (const int stage : {0, 1}) {
      const double loss =
          (stage == 0 ? fixture.text_step(context, true) : fixture.image_step(context, anchors, true)).total;
      const auto own = fixture.gradients(stage == 0 ? "text" : "image");
      if (threads == 1) first[stage] = own, losses[stage] = loss;
      CHECK(loss == losses[stage]);
      for (std::size_t i = 0; i < own.size(); ++i) CHECK(same_bits(own[i].second, first[stage][i].second));
    }
  }
}

TEST_CASE("alone in its batch a value attends to itself, over pictures, and to its picture, over tokens") {
  Context context({.threads = 1});
  const VisionTower<double> vision = make_vision<double>();
  const SelfAttention<double>& attention = vision.transformer.blocks[0].attention;
  const Tensor<double> x = random_tensor<double>({17, 16}, "x");
  Tensor<double> y({17, 16}), qkv({17, 48}), wanted({17, 16});
  const TokenLayout layout{1, 17, false};
  aa_clip_value_attention<double>(context, attention, layout, ValueScope::pictures, x.view<2>(), y.view<2>());
  linear_forward<double>(context, attention.in_proj, x.view<2>(), qkv.view<2>());
  linear_forward<double>(context, attention.out_proj, View<const double, 2>(qkv.data() + 32, {17, 16}, {48, 1}),
                         wanted.view<2>());
  for (index_t i = 0; i < y.size(); ++i) CHECK(std::abs(y[i] - wanted[i]) <= 1e-14);
  // what other pictures hold changes nothing over tokens, and something over pictures
  Tensor<double> two = random_tensor<double>({34, 16}, "two");
  std::copy(x.begin(), x.end(), two.begin());
  for (const ValueScope scope : {ValueScope::tokens, ValueScope::pictures}) {
    Tensor<double> one({17, 16}), both({34, 16});
    aa_clip_value_attention<double>(context, attention, layout, scope, x.view<2>(), one.view<2>());
    aa_clip_value_attention<double>(context, attention, {2, 17, false}, scope, two.view<2>(), both.view<2>());
    double worst = 0;
    for (index_t i = 0; i < one.size(); ++i) worst = std::max(worst, std::abs(one[i] - both[i]));
    CHECK((worst <= 1e-14) == (scope == ValueScope::tokens));
  }
}

TEST_CASE(
    "AA-CLIP has the official sizes on the official CLIP, proportions of them on others, and names what does not fit") {
  for (const ClipPreset& preset : clip_presets()) {
    const AaClipConfig config = aa_clip_config(preset.config);
    if (preset.config.vision.layers == 24) {
      CHECK(config.level_blocks == std::vector<index_t>{6, 12, 18, 24});
      CHECK(config.text_blocks == 3);
      CHECK(config.image_blocks == 6);
    }
    CHECK(config.level_blocks.size() == 4);
  }
  AaClipConfig wrong = switches(false);
  wrong.image_blocks = 5;
  expect_error(ErrorCode::contract, {"2 text and 5 image blocks", "4 and 4 blocks"},
               [&] { AaClip<float>(wrong, config()); });
  wrong = switches(false);
  wrong.level_blocks = {4, 2};
  expect_error(ErrorCode::contract, {"2 ascending levels"}, [&] { AaClip<float>(wrong, config()); });

  Context context({.threads = 1});
  Fixture<float> fixture;
  fixture.batch.classes = {0, 1, 2};
  expect_error(ErrorCode::contract, {"class 2", "there are 2"}, [&] { fixture.text_step(context, false); });
  fixture.batch.labels = {0, 1};
  expect_error(ErrorCode::contract, {"3 pictures has 2 labels"},
               [&] { fixture.image_step(context, fixture.anchors(context), false); });
}

}  // namespace aa_clip_test
