// SPDX-License-Identifier: MIT
#pragma once
// CLIP's tokenizer turns text into token ids. It equals OpenAI's simple_tokenizer.py but for ftfy
// (tokenizer/text_pieces.hpp says what that leaves out), whichever kind of file the vocabulary comes from; Hugging
// Face's own variants (NFC, other cleaning) are not imitated. First tokenizer/text_pieces.hpp cleans and splits the
// text, then tokenizer/bpe.hpp joins bytes to tokens.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../io/data_directories.hpp"  // makes the folder of this file's build known
#include "tokenizer/vocabulary.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Immutable: any number of threads may use one.
class Tokenizer {
 public:
  /// Opens a vocabulary file or folder of any kind that open_vocabulary knows; throws what it throws.
  static Tokenizer open(const std::string& path) { return Tokenizer(open_vocabulary(path)); }

  /// Throws format if a pair of tokens is listed twice among the merges.
  explicit Tokenizer(Vocabulary vocabulary);

  /// Ids of `text` (UTF-8), without start and end token; empty for a text without characters. O(n log n) for n bytes.
  /// Throws format if it is not UTF-8, limit above 1 GiB.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;

  /// Input of the text tower: start token, ids of `text`, end token, zeros up to `context_length` (at least 2) entries.
  /// A text that does not fit throws limit, unless `truncate`: then the rest is cut off and the last entry is the end
  /// token.
  [[nodiscard]] std::vector<std::int32_t> encode_padded(std::string_view text, index_t context_length,
                                                        bool truncate = false) const;

  /// Text of `ids`: their bytes in turn, a space where a token ends a piece. Cut off in the middle of a character it is
  /// not UTF-8. Throws contract for an id that is not in the vocabulary.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const;

  /// Text of token `id` as the vocabulary file has it. Throws contract if there is none.
  [[nodiscard]] const std::string& token(std::int32_t id) const;

  /// Number of tokens, which is the largest id + 1 (49408 for CLIP).
  [[nodiscard]] index_t vocabulary_size() const noexcept { return std::ssize(vocabulary_.tokens); }
  /// Id of the token that opens a sentence (49406 for CLIP).
  [[nodiscard]] std::int32_t start_token() const noexcept { return vocabulary_.start; }
  /// Id of the token that ends a sentence (49407 for CLIP).
  [[nodiscard]] std::int32_t end_token() const noexcept { return vocabulary_.end; }
  /// File that the vocabulary came from.
  [[nodiscard]] const std::string& source() const noexcept { return vocabulary_.source; }

 private:
  static constexpr std::size_t kMaxText = std::size_t{1} << 30;  // positions in a piece have 32 bits

  /// Puts the tokens of one piece into `scratch.tokens`.
  void encode_piece(std::string_view bytes, BytePairEncoder::Scratch& scratch) const;

  /// Appends the bytes that `symbols` stand for; a character outside the alphabet as it is.
  static void append_bytes(std::string& text, std::string_view symbols);

  Vocabulary vocabulary_;    // without its merges
  BytePairEncoder encoder_;  // which are here
};

/// What a vocabulary is learned from: the pieces that `text` (UTF-8) is cut into, each as the symbols of its bytes, of
/// which the last ends with "</w>". Throws as Tokenizer::encode does.
std::vector<std::vector<std::string>> byte_symbols(std::string_view text);

/// The vocabulary of a list of merges in OpenAI's text form. `source` is the name in messages. Throws format.
Vocabulary vocabulary_of_merges(std::string_view text, const std::string& source);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <algorithm>
#include <utility>

#include "tokenizer/text_pieces.hpp"
#include "tokenizer/vocabulary_readers.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Tokenizer::Tokenizer(Vocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      encoder_(std::exchange(vocabulary_.merges, {}), std::ssize(vocabulary_.tokens), vocabulary_.source) {}

