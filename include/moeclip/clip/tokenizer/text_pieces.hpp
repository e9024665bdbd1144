// SPDX-License-Identifier: MIT
#pragma once
// This is the first half of CLIP's tokenizer: it cleans text (character references, lower case) and splits it into
// pieces, words and the like, which the second half (bpe.hpp) cuts into tokens one by one. It equals OpenAI's
// simple_tokenizer.py except that ftfy, which repairs mojibake, curly quotes, ligatures and full-width letters, is not
// applied.

#include <string>
#include <string_view>

#include "html_entities.hpp"
#include "unicode.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr std::string_view kStartOfText = "<|startoftext|>";
inline constexpr std::string_view kEndOfText = "<|endoftext|>";

namespace detail {

/// Length of `rule` (lower-case ASCII) if `text` starts with it in any case, else 0. Of what lower-casing leaves, only
/// the long s (U+017F) still equals another letter when case is ignored.
inline std::size_t match_ignoring_case(std::u32string_view text, std::string_view rule) {
  if (text.size() < rule.size()) return 0;
  for (std::size_t i = 0; i < rule.size(); ++i) {
    const char32_t letter = text[i] == 0x17F ? U's' : text[i];
    if (letter != static_cast<unsigned char>(rule[i])) return 0;
  }
  return rule.size();
}

/// Characters that are in no piece: white space, and U+0345, the iota subscript. Its capital is the letter iota, so a
/// pattern that ignores case finds it neither among the letters nor, because of that capital, among the rest.
inline bool is_between_pieces(char32_t code) { return code == 0x345 || is_space(code); }

inline bool is_symbol(char32_t code) { return !is_letter(code) && !is_number(code) && !is_between_pieces(code); }

/// Length of the piece that `text` starts with; its first character is in one.
inline std::size_t piece_length(std::u32string_view text) {
  constexpr std::string_view kRules[] = {kStartOfText, kEndOfText, "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  if (text[0] == U'<' || text[0] == U'\'')
    for (const std::string_view rule : kRules)
      if (const std::size_t length = match_ignoring_case(text, rule)) return length;
  if (is_number(text[0])) return 1;
  const auto belongs = is_letter(text[0]) ? is_letter : is_symbol;
  std::size_t length = 1;
  while (length < text.size() && belongs(text[length])) ++length;
  return length;
}

}  // namespace detail

/// Code points of `text` (UTF-8) as the pieces are cut from: character references replaced twice over (web text is
/// often escaped twice), the separators U+001C..U+001F stripped from both ends as Python's str.strip does, lower case.
/// White space stays as it is, since no piece holds any. Throws format if `text` is not UTF-8.
inline std::u32string clean_text(std::string_view text) {
  std::u32string code_points = decode_utf8(text, "the text");
  if (text.find('&') != std::string_view::npos)
    code_points = decode_utf8(unescape_html(unescape_html(text)), "the text");
  const auto is_stripped = [](char32_t code) { return is_space(code) || (code >= 0x1C && code < 0x20); };
  std::u32string_view rest = code_points;
  while (!rest.empty() && is_stripped(rest.front())) rest.remove_prefix(1);
  while (!rest.empty() && is_stripped(rest.back())) rest.remove_suffix(1);
  return to_lower(rest);
}

/// Takes the next piece off the front of cleaned `text`; empty when nothing is left. A piece is, first match wins: a
/// start or end token; 's 't 're 've 'm 'll 'd; letters; one number character; anything else up to white space, letter
/// or number.
inline std::u32string_view next_piece(std::u32string_view& text) {
  while (!text.empty() && detail::is_between_pieces(text.front())) text.remove_prefix(1);
  if (text.empty()) return text;
  const std::u32string_view piece = text.substr(0, detail::piece_length(text));
  text.remove_prefix(piece.size());
  return piece;
}

}}  // namespace moeclip::abi_v0_1
