// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

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
