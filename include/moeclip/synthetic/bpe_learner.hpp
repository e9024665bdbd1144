// SPDX-License-Identifier: MIT
#pragma once
// Learning a small vocabulary from captions (byte-pair encoding, Sennrich et al. 2016, algorithm 1): every word starts
// as its bytes, and the most frequent pair of adjacent tokens becomes a token of its own, again and again. The result
// is the text of a list of merges in OpenAI's form, which Tokenizer can open (clip/tokenizer/vocabulary.hpp).

#include <span>
#include <string>

#include "../clip/tokenizer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The list of at most `merges` merges that the words of `captions` suggest; fewer if every word has become one token.
/// Of pairs that are equally frequent the first in byte order counts. O(merges * different words).
std::string learn_merges(std::span<const std::string> captions, index_t merges);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

using Symbols = std::vector<std::string>;
using SymbolPair = std::pair<std::string, std::string>;

/// Joins every `pair` in `word`, from left to right.
inline void join_pair(Symbols& word, const SymbolPair& pair) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < word.size(); ++kept) {
    const bool is_pair = i + 1 < word.size() && word[i] == pair.first && word[i + 1] == pair.second;
    std::string symbol = is_pair ? pair.first + pair.second : word[i];
    i += is_pair ? 2 : 1;
    word[kept] = std::move(symbol);
  }
  word.resize(kept);
}

}  // namespace detail

MOECLIP_FUNC std::string learn_merges(std::span<const std::string> captions, index_t merges) {
  std::map<detail::Symbols, index_t> words;
  for (const std::string& caption : captions)
    for (detail::Symbols& word : byte_symbols(caption)) ++words[std::move(word)];
  std::vector<std::pair<detail::Symbols, index_t>> counted(words.begin(), words.end());

  std::string list = "#version: 0.2 - moeclip\n";
  for (index_t n = 0; n < merges; ++n) {
    std::map<detail::SymbolPair, index_t> pairs;
    for (const auto& [word, count] : counted)
      for (std::size_t i = 0; i + 1 < word.size(); ++i) pairs[{word[i], word[i + 1]}] += count;
    if (pairs.empty()) break;
    const auto rarer = [](const auto& a, const auto& b) { return a.second < b.second; };
    const detail::SymbolPair best = std::max_element(pairs.begin(), pairs.end(), rarer)->first;
    for (auto& [word, count] : counted) detail::join_pair(word, best);
    list += concat(best.first, " ", best.second, "\n");
  }
  return list;
}

}}  // namespace moeclip::abi_v0_1

#endif
