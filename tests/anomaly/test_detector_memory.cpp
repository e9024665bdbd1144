// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/model.hpp>

#include "detector_fixtures.hpp"
#include "heap_count.hpp"

TEST_CASE("the second picture of a size takes nothing from the heap") {
  using namespace detector_test;  // NOLINT
  const TextAnchors<float> anchors = random_anchors();
  const index_t sizes[][2] = {{70, 70}, {200, 50}, {3, 900}, {1, 1}};
  for (const index_t channels : {3, 1})
    for (const auto& [width, height] : sizes)
      for (const int threads : {1, 2}) {
        const std::string label = concat(width, "x", height, "x", channels, ", ", threads, " threads");
        CAPTURE(label);
        const Image first = random_picture(width, height, channels, "first");
        const Image second = random_picture(width, height, channels, "second");
        Context context({.threads = threads});
        Detection result;
        result.regions.reserve(100);
        shared_detector().detect(context, first.view(), anchors, result);
        const long before = heap_allocations();
        CHECK(before > 0);
        shared_detector().detect(context, second.view(), anchors, result);
        shared_detector().detect(context, first.view(), anchors, result);
        CHECK(heap_allocations() == before);
      }
}

TEST_CASE("the second picture that a model judges takes nothing from the heap, however it judges") {
  using namespace detector_test;  // NOLINT
  const auto load = [](index_t i) { return random_picture(70, 70, 3, concat("good/", i)); };
  Context learning;
  const TextAnchors<float> anchors = random_anchors();
  LearnOptions options;
  options.patches = 50;
  PartModel models[4];
  for (PartModel& model : models) model.detector = small_detector();
  for (PartModel* const model : {&models[0], &models[1]}) model->anchors.push_back(random_anchors());
  models[2].memory = learn<float>(learning, *models[2].detector, {4, load}, options);
  models[3].memory = learn_textures<float>(learning, {4, load}, options);
  options.text_weight = 0.5;
  models[1].memory = learn<float>(learning, *models[1].detector, {4, load}, options, &anchors);
  for (PartModel& model : models)
    for (const auto& [threads, tile] : {std::pair(1, 0), {2, 0}, {1, 40}, {2, 40}}) {
      CAPTURE(threads);
      CAPTURE(tile);
      model.tiles = {tile, tile / 4};
      const Image first = random_picture(90, 60, 3, "first"), second = random_picture(90, 60, 3, "second");
      Context context({.threads = threads});
      Detection result;
      result.tile.resize(1);
      for (Detection* const each : {&result, &result.tile[0]}) each->regions.reserve(1000);
      model.detect(context, first.view(), result);
      const long before = heap_allocations();
      model.detect(context, second.view(), result);
      model.detect(context, first.view(), result);
      CHECK(heap_allocations() == before);
    }
}
