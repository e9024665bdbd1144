// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <moeclip/synthetic/bpe_learner.hpp>
#include <moeclip/synthetic/pairs.hpp>
#include <set>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer learned(vocabulary_of_merges(learn_merges(pretraining_captions(), 2000), "learned"));
  return learned;
}

SyntheticPairsOptions small_options() {
  SyntheticPairsOptions options;
  options.pairs = 5;
  options.categories = 2;
  options.size = 32;
  options.smallest = 40;
  options.largest = 48;
  options.pool = 20;
  options.renewed = 3;
  return options;
}

PretrainBatch<float> batch_at(SyntheticPairs& pairs, index_t step, int threads = 1) {
  Context context({.threads = threads});
  PretrainBatch<float> batch;
  pairs.fill(context, step, batch);
  return batch;
}

std::string caption_of(const PretrainBatch<float>& batch, index_t i) {
  const index_t length = batch.tokens.extent(1);
  const auto ids =
      batch.tokens.values().subspan(static_cast<std::size_t>(i * length), static_cast<std::size_t>(length));
  const auto end = std::ranges::find(ids, tokenizer().end_token());
  return tokenizer().decode(ids.subspan(1, static_cast<std::size_t>(end - ids.begin()) - 1));
}

bool is_about_a_defect(const std::string& caption) {
  for (const char* word : {"with", "damaged", "broken", "scratched", "cracked", "pierced", "stained", "incomplete",
                           "bent", "discoloured", "misprinted", "dirty", "dented", "burnt"})
    if (caption.find(word) != std::string::npos && caption.find("without") == std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("a batch is a function of its number, however it was reached") {
  SyntheticPairs one(small_options(), tokenizer(), 32), other(small_options(), tokenizer(), 32);
  for (const index_t step : {0, 1, 2}) batch_at(one, step);
  const auto a = batch_at(one, 3), b = batch_at(other, 3, 2);
  CHECK(same_bits(a.images, b.images));
  CHECK(same_bits(a.tokens, b.tokens));
  CHECK(same_bits(a.matches, b.matches));
  CHECK_FALSE(same_bits(batch_at(one, 4).images, a.images));
  CHECK(same_bits(batch_at(one, 3).images, a.images));  // back again
}

TEST_CASE("every second picture is defective, its caption says so, and is true of it") {
  SyntheticPairs pairs(small_options(), tokenizer(), 32);
  index_t shared = 0;
  for (const index_t step : {0, 1, 2, 3}) {
    const auto batch = batch_at(pairs, step);
    REQUIRE(batch.images.shape() == Shape{10, 3, 32, 32});
    for (index_t i = 0; i < 10; ++i) {
      const std::string caption = caption_of(batch, i);
      CAPTURE(caption);
      CHECK(is_about_a_defect(caption) == (i % 2 == 1));
      CHECK(batch.matches[i * 10 + i] == 1);
      for (index_t j = 0; j < 10; ++j) {
        if (i % 2 != j % 2) CHECK(batch.matches[i * 10 + j] == 0);  // no caption is true of both states
        shared += i != j && batch.matches[i * 10 + j] == 1 ? 1 : 0;
      }
    }
    CHECK_FALSE(std::equal(batch.images.data(), batch.images.data() + 3 * 32 * 32, batch.images.data() + 3 * 32 * 32));
  }
  CHECK(shared > 0);
}

TEST_CASE("whole pictures are shown where windows have their size") {
  SyntheticPairsOptions options = small_options();
  options.size = options.smallest = options.largest = 32;
  SyntheticPairs pairs(options, tokenizer(), 32);
  CHECK(batch_at(pairs, 0).images.shape() == Shape{10, 3, 32, 32});
}

TEST_CASE("what is kept for judging is never drawn") {
  for (index_t c = 0; c < std::ssize(pretraining_categories()); ++c) {
    const auto kinds = pretraining_defects(c);
    CHECK(kinds.size() >= 3);
    for (const auto kind : kinds) {
      const std::string_view name = synthetic::kDefectNames[static_cast<std::size_t>(kind)];
      CHECK(std::ranges::find(unseen_defects(), name) == unseen_defects().end());
      CHECK_FALSE(is_held_out(c, kind));
    }
  }
  for (const std::string& caption : pretraining_captions())
    for (const std::string_view name : unseen_categories())
      CHECK_MESSAGE(caption.find(concat(" ", name, " ")) == std::string::npos, caption);
}

TEST_CASE("every caption of the corpus fits, its words are single tokens") {
  for (const std::string& caption : pretraining_captions()) {
    const auto ids = tokenizer().encode(caption);
    const auto words = std::count(caption.begin(), caption.end(), ' ') + 1;
    CHECK(std::ssize(ids) == words + 1);  // and the full stop
    CHECK(ids.size() <= 30);
  }
  CHECK(tokenizer().vocabulary_size() < 1000);
}

TEST_CASE("pools and windows that make no sense are told") {
  SyntheticPairsOptions options = small_options();
  options.pool = 3;
  expect_error(ErrorCode::contract, {"pool of 3"}, [&] { SyntheticPairs(options, tokenizer(), 32); });
  options = small_options();
  options.size = 50;
  expect_error(ErrorCode::contract, {"50 pixels", "40 to 48"}, [&] { SyntheticPairs(options, tokenizer(), 32); });
}
