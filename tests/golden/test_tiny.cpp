// SPDX-License-Identifier: MIT
// The whole model at tiny size against every forward tensor that was recorded from the official code, in float and in
// double, and the same bits for one and two threads.

#include <doctest/doctest.h>

#include <moeclip/anomaly/score_map.hpp>
#include <string>
#include <vector>

#include "tiny_model.hpp"

namespace {

using namespace golden_test;  // NOLINT

template <class T>
void judge_text(Context& context, const Model<T>& model, Judge<T>& judge) {
  const Tensor<double> ids = read_inputs<double>("text/candle/tokens");
  Tensor<std::int32_t> tokens(ids.shape());
  std::transform(ids.begin(), ids.end(), tokens.begin(), [](double id) { return static_cast<std::int32_t>(id); });
  auto on_values = [&](const std::string& name, const Shape& shape, const T* values) {
    judge.see("text/candle/" + name, values, shape.size());
  };
  auto on_indices = [](const std::string&, const Shape&, const std::int32_t*) {};
  const Probe<T> probe{on_values, on_indices};
  const ClassTokens sentences{"candle", std::as_const(tokens).view<2>(), 6};
  const auto anchors = anchors_forward<T>(context, model.text, model.adapter, sentences, &probe);
  const auto columns = anchors.vectors;
  Tensor<T> features({columns.extent(1), 2});
  for (index_t c = 0; c < columns.extent(1); ++c)
    for (index_t side = 0; side < 2; ++side) features[2 * c + side] = columns[side * columns.extent(1) + c];
  judge.see("text/candle/features", features.data(), features.size());

  const auto unwatched = anchors_forward<T>(context, model.text, model.adapter, sentences);  // stops at the end tokens
  CHECK(std::equal(unwatched.vectors.begin(), unwatched.vectors.end(), anchors.vectors.begin()));
}

template <class T>
void judge_images(Context& context, const Model<T>& model, Judge<T>& judge) {
  const Tensor<T> images = read_inputs<T>("inputs/image");
  auto on_values = [&](const std::string& name, const Shape& shape, const T* values) {
    judge.see(name, values, shape.size());
  };
  auto on_indices = [&](const std::string& name, const Shape& shape, const std::int32_t* values) {
    judge.see_indices(name, values, shape.size());
  };
  const Probe<T> probe{on_values, on_indices};
  Tensor<T> embedding({2, 96});
  auto on_map = [](index_t, View<const T, 2>) {};
  features_forward<T>(context, model.vision, model.adapter, model.positions, images.template view<4>().rows(0, 2),
                      {on_map, embedding.template view<2>(), &probe});
  judge.see("det_token", embedding.data(), embedding.size());
  judge.see("vision/positional_embedding_resized", model.positions.data(), model.positions.size());
}

/// Anchors as recorded, (C, 2).
template <class T>
TextAnchors<T> recorded_anchors(const GoldenData& golden, const std::string& name) {
  const Tensor<double> columns = golden.read("text/" + name + "/features");
  TextAnchors<T> anchors{name, Tensor<T>({2, columns.extent(0)})};
  for (index_t c = 0; c < columns.extent(0); ++c)
    for (index_t side = 0; side < 2; ++side)
      anchors.vectors[side * columns.extent(0) + c] = static_cast<T>(columns[2 * c + side]);
  return anchors;
}

template <class T>
void judge_test(Context& context, const Model<T>& model, Domain domain, const char* class_name, Judge<T>& judge) {
  const Tensor<T> images = read_inputs<T>("inputs/image");
  const auto anchors = recorded_anchors<T>(judge.golden, class_name);
  const index_t batch = 4, maps = model.adapter.config.maps();
  Tensor<T> s({batch, maps, 2, 25}), embedding({batch, 96}), raw_score({batch}), sum({batch, 70, 70});
  auto on_map = [&](index_t map, View<const T, 2> features) {
    for (index_t b = 0; b < batch; ++b)
      similarities_forward<T>(context, features.rows(b * 25, (b + 1) * 25), anchors, s.template view<4>()[b][map]);
  };
  features_forward<T>(context, model.vision, model.adapter, model.positions, images.template view<4>(),
                      {on_map, embedding.template view<2>(), nullptr});
  const std::string folder = domain == Domain::industrial ? "test_industrial/" : "test_medical/";
  for (index_t m = 0; m < maps; ++m) {
    Tensor<T> raw({batch, 5, 5});
    for (index_t b = 0; b < batch; ++b) raw_map<T>(std::as_const(s).template view<4>()[b][m], &raw[b * 25]);
    judge.see(folder + "map_raw/" + two_digits(m), raw.data(), raw.size());
  }
  for (index_t b = 0; b < batch; ++b) {
    reference_map<T>(context, std::as_const(s).template view<4>()[b], domain, sum.template view<3>()[b]);
    raw_score[b] = class_score<T>(&embedding[b * 96], anchors);
  }
  judge.see(folder + "map_sum", sum.data(), sum.size());
  judge.see(folder + "det_token", embedding.data(), embedding.size());
  judge.see(folder + "image_score_raw", raw_score.data(), raw_score.size());
}

template <class T>
void judge_runs(const char* scalar) {
  for (const Run& run : kRuns) {
    CAPTURE(run.name);
    const GoldenData golden(concat("tiny/", run.name, ".safetensors"));
    const Model<T> model = make_model<T>(run);
    std::uint64_t bits[2] = {};
    for (const int threads : {1, 2}) {
      Context context({.threads = threads});
      Judge<T> judge{golden, ""};
      judge_text(context, model, judge);
      judge_images(context, model, judge);
      if (golden.has("text/bottle/features")) {
        judge_test(context, model, Domain::industrial, "bottle", judge);
        judge_test(context, model, Domain::medical, "Brain", judge);
      }
      CHECK(judge.compared > 20);
      bits[threads - 1] = judge.bits;
      if (threads == 1)
        MESSAGE(concat(scalar, " ", run.name, ": ", judge.compared, " tensors, worst ", judge.worst, " of ", kFactor));
    }
    CHECK(bits[0] == bits[1]);
  }
}

}  // namespace

TEST_CASE("tiny model in float equals the recorded runs") { judge_runs<float>("float"); }
TEST_CASE("tiny model in double equals the recorded runs") { judge_runs<double>("double"); }
