// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <moeclip/anomaly/features.hpp>
#include <moeclip/tensor/visit.hpp>
#include <vector>

#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// Three blocks of width 16 over a grid of 3; a mixture after block 2, levels after blocks 1 and 2.
template <class T>
struct Model {
  VisionTower<T> tower{{12, 4, 16, 3, 2, 24}, 6, kernels::Activation::gelu};
  Adapter<T> adapter;
  Tensor<T> images = random_tensor<T>({3, 3, 12, 12}, "images");

  Model() {
    AdapterConfig config;
    config.mixture_blocks = {2};
    config.level_blocks = {1, 2};
    config.rank = 2;
    adapter = Adapter<T>(config, 16, 6, 8);
    const auto fill = [](const std::string& name, Tensor<T>& tensor) {
      const bool is_gain = name.find("ln_") != std::string::npos && name.ends_with("weight");
      randomize(tensor, name, 0.4f, is_gain ? 1.0f : 0.0f);
    };
    visit_parameters(tower, "visual", fill);
    visit_parameters(adapter, "", fill);
  }
};

template <class T>
struct Outcome {
  Tensor<T> maps, embeddings;
  std::vector<index_t> order;
};

template <class T>
Outcome<T> run(Context& context, const Model<T>& model, View<const T, 4> images, bool is_dense = false) {
  const index_t batch = images.extent(0), rows = batch * 9;
  Outcome<T> outcome{Tensor<T>({model.adapter.config.maps(), rows, 6}), Tensor<T>({batch, 6}), {}};
  auto on_map = [&](index_t map, View<const T, 2> features) {
    outcome.order.push_back(map);
    REQUIRE(features.extent(0) == rows);
    std::copy_n(features.data(), rows * 6, outcome.maps.data() + map * rows * 6);
  };
  FeatureSink<T> sink{on_map, outcome.embeddings.template view<2>()};
  sink.is_dense = is_dense;
  features_forward<T>(context, model.tower, model.adapter, model.tower.positional_embedding, images, sink);
  return outcome;
}

}  // namespace

TEST_CASE_TEMPLATE("maps come once each, in order; a batch gives the bits of its images", T, float, double) {
  const Model<T> model;
  Context context({.threads = 2});
  const Outcome<T> all = run<T>(context, model, model.images.template view<4>());
  CHECK(all.order == std::vector<index_t>{0, 1, 2, 3, 4, 5});
  for (index_t b = 0; b < 3; ++b) {
    const Outcome<T> one = run<T>(context, model, model.images.template view<4>().rows(b, b + 1));
    CHECK(std::equal(one.embeddings.begin(), one.embeddings.end(), all.embeddings.data() + 6 * b));
    for (index_t map = 0; map < 6; ++map)
      CHECK(std::equal(one.maps.data() + 54 * map, one.maps.data() + 54 * (map + 1),
                       all.maps.data() + 54 * (3 * map + b)));
  }
}

TEST_CASE_TEMPLATE("evaluating all experts on all tokens gives the same bits", T, float, double) {
  const Model<T> model;
  Context context({.threads = 1});
  const auto sparse = run<T>(context, model, model.images.template view<4>());
  const auto dense = run<T>(context, model, model.images.template view<4>(), true);
  CHECK(same_bits(sparse.maps, dense.maps));
  CHECK(same_bits(sparse.embeddings, dense.embeddings));
}

TEST_CASE("a mixture acts on its own level and later ones only") {
  Model<double> model;
  Context context({.threads = 1});
  const auto with = run<double>(context, model, std::as_const(model.images).view<4>());
  model.adapter.config.mix_weight = 0;  // nothing is mixed in
  const auto without = run<double>(context, model, std::as_const(model.images).view<4>());
  const index_t level = 3 * 27 * 6;  // elements of the three maps of a level
  CHECK(std::equal(with.maps.data(), with.maps.data() + level, without.maps.data()));
  CHECK_FALSE(std::equal(with.maps.data() + level, with.maps.data() + 2 * level, without.maps.data() + level));
}

TEST_CASE_TEMPLATE("the steps of a map give the same bits with memory of their own and in each other's place", T, float,
                   double) {
  const Model<T> model;
  const AdaptedModel<T> adapted{model.tower, model.tower.positional_embedding, model.adapter};
  const Tensor<T> x = random_tensor<T>({3, 10, 16}, "tokens");
  Context context({.threads = 2});
  for (index_t map = 0; map < 6; ++map) {
    Arena::Scope scratch(context.arena());
    const auto apart = MapSteps<T>::take(scratch, 27, 16, 6, true),
               in_place = MapSteps<T>::take(scratch, 27, 16, 6, false);
    for (const auto& steps : {apart, in_place}) {
      map_tokens_forward<T>(context, adapted, map, x.template view<3>(), steps);
      map_features_forward<T>(context, model.adapter, map, steps);
    }
    CHECK(apart.aggregated.data() != apart.tokens.data());
    CHECK(std::equal(apart.tokens.data(), apart.tokens.data() + 27 * 16, in_place.tokens.data()));
    CHECK(std::equal(apart.features.data(), apart.features.data() + 27 * 6, in_place.features.data()));
  }
}

TEST_CASE("watching changes nothing, and names follow the recorded data") {
  const Model<float> model;
  Context context({.threads = 1});
  std::vector<std::string> names;
  auto on_values = [&](const std::string& name, const Shape&, const float*) { names.push_back(name); };
  auto on_indices = [&](const std::string& name, const Shape& shape, const std::int32_t*) {
    names.push_back(name);
    CHECK(shape == Shape{3, 10, 2});
  };
  const Probe<float> probe{on_values, on_indices};
  Tensor<float> embeddings({3, 6});
  auto on_map = [](index_t, View<const float, 2>) {};
  FeatureSink<float> sink{on_map, embeddings.view<2>()};
  sink.probe = &probe;
  features_forward<float>(context, model.tower, model.adapter, model.tower.positional_embedding, model.images.view<4>(),
                          sink);
  CHECK(same_bits(embeddings, run<float>(context, model, model.images.view<4>()).embeddings));
  for (const char* name :
       {"vision/patch_embed", "vision/ln_pre", "vision/block_00", "vision/block_02", "moe_0/topk", "moe_0/output",
        "mixed/0", "paa/00", "ln_post/05", "seg_proj/03", "seg_tokens/05", "det/ln", "det_token"}) {
    CAPTURE(name);
    CHECK(std::ranges::count(names, name) == 1);
  }
}
