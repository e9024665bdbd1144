// SPDX-License-Identifier: MIT
#pragma once
// CLIP's vocabulary comes in three kinds of files, which are read here from text to a `Vocabulary`:
//   bpe_simple_vocab_16e6.txt   OpenAI: a header line, then one merge a line; ids follow from the order
//   vocab.json + merges.txt     Hugging Face: ids by token, and the same list of merges
//   tokenizer.json              Hugging Face "fast": both in one; merges as "a b" or as ["a", "b"]
// Tokens are written in an alphabet of 256 printable characters, one per byte; a token that ends a piece ends in
// "</w>".

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../base/lists.hpp"
#include "../../io/json.hpp"
#include "bpe.hpp"
#include "text_pieces.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr std::string_view kEndOfWord = "</w>";

/// Merges that CLIP uses of a list in text form, however long: 49152 - 256 - 2, as OpenAI's reader cuts it.
inline constexpr std::size_t kMaxListedMerges = 48894;

/// True for the 188 bytes that the alphabet writes as the Latin-1 character of their number: those that print.
constexpr bool is_printed_byte(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

/// The byte alphabet, both ways: printed bytes stand for themselves, the other 68 for U+0100, U+0101, ... in order.
struct ByteAlphabet {
  std::array<char16_t, 256> code_points{};   // by byte
  std::array<std::int16_t, 256 + 68> bytes;  // by code point, -1 for none

  constexpr ByteAlphabet() {
    bytes.fill(-1);
    char16_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      code_points[byte] = is_printed_byte(byte) ? static_cast<char16_t>(byte) : next++;
      bytes[code_points[byte]] = static_cast<std::int16_t>(byte);
    }
  }
};
inline constexpr ByteAlphabet kByteAlphabet;

namespace detail {

struct MergeText {
  std::string_view left, right;
};

inline std::string byte_symbol(unsigned byte) {
  std::string symbol;
  append_utf8(symbol, kByteAlphabet.code_points[byte]);
  return symbol;
}

/// Splits "left right" at its one space.
inline std::optional<MergeText> split_merge(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == 0 || space >= text.size() - 1 || text.find(' ', space + 1) != std::string_view::npos) return {};
  return MergeText{text.substr(0, space), text.substr(space + 1)};
}

