// SPDX-License-Identifier: MIT
#pragma once
// Says what classes are called in sentences: "metal_nut" is "metal nut", and "01" of BTAD becomes something that a text
// tower can know. A word list is JSON; all members may be left out, and classes may lie in groups of any name:
//     {"normal": ["{}", "a {}"], "abnormal": ["a damaged {}"], "templates": ["a photo of {}."],
//      "classes": {"MVTec": {"metal_nut": "metal nut"},
//                  "bolt": {"words": "steel bolt", "normal": ["a bolt."], "abnormal": ["a bent bolt."]}}}
// States and templates have a `{}` each; sentences that belong to one class are taken as they are.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../anomaly/prompts.hpp"
#include "../base/lists.hpp"
#include "../io/data_directories.hpp"  // makes the folder of this file's build known
#include "../io/json.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// File name of the installed word list.
inline constexpr std::string_view kClassWordsFile = "class_words.json";

/// What classes are called, and the sentences that their text anchors are made of.
class ClassWords {
 public:
  /// No words of its own: names with spaces for underscores, states and templates of anomaly/prompts.hpp.
  ClassWords() = default;

  /// Adds what a list says, which counts before what is there. Throws io, and format with the place in the file.
  void add(const std::string& path);
  void add(const Json& list, std::string_view source);

  /// What a class is called in a sentence.
  [[nodiscard]] std::string words(const std::string& class_name) const;

  /// Whether a list that was added has words for this class.
  [[nodiscard]] bool knows(const std::string& class_name) const { return classes_.contains(class_name); }

  /// The sentences about a class.
  [[nodiscard]] Prompts prompts(const std::string& class_name) const;

  /// Names of the classes that have words, sorted.
  [[nodiscard]] std::vector<std::string> classes() const;

 private:
  struct Entry {
    std::string words;
    Prompts own;  // empty: made from states and templates
  };

  [[noreturn]] static void fail_list(std::string_view place, std::string_view wanted, const Json& found);

  static std::vector<std::string> sentences(const Json& list, std::string_view place);

  static std::vector<std::string> patterns(const Json& list, std::string_view place);

  /// An object is a group of classes, or a class that has "words".
  void add_classes(const Json& group, std::string_view place, int depth);

  static Entry entry(const Json& value, std::string_view place);

  [[nodiscard]] std::vector<std::string> in_templates(const std::vector<std::string>& states,
                                                      std::string_view name) const;

  std::vector<std::string> normal_{kNormalStates.begin(), kNormalStates.end()};
  std::vector<std::string> abnormal_{kAbnormalStates.begin(), kAbnormalStates.end()};
  std::vector<std::string> templates_{kTemplates.begin(), kTemplates.end()};
  std::map<std::string, Entry> classes_;
};

/// Path of the installed word list, in one of the folders of data_directories. Empty if it is in none of them.
std::string find_class_words();

/// The installed words, if there are any, and before them those of `path`, if one is given.
ClassWords load_class_words(const std::string& path = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <utility>

#include "../io/text_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void ClassWords::add(const std::string& path) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 20;
  add(parse_json(read_text_file(path, kMostBytes), path), path);
}

MOECLIP_FUNC void ClassWords::add(const Json& list, std::string_view source) {
  if (!list.is_object()) fail_list(source, "an object", list);
  for (const auto& [key, value] : list.members()) {
    if (key == "normal" || key == "abnormal")
      (key == "normal" ? normal_ : abnormal_) = patterns(value, concat(source, ": \"", key, "\""));
    else if (key == "templates")
      templates_ = patterns(value, concat(source, ": \"templates\""));
    else if (key == "classes")
      add_classes(value, concat(source, ": \"classes\""), 0);
    else if (key != "about")
      fail(ErrorCode::format, concat(source, ": \"", key, "\" is none of about, normal, abnormal, templates, classes"));
  }
}

