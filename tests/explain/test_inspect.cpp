// SPDX-License-Identifier: MIT
// One look at a picture: the detection untouched, gradients of the score against differences, Grad-CAM by its
// definition.
#include <doctest/doctest.h>

#include <moeclip/explain/inspect.hpp>

#include "explain_test.hpp"
#include "gradient_check.hpp"

using namespace explain_test;  // NOLINT

namespace {

/// Score in double of a picture, everything traced.
struct Scored {
  DetectionTrace<double> trace;
  Detection detection;
  ScorePoint<double> point;
};

Scored score_of(Context& context, const BasicDetector<double>& detector, const TextAnchors<double>& anchors,
                index_t budget = index_t{1} << 30) {
  Scored scored;
  scored.trace.features.blocks.plan = trace_plan(detector, budget);
  detector.detect(context, make_picture().view(), anchors, scored.detection, &scored.trace);
  Tensor<double> d_difference({scored.trace.similarities.extent(0), 25}), d_embedding({24});
  scored.point = score_backward<double>(context,
                                        {std::as_const(scored.trace.similarities).view<3>(),
                                         scored.trace.embedding.data(), anchors, detector.options().domain, 20},
                                        d_difference.view<2>(), d_embedding.data());
  return scored;
}

/// What the gradient d_m of a mixture makes of its experts' B: sum over tokens of q scale d_m (A x)^T.
void add_gradients_of_b(const Mixture<double>& mixture, const MixingSaved<double>& saved, View<const double, 2> d_m,
                        std::vector<Tensor<double>>& d_b) {
  for (index_t e = 0; e < mixture.expert_count(); ++e) {
    const Expert<double>& expert = mixture.experts[static_cast<std::size_t>(e)];
    Tensor<double>& d = d_b.emplace_back(Shape{64, 4});
    for (index_t i = 0; i < saved.chosen.size(); ++i) {
      if (saved.chosen[i] != e) continue;
      const index_t n = i / saved.chosen.extent(1);
      for (index_t r = 0; r < 4; ++r) {
        double along = 0;
        for (index_t c = 0; c < 64; ++c) along += expert.lora_a[r * 64 + c] * saved.x[n * 64 + c];
        for (index_t c = 0; c < 64; ++c) d[c * 4 + r] += saved.weights[i] * mixture.scale * along * d_m(n, c);
      }
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("inspecting changes no bit of a detection", T, float, double) {
  const auto detector = make_detector<T>();
  const auto anchors = make_anchors<T>();
  for (const int threads : {1, 2}) {
    Context context({.threads = threads});
    for (const index_t channels : {index_t{1}, index_t{3}}) {
      const Image picture = make_picture(23, 40, channels);
      const Detection plain = detector.detect(context, picture.view(), anchors);
      const Inspection<T> seen = inspect(context, detector, picture.view(), anchors);
      CHECK(same_bits(seen.detection.map, plain.map));
      CHECK(seen.detection.score == plain.score);
      CHECK(seen.detection.regions.size() == plain.regions.size());
      CHECK(seen.picture.width() == 23);
      CHECK(seen.blocks.size() == 2);
      CHECK(seen.blocks[1].block == 4);
      CHECK(seen.blocks[0].cams.shape() == Shape{3, 25});
    }
  }
}

TEST_CASE("the score runs backward through the whole model") {
  Context context({.threads = 1});
  for (const Domain domain : {Domain::industrial, Domain::medical}) {
    auto detector = make_detector<double>(domain);
    const auto anchors = make_anchors<double>();
    for (const index_t budget : {index_t{1} << 30, index_t{1}}) {  // kept, and computed again
      Scored scored = score_of(context, detector, anchors, budget);
      CHECK(scored.point.score == doctest::Approx(static_cast<double>(scored.detection.score)).epsilon(1e-6));
      std::vector<std::vector<Tensor<double>>> d_b(2);
      backward_of_score<double>(
          context, detector, anchors, scored.trace, [&](std::size_t j, View<const double, 2> d_m) {
            add_gradients_of_b(detector.adapter().mixtures[j], scored.trace.features.mixtures[j], d_m, d_b[j]);
          });
      const auto loss = [&] { return score_of(context, detector, anchors).point.score; };
      auto& adapter = const_cast<Adapter<double>&>(detector.adapter());  // NOLINT: the detector is not constant
      for (std::size_t j = 0; j < 2; ++j)
        for (std::size_t e = 0; e < 3; ++e)
          expect_gradient(loss, {{concat("B ", j, " ", e), adapter.mixtures[j].experts[e].lora_b, d_b[j][e]}}, 2);
    }
  }
}

TEST_CASE("Grad-CAM is what its formula says") {
  Context context({.threads = 1});
  const auto detector = make_detector<double>();
  const auto anchors = make_anchors<double>();
  DetectionTrace<double> trace;
  const Inspection<double> seen = inspect(context, detector, make_picture().view(), anchors, {}, trace);
  index_t positive = 0;
  backward_of_score<double>(context, detector, anchors, trace, [&](std::size_t j, View<const double, 2> d_m) {
    const Mixture<double>& mixture = detector.adapter().mixtures[j];
    const View<const double, 2> x = std::as_const(trace.features.mixtures[j].x).view<2>();
    Tensor<double> outputs({26, 64});
    for (index_t e = 0; e < 3; ++e) {
      expert_forward<double>(context, mixture.experts[static_cast<std::size_t>(e)], mixture.scale, x,
                             outputs.view<2>());
      for (index_t n = 1; n < 26; ++n) {
        double sum = 0;
        for (index_t c = 0; c < 64; ++c) {
          double alpha = 0;
          for (index_t i = 1; i < 26; ++i) alpha += seen.blocks[j].weight(i, e) > 0 ? d_m(i, c) / 25 : 0;
          sum += alpha * seen.blocks[j].weight(n, e) * outputs[n * 64 + c];
        }
        const double cam = seen.blocks[j].cams[e * 25 + n - 1];
        CHECK(cam == doctest::Approx(std::max(sum, 0.0)).epsilon(1e-9));
        positive += cam > 0 ? 1 : 0;
      }
    }
  });
  CHECK(positive > 10);
}

TEST_CASE_TEMPLATE("the same bits for any number of threads", T, float, double) {
  const auto detector = make_detector<T>();
  const auto anchors = make_anchors<T>();
  Context one({.threads = 1}), two({.threads = 2});
  const Inspection<T> a = inspect(one, detector, make_picture().view(), anchors);
  const Inspection<T> b = inspect(two, detector, make_picture().view(), anchors);
  for (std::size_t j = 0; j < 2; ++j) {
    CHECK(same_bits(a.blocks[j].cams, b.blocks[j].cams));
    CHECK(same_bits(a.blocks[j].cosines, b.blocks[j].cosines));
    CHECK(same_bits(a.blocks[j].weights, b.blocks[j].weights));
    CHECK(a.blocks[j].etf_loss == b.blocks[j].etf_loss);
  }
}

TEST_CASE("cosines are those of the ETF loss") {
  Context context({.threads = 1});
  const auto detector = make_detector<float>();
  DetectionTrace<float> trace;
  const Inspection<float> seen = inspect(context, detector, make_picture().view(), make_anchors<float>(), {}, trace);
  for (std::size_t j = 0; j < 2; ++j) {
    const Mixture<float>& mixture = detector.adapter().mixtures[j];
    const View<const float, 2> x = std::as_const(trace.features.mixtures[j].x).view<2>();
    Tensor<float> outputs({3, 26, 64});
    for (index_t e = 0; e < 3; ++e)
      expert_forward<float>(context, mixture.experts[static_cast<std::size_t>(e)], mixture.scale, x,
                            outputs.view<3>()[e]);
    CHECK(seen.blocks[j].etf_loss ==
          doctest::Approx(etf_loss<float>(context, std::as_const(outputs).view<3>(), 0, {})).epsilon(1e-12));
    for (index_t e = 0; e < 3; ++e) {
      CHECK(seen.blocks[j].cosines[4 * e] == doctest::Approx(1));
      for (index_t f = 0; f < 3; ++f) CHECK(seen.blocks[j].cosines[3 * e + f] == seen.blocks[j].cosines[3 * f + e]);
    }
  }
  // three directions of a plane, 120 degrees apart, are the target itself
  Tensor<float> frame({3, 2, 2});
  for (index_t e = 0; e < 3; ++e)
    for (index_t n = 0; n < 2; ++n) {
      const double angle = 2.0943951023931953 * static_cast<double>(e) + static_cast<double>(n);
      frame[(e * 2 + n) * 2] = static_cast<float>(std::cos(angle));
      frame[(e * 2 + n) * 2 + 1] = static_cast<float>(std::sin(angle));
    }
  Tensor<double> cosines({3, 3});
  CHECK(mean_gram<float>(context, std::as_const(frame).view<3>(), cosines.view<2>()) < 1e-12);
  CHECK(cosines[1] == doctest::Approx(-0.5));
}

TEST_CASE("without Grad-CAM nothing is kept for it") {
  Context context({.threads = 1});
  const auto detector = make_detector<float>();
  DetectionTrace<float> trace;
  InspectOptions options;
  options.has_grad_cam = false;
  const Inspection<float> seen =
      inspect(context, detector, make_picture().view(), make_anchors<float>(), options, trace);
  CHECK(seen.blocks[0].cams.empty());
  CHECK(trace.features.blocks.blocks.empty());
}
