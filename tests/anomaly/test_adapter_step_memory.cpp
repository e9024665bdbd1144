// SPDX-License-Identifier: MIT
// A step of training, among the tests of anomaly/ because their program counts what is taken from the heap.
#include <doctest/doctest.h>

#include "../train/tiny_training.hpp"
#include "heap_count.hpp"

TEST_CASE("the second step of training takes nothing from the heap") {
  using namespace step_test;  // NOLINT
  for (const bool is_training : {false, true})
    for (const index_t budget : {0, 1}) {
      CAPTURE(is_training);
      CAPTURE(budget);
      Context context({.threads = 2});
      TinyTraining<float> training;
      training.options.is_training = is_training;
      training.options.expert_dropout = 0.1;
      training.options.memory_budget_bytes = budget;
      training.step(context);
      const long before = heap_allocations();
      CHECK(before > 0);
      adapter_forward_backward<float>(context, {training.tower, training.tower.positional_embedding, training.adapter},
                                      {training.batch, training.texts, training.options}, training.work,
                                      &training.gradient);
      CHECK(heap_allocations() == before);
    }
}