MOECLIP_FUNC std::string ClassWords::words(const std::string& class_name) const {
  if (const auto found = classes_.find(class_name); found != classes_.end()) return found->second.words;
  std::string words = class_name;
  lists::replace(words, '_', ' ');
  return words;
}

MOECLIP_FUNC Prompts ClassWords::prompts(const std::string& class_name) const {
  const auto found = classes_.find(class_name);
  if (found != classes_.end() && !found->second.own.normal.empty()) return found->second.own;
  const std::string name = words(class_name);
  return {in_templates(normal_, name), in_templates(abnormal_, name)};
}

MOECLIP_FUNC std::vector<std::string> ClassWords::classes() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : classes_) names.push_back(name);
  return names;
}

MOECLIP_FUNC void ClassWords::fail_list(std::string_view place, std::string_view wanted, const Json& found) {
  fail(ErrorCode::format, concat(place, ": ", wanted, " was wanted, found ", to_string(found.kind())));
}

MOECLIP_FUNC std::vector<std::string> ClassWords::sentences(const Json& list, std::string_view place) {
  std::vector<std::string> all;
  if (!list.is_array() || list.size() == 0) fail_list(place, "a list of sentences", list);
  for (const Json& sentence : list.items()) {
    if (!sentence.is_string()) fail_list(place, "a sentence", sentence);
    all.push_back(sentence.as_string());
  }
  return all;
}

MOECLIP_FUNC std::vector<std::string> ClassWords::patterns(const Json& list, std::string_view place) {
  std::vector<std::string> all = sentences(list, place);
  for (const std::string& pattern : all)
    if (pattern.find("{}") == std::string::npos)
      fail(ErrorCode::format, concat(place, ": \"", pattern, "\" has no {} for what it is about"));
  return all;
}

MOECLIP_FUNC void ClassWords::add_classes(const Json& group, std::string_view place, int depth) {
  constexpr int kDeepest = 8;
  if (!group.is_object() || depth > kDeepest) fail_list(place, "an object of classes", group);
  for (const auto& [name, value] : group.members()) {
    const std::string inner = concat(place, ": \"", name, "\"");
    if (value.is_string())
      classes_[name] = {value.as_string(), {}};
    else if (value.is_object() && value.find("words") == nullptr)
      add_classes(value, inner, depth + 1);
    else
      classes_[name] = entry(value, inner);
  }
}

MOECLIP_FUNC ClassWords::Entry ClassWords::entry(const Json& value, std::string_view place) {
  if (!value.is_object()) fail_list(place, "words", value);
  const Json *words = value.find("words"), *normal = value.find("normal"), *abnormal = value.find("abnormal");
  if (!words->is_string()) fail_list(place, "\"words\" as a string", *words);
  if ((normal == nullptr) != (abnormal == nullptr))
    fail(ErrorCode::format, concat(place, ": sentences are wanted for both states, \"normal\" and \"abnormal\""));
  if (normal == nullptr) return {words->as_string(), {}};
  return {words->as_string(), {sentences(*normal, place), sentences(*abnormal, place)}};
}

MOECLIP_FUNC std::vector<std::string> ClassWords::in_templates(const std::vector<std::string>& states,
                                                               std::string_view name) const {
  std::vector<std::string> all;
  for (const std::string& state : states)
    for (const std::string& pattern : templates_) all.push_back(detail::fill_in(pattern, detail::fill_in(state, name)));
  return all;
}

MOECLIP_FUNC std::string find_class_words() {
  for (const std::string& folder : data_directories())
    if (std::string path = join_path(folder, std::string(kClassWordsFile)); file_exists(path)) return path;
  return "";
}

MOECLIP_FUNC ClassWords load_class_words(const std::string& path) {
  ClassWords words;
  if (const std::string installed = find_class_words(); !installed.empty()) words.add(installed);
  if (!path.empty()) words.add(path);
  return words;
}

}}  // namespace moeclip::abi_v0_1

#endif
