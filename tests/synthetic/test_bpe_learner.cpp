// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/synthetic/bpe_learner.hpp>
#include <string>
#include <vector>

using namespace moeclip;  // NOLINT

TEST_CASE("the most frequent pair comes first, the first in byte order of equals") {
  const std::vector<std::string> captions = {"abab", "ab cd", "cd ab"};
  // a b</w>: twice as a word, once at the end of abab; then a b inside abab
  CHECK(learn_merges(captions, 1) == "#version: 0.2 - moeclip\na b</w>\n");
  CHECK(learn_merges(captions, 2) == "#version: 0.2 - moeclip\na b</w>\nc d</w>\n");
  CHECK(learn_merges(captions, 9) == "#version: 0.2 - moeclip\na b</w>\nc d</w>\na b\nab ab</w>\n");
  CHECK(learn_merges({}, 9) == "#version: 0.2 - moeclip\n");
}

TEST_CASE("words become single tokens, and words never seen stay readable") {
  const std::vector<std::string> captions = {"A photo of a damaged gear.", "a photo of a gear with a scratch.",
                                             "caf\xC3\xA9s don't, they do 2x"};
  const Tokenizer tokenizer(vocabulary_of_merges(learn_merges(captions, 500), "learned"));
  CHECK(tokenizer.encode("photo damaged scratch").size() == 3);
  CHECK(tokenizer.encode("a photo of a gear with damaged scratch.").size() == 9);
  CHECK(tokenizer.encode("caf\xC3\xA9s don't").size() == 3);
  for (const std::string text : {"a photo of a damaged gear . ", "un known \xE2\x82\xAC 7 "})
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  CHECK(tokenizer.vocabulary_size() < 514 + 500);
}

TEST_CASE("a list is a function of the captions, not of their order") {
  CHECK(learn_merges(std::vector<std::string>{"some words", "more words"}, 20) ==
        learn_merges(std::vector<std::string>{"more words", "some words"}, 20));
}