/// Takes the first line off `text`, without its end, LF or CR LF.
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = (std::min)(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix((std::min)(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// Merges of a list in text form: all lines after the header, of which only the first kMaxListedMerges count. The last
/// line may be ended, more than once even.
inline std::vector<MergeText> read_merge_lines(std::string_view text, std::string_view source) {
  const std::string_view header = take_line(text);
  if (header.find("#version") == std::string_view::npos)
    fail(ErrorCode::format, concat(source, ": is no list of merges: line 1 is \"", excerpt(header),
                                   "\", a header with \"#version\" was expected"));
  text = text.substr(0, text.find_last_not_of("\r\n") + 1);  // nothing is left if there is no other: npos + 1 is 0
  std::vector<MergeText> merges;
  while (!text.empty() && merges.size() < kMaxListedMerges) {
    const std::string_view line = take_line(text);
    const auto merge = split_merge(line);
    if (!merge)
      fail(ErrorCode::format, concat(source, ": line ", merges.size() + 2, " is \"", excerpt(line),
                                     "\"; a merge is two tokens with one space between"));
    merges.push_back(*merge);
  }
  return merges;
}

/// Joins tokens and merges to a vocabulary: finds every token by its text and says what is missing.
class VocabularyIndex {
 public:
  VocabularyIndex(std::string source, std::vector<std::string> tokens) {
    result_.source = std::move(source);
    result_.tokens = std::move(tokens);
    ids_.reserve(result_.tokens.size());
    // Two merges may make the same text. Then the later id is meant, as in OpenAI's dictionary.
    for (std::size_t id = 0; id < result_.tokens.size(); ++id)
      ids_.insert_or_assign(result_.tokens[id], static_cast<std::int32_t>(id));
  }

  Vocabulary finish(const std::vector<MergeText>& merges, std::string_view merges_source) && {
    for (unsigned byte = 0; byte < 256; ++byte) {
      result_.inner_bytes[byte] = id_of(byte_symbol(byte), concat("byte ", byte));
      result_.last_bytes[byte] = id_of(byte_symbol(byte).append(kEndOfWord), concat("byte ", byte, " at a word's end"));
    }
    result_.start = id_of(kStartOfText, "the start of a text");
    result_.end = id_of(kEndOfText, "the end of a text");
    result_.merges.reserve(merges.size());
    for (const MergeText& merge : merges) {
      const auto in_merge = [&](std::string_view token) {
        const auto found = ids_.find(token);
        if (found != ids_.end()) return found->second;
        fail(ErrorCode::format,
             concat(merges_source, ": merge ", result_.merges.size() + 1, ", \"", excerpt(merge.left), " ",
                    excerpt(merge.right), "\": \"", excerpt(token), "\" is not in the vocabulary"));
      };
      const std::string joined = std::string(merge.left).append(merge.right);
      result_.merges.push_back({in_merge(merge.left), in_merge(merge.right), in_merge(joined)});
    }
    return std::move(result_);
  }

 private:
  std::int32_t id_of(std::string_view token, std::string_view meaning) const {
    const auto found = ids_.find(token);
    if (found == ids_.end())
      fail(ErrorCode::missing, concat(result_.source, ": is no vocabulary of CLIP's: the token \"", token, "\" (",
                                      meaning, ") is missing"));
    return found->second;
  }

  Vocabulary result_;
  std::unordered_map<std::string_view, std::int32_t> ids_;  // views of result_.tokens, whose strings stay in place
};

/// Tokens by id, from pairs of text and id. The ids of n tokens must be 0 to n - 1, each once.
class TokenTable {
 public:
  TokenTable(std::string_view source, std::size_t size) : source_(source), tokens_(size), is_set_(size) {}

  void set(const std::string& token, const Json& id) {
    const bool is_natural = id.is_integer() && (id.as_number() >= 0);
    if (!is_natural || id.as_uint64() >= tokens_.size())
      fail(ErrorCode::format,
           concat(source_, ": token \"", excerpt(token), "\" has ", describe(id), "; the ids of ",
                  counted(tokens_.size(), "token"), " are 0 to ", tokens_.size() - 1, ", each once"));
    const auto index = static_cast<std::size_t>(id.as_uint64());
    if (is_set_[index])
      fail(ErrorCode::format, concat(source_, ": tokens \"", excerpt(tokens_[index]), "\" and \"", excerpt(token),
                                     "\" have the same id ", index));
    tokens_[index] = token;
    is_set_[index] = true;
  }

  /// As many tokens were set as there are ids, and none twice: there is no hole.
  std::vector<std::string> take() && { return std::move(tokens_); }

 private:
  static std::string describe(const Json& id) {
    if (!id.is_integer()) return "an id that is no integer";
    return id.as_number() < 0 ? concat("id ", id.as_int64()) : concat("id ", id.as_uint64());
  }

  std::string_view source_;
  std::vector<std::string> tokens_;
  std::vector<bool> is_set_;
};

/// Member `key` of `object`, null if absent. Throws format if it is there and of another kind than `kind`.
inline const Json* find_kind(const Json& object, std::string_view key, Json::Kind kind, std::string_view source) {
  const Json* found = object.find(key);
  if (found == nullptr || found->is_null()) return nullptr;
  if (found->kind() != kind) fail(ErrorCode::format, concat(source, ": \"", key, "\" is of the wrong JSON type"));
  return found;
}

inline const Json& expect_kind(const Json& object, std::string_view key, Json::Kind kind, std::string_view source) {
  const Json* found = find_kind(object, key, kind, source);
  if (found == nullptr) fail(ErrorCode::missing, concat(source, ": \"", key, "\" is missing"));
  return *found;
}

/// Throws unsupported unless string member `key` of `model` is `wanted`; absent counts as "".
inline void expect_setting(const Json& model, std::string_view key, std::string_view wanted, std::string_view source) {
  const Json* found = find_kind(model, key, Json::Kind::string, source);
  const std::string_view value = found == nullptr ? std::string_view() : found->as_string();
  if (value != wanted)
    fail(ErrorCode::unsupported, concat(source, ": \"", key, "\" of its model is \"", excerpt(value),
                                        "\"; CLIP's is \"", wanted, "\", and nothing else is supported"));
}

/// True if the pre-tokenizer, or one of a sequence of them, writes text in the byte alphabet.
inline bool is_byte_level(const Json& pre_tokenizer) {
  const auto is_named = [](const Json& step) {
    const Json* type = step.is_object() ? step.find("type") : nullptr;
    return type != nullptr && type->is_string() && type->as_string() == "ByteLevel";
  };
  if (is_named(pre_tokenizer)) return true;
  const Json* steps = pre_tokenizer.find("pretokenizers");
  return steps != nullptr && steps->is_array() && lists::any_of(steps->items(), is_named);
}

/// Refuses tokenizers of other models: their tokens would come out wrong without a word.
inline void expect_clip_model(const Json& root, const Json& model, std::string_view source) {
  const Json* type = find_kind(model, "type", Json::Kind::string, source);  // old files have none
  if (type != nullptr && type->as_string() != "BPE")
    fail(ErrorCode::unsupported, concat(source, ": holds a tokenizer of type \"", excerpt(type->as_string()),
                                        "\"; CLIP's is a byte-level BPE, and nothing else is supported"));
  expect_setting(model, "end_of_word_suffix", kEndOfWord, source);
  expect_setting(model, "continuing_subword_prefix", "", source);
  const Json* pre_tokenizer = find_kind(root, "pre_tokenizer", Json::Kind::object, source);
  if (pre_tokenizer == nullptr || !is_byte_level(*pre_tokenizer))
    fail(ErrorCode::unsupported, concat(source, ": its BPE is not byte-level (\"pre_tokenizer\"), as CLIP's is"));
}

/// The text of one merge, whichever of the two ways it is written in; a view of `item`.
inline std::optional<MergeText> read_json_merge(const Json& item) {
  if (item.is_string()) return split_merge(item.as_string());
  if (!item.is_array() || item.size() != 2) return {};
  const Json &left = item.items()[0], &right = item.items()[1];
  if (!left.is_string() || !right.is_string() || left.as_string().empty() || right.as_string().empty()) return {};
  return MergeText{left.as_string(), right.as_string()};
}

inline std::vector<MergeText> read_json_merges(const Json& list, std::string_view source) {
  std::vector<MergeText> merges;
  merges.reserve(list.size());
  for (const Json& item : list.items()) {
    const auto merge = read_json_merge(item);
    if (!merge)
      fail(ErrorCode::format,
           concat(source, ": merge ", merges.size() + 1, " is neither \"left right\" nor [\"left\", \"right\"]"));
    merges.push_back(*merge);
  }
  return merges;
}

/// Tokens of "vocab", and those of "added_tokens" that are not among them already.
inline std::vector<std::string> collect_tokens(const Json& vocab, const Json* added_tokens, std::string_view source) {
  std::vector<std::pair<const std::string*, const Json*>> added;
  if (added_tokens != nullptr)
    for (const Json& token : added_tokens->items()) {
      if (!token.is_object()) fail(ErrorCode::format, concat(source, ": an entry of \"added_tokens\" is no object"));
      const std::string& content = expect_kind(token, "content", Json::Kind::string, source).as_string();
      const Json& id = expect_kind(token, "id", Json::Kind::number, source);
      const Json* known = vocab.find(content);
      if (known == nullptr) {
        added.emplace_back(&content, &id);
      } else if (!(*known == id)) {
        fail(ErrorCode::format, concat(source, ": \"", excerpt(content),
                                       "\" has one id in \"vocab\" and another one in \"added_tokens\""));
      }
    }
  TokenTable table(source, vocab.size() + added.size());
  for (const auto& [token, id] : vocab.members()) table.set(token, id);
  for (const auto& [token, id] : added) table.set(*token, *id);
  return std::move(table).take();
}

}  // namespace detail

/// Reads OpenAI's list. Ids: the 256 byte symbols, printed bytes first; the same with "</w>"; the results of the
/// merges; start and end. Throws format, with the line, if a line is no merge, or a merge names a token that nothing
/// makes.
inline Vocabulary read_merge_list(std::string_view text, const std::string& source) {
  const auto merges = detail::read_merge_lines(text, source);
  std::vector<std::string> tokens;
  tokens.reserve(merges.size() + 514);
  for (const std::string_view suffix : {std::string_view(), kEndOfWord})
    for (const bool is_printed : {true, false})
      for (unsigned byte = 0; byte < 256; ++byte)
        if (is_printed_byte(byte) == is_printed) tokens.push_back(detail::byte_symbol(byte).append(suffix));
  for (const auto& [left, right] : merges) tokens.push_back(std::string(left).append(right));
  for (const std::string_view special : {kStartOfText, kEndOfText}) tokens.emplace_back(special);
  return detail::VocabularyIndex(source, std::move(tokens)).finish(merges, source);
}

/// Reads Hugging Face's pair of files: `vocab`, the parsed vocab.json, and the text of merges.txt. Throws format for
/// ids that are not 0 to n - 1, each once, and for merges of or to unknown tokens; missing without the byte symbols,
/// the start or the end token.
inline Vocabulary read_vocab_json(const Json& vocab, const std::string& source, std::string_view merges,
                                  const std::string& merges_source) {
  if (!vocab.is_object()) fail(ErrorCode::format, concat(source, ": is no JSON object of tokens and ids"));
  detail::VocabularyIndex index(source, detail::collect_tokens(vocab, nullptr, source));
  return std::move(index).finish(detail::read_merge_lines(merges, merges_source), merges_source);
}

/// Reads the parsed tokenizer.json. Its normaliser and pattern are not interpreted: text is treated as CLIP does.
/// Throws as read_vocab_json does, and unsupported for tokenizers of another kind than CLIP's.
inline Vocabulary read_tokenizer_json(const Json& root, const std::string& source) {
  if (!root.is_object()) fail(ErrorCode::format, concat(source, ": is no JSON object"));
  const Json& model = detail::expect_kind(root, "model", Json::Kind::object, source);
  detail::expect_clip_model(root, model, source);
  const Json& vocab = detail::expect_kind(model, "vocab", Json::Kind::object, source);
  const Json* added = detail::find_kind(root, "added_tokens", Json::Kind::array, source);
  const Json& merges = detail::expect_kind(model, "merges", Json::Kind::array, source);
  detail::VocabularyIndex index(source, detail::collect_tokens(vocab, added, source));
  return std::move(index).finish(detail::read_json_merges(merges, source), source);
}

}}  // namespace moeclip::abi_v0_1
