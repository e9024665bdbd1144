// SPDX-License-Identifier: MIT
// Any bytes as text. What comes out must decode to exactly the pieces that went in, and long texts must not take more
// than their length in proportion (libFuzzer's -timeout finds that, on the input repeated to 8 KiB).
#include <cstdint>
#include <cstdlib>

#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/clip/tokenizer/vocabulary_readers.hpp>

#include "heap_limit.hpp"

namespace {

// Merges that overlap with themselves and with each other, that chain, and that come in an order training never gives.
constexpr std::string_view kMerges =
    "#version: 0.2\naa a\na a\naa aa\nt h\nth e</w>\ni n\nin g</w>\n1 1</w>\nab a\na b\nab ab\nb a\n! !\n!! !!</w>\n"
    "\u00C3 \u00A9\n\u00C3\u00A9 \u00C3\u00A9\n\u00C3 \u00A9</w>\n' s</w>\n";

const moeclip::Tokenizer& tokenizer() {
  static const moeclip::Tokenizer made(moeclip::read_merge_list(kMerges, "merges"));
  return made;
}

void check(std::string_view text) {
  const std::u32string cleaned = moeclip::clean_text(text);
  std::string wanted, found;
  for (std::u32string_view rest = cleaned, piece = moeclip::next_piece(rest); !piece.empty();
       piece = moeclip::next_piece(rest))
    for (const char32_t code : piece) moeclip::append_utf8(wanted, code);
  for (const char letter : tokenizer().decode(tokenizer().encode(text)))
    if (letter != ' ') found += letter;
  if (found != wanted) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    check(text);
    std::string many;
    while (size > 0 && size < 64 && data[0] % 16 == 0 && many.size() < (std::size_t{1} << 13)) many += text;
    check(many);
  } catch (const moeclip::Error&) {
  }
  return 0;
}
