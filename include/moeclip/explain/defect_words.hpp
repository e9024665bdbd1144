// SPDX-License-Identifier: MIT
#pragma once
// The words that an explanation may use for a defect, and their directions in CLIP's space, from sentences such as
// "a photo of a gear with a scratch." and "a scratched gear.". A vocabulary of one's own is JSON, `{}` for the object:
//
//     {"normal": ["{}", "a flawless {}"], "words": {"scratch": ["a {} with a scratch", "a scratched {}"]}}

#include <string>
#include <vector>

#include "../anomaly/defect_phrases.hpp"
#include "../io/json.hpp"
#include "../io/text_file.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One kind of defect and the phrases for it; each has one {}.
struct DefectWord {
  std::string word;                  ///< what explanations call it: "scratch"
  std::vector<std::string> phrases;  ///< "a {} with a scratch"; at least one
};

/// The words that an explanation chooses from.
struct DefectVocabulary {
  std::vector<std::string> normal;  ///< phrases for an object without defect
  std::vector<DefectWord> words;    ///< at least two, or there is nothing to choose
};

/// The twelve kinds of anomaly/defect_phrases.hpp.
DefectVocabulary default_vocabulary();

/// A vocabulary from JSON; without "normal" the default phrases. Throws format, with the place.
DefectVocabulary parse_vocabulary(const Json& json, const std::string& source);

/// The same from a file. Throws io too.
DefectVocabulary read_vocabulary(const std::string& path);

/// A vocabulary about one class of objects, in CLIP's space.
template <class T>
struct DefectWords {
  std::string class_name;          ///< the noun in the place of {}
  std::vector<std::string> words;  ///< W of them
  Tensor<T> directions;            ///< (1 + W, C) unit length: row 0 without defect, then word by word
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <string_view>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC DefectVocabulary default_vocabulary() {
  DefectVocabulary vocabulary;
  vocabulary.normal.assign(kGoodPhrases.begin(), kGoodPhrases.end());
  for (const DefectPhrases& kind : kDefectPhrases)
    vocabulary.words.push_back({std::string(kind.name), {std::string(kind.with), std::string(kind.adjective)}});
  return vocabulary;
}

namespace detail {

/// A list of phrases with one {} each. Throws format.
inline std::vector<std::string> read_phrases(const Json& list, const std::string& place) {
  std::vector<std::string> phrases;
  const bool is_list = list.is_array() && list.size() > 0;
  if (!is_list) fail(ErrorCode::format, concat(place, ": a list of phrases is wanted, such as [\"a {} with a hole\"]"));
  for (const Json& phrase : list.items()) {
    const std::string text = phrase.is_string() ? phrase.as_string() : "";
    if (text.find("{}") == std::string::npos || text.find("{}") != text.rfind("{}"))
      fail(ErrorCode::format, concat(place, ": a phrase has one {} in the place of the object"));
    phrases.push_back(text);
  }
  return phrases;
}

}  // namespace detail

MOECLIP_FUNC DefectVocabulary parse_vocabulary(const Json& json, const std::string& source) {
  DefectVocabulary vocabulary = default_vocabulary();
  vocabulary.words.clear();
  if (!json.is_object()) fail(ErrorCode::format, concat(source, ": an object with \"words\" is wanted"));
  for (const auto& [key, value] : json.members()) {
    if (key == "normal") {
      vocabulary.normal = detail::read_phrases(value, concat(source, ": \"normal\""));
    } else if (key == "words" && value.is_object()) {
      for (const auto& [word, phrases] : value.members())
        vocabulary.words.push_back({word, detail::read_phrases(phrases, concat(source, ": \"", word, "\""))});
    } else {
      fail(ErrorCode::format, concat(source, ": \"", key, "\" is not \"normal\" (a list) or \"words\" (an object)"));
    }
  }
  if (vocabulary.words.size() < 2)
    fail(ErrorCode::format, concat(source, ": at least two words are wanted, to choose between"));
  return vocabulary;
}

MOECLIP_FUNC DefectVocabulary read_vocabulary(const std::string& path) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;
  return parse_vocabulary(parse_json(read_text_file(path, kMostBytes), path), path);
}

}}  // namespace moeclip::abi_v0_1

#endif