MOECLIP_FUNC std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  if (text.size() > kMaxText)
    fail(ErrorCode::limit, concat("a text of ", counted(text.size(), "byte"), " is too long"));
  const std::u32string cleaned = clean_text(text);
  std::vector<std::int32_t> ids;
  BytePairEncoder::Scratch scratch;
  std::string bytes;
  for (std::u32string_view rest = cleaned, piece = next_piece(rest); !piece.empty(); piece = next_piece(rest)) {
    bytes.clear();
    for (const char32_t code : piece) append_utf8(bytes, code);
    if (bytes == kStartOfText) {
      ids.push_back(start_token());
    } else if (bytes == kEndOfText) {
      ids.push_back(end_token());
    } else {
      encode_piece(bytes, scratch);
      ids.insert(ids.end(), scratch.tokens.begin(), scratch.tokens.end());
    }
  }
  return ids;
}

MOECLIP_FUNC std::vector<std::int32_t> Tokenizer::encode_padded(std::string_view text, index_t context_length,
                                                                bool truncate) const {
  MOECLIP_EXPECT(context_length >= 2, "a context of ", context_length, " tokens has no room for start and end");
  std::vector<std::int32_t> ids = encode(text);
  if (std::ssize(ids) > context_length - 2 && !truncate)
    fail(ErrorCode::limit,
         concat("\"", excerpt(text, 120), "\" has ", counted(ids.size() + 2, "token"), " with start and end, ",
                context_length,
                " fit; shorten it, or have it cut (--truncate where there is one, the argument `truncate`)"));
  ids.insert(ids.begin(), start_token());
  ids.resize(static_cast<std::size_t>((std::min<index_t>)(std::ssize(ids), context_length - 1)));
  ids.push_back(end_token());
  ids.resize(static_cast<std::size_t>(context_length), 0);
  return ids;
}

MOECLIP_FUNC std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    const std::string& symbols = token(id);
    const bool is_last = symbols.ends_with(kEndOfWord);
    append_bytes(text, std::string_view(symbols).substr(0, symbols.size() - (is_last ? kEndOfWord.size() : 0)));
    if (is_last) text += ' ';
  }
  return text;
}

MOECLIP_FUNC const std::string& Tokenizer::token(std::int32_t id) const {
  MOECLIP_EXPECT(id >= 0 && id < vocabulary_size(), "token ", id, " is not in a vocabulary of ", vocabulary_size());
  return vocabulary_.tokens[static_cast<std::size_t>(id)];
}

MOECLIP_FUNC void Tokenizer::encode_piece(std::string_view bytes, BytePairEncoder::Scratch& scratch) const {
  scratch.tokens.clear();
  for (const char byte : bytes) scratch.tokens.push_back(vocabulary_.inner_bytes[static_cast<unsigned char>(byte)]);
  scratch.tokens.back() = vocabulary_.last_bytes[static_cast<unsigned char>(bytes.back())];
  encoder_.encode(scratch);
}

MOECLIP_FUNC void Tokenizer::append_bytes(std::string& text, std::string_view symbols) {
  for (const char32_t code : decode_utf8(symbols, "a token")) {
    const int byte = code < kByteAlphabet.bytes.size() ? kByteAlphabet.bytes[code] : -1;
    if (byte >= 0)
      text += static_cast<char>(byte);
    else
      append_utf8(text, code);
  }
}

MOECLIP_FUNC std::vector<std::vector<std::string>> byte_symbols(std::string_view text) {
  std::vector<std::vector<std::string>> pieces;
  const std::u32string cleaned = clean_text(text);
  std::u32string_view rest = cleaned;
  for (std::u32string_view piece = next_piece(rest); !piece.empty(); piece = next_piece(rest)) {
    std::string bytes;
    for (const char32_t code : piece) append_utf8(bytes, code);
    std::vector<std::string>& symbols = pieces.emplace_back();
    for (const char byte : bytes) symbols.push_back(detail::byte_symbol(static_cast<unsigned char>(byte)));
    symbols.back() += kEndOfWord;
  }
  return pieces;
}

MOECLIP_FUNC Vocabulary vocabulary_of_merges(std::string_view text, const std::string& source) {
  return read_merge_list(text, source);
}

}}  // namespace moeclip::abi_v0_1

#endif
