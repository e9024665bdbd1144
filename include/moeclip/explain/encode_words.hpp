// SPDX-License-Identifier: MIT
#pragma once
// The directions in CLIP's space of the words that an explanation may use (defect_words.hpp).

#include <string>

#include "../clip/clip.hpp"
#include "defect_words.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Encodes a vocabulary with `class_name`, a readable noun, in the place of the object.
template <class T>
DefectWords<T> encode_words(Context& context, const Clip<T>& clip, const std::string& class_name,
                            const DefectVocabulary& vocabulary = default_vocabulary());

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <string_view>
#include <vector>

#include "../anomaly/anchors.hpp"
#include "../anomaly/prompts.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
DefectWords<T> encode_words(Context& context, const Clip<T>& clip, const std::string& class_name,
                            const DefectVocabulary& vocabulary) {
  DefectWords<T> words{class_name, {}, Tensor<T>({1 + std::ssize(vocabulary.words), clip.config().embed})};
  const auto encode = [&](const std::vector<std::string>& phrases, index_t row) {
    std::vector<std::string> sentences;
    for (const std::string& phrase : phrases)
      for (const std::string_view pattern : kTemplates)
        sentences.push_back(detail::fill_in(pattern, detail::fill_in(phrase, class_name)));
    const Tensor<T> vectors = clip.encode_text(context, sentences);
    detail::mean_direction<T>(vectors.template view<2>(), words.directions.data() + row * clip.config().embed);
  };
  encode(vocabulary.normal, 0);
  for (const DefectWord& word : vocabulary.words) {
    words.words.push_back(word.word);
    encode(word.phrases, std::ssize(words.words));
  }
  return words;
}

MOECLIP_INSTANTIATE(encode_words)

}}  // namespace moeclip::abi_v0_1

#endif
