// SPDX-License-Identifier: MIT
// Vocabulary files from bytes. The first byte says which kind follows: 'l' a list of merges, 'z' the same in gzip,
// 't' a tokenizer.json, 'v' a vocab.json and, after a zero byte, its merges.txt.
#include <cstdint>
#include <cstdlib>

#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/clip/tokenizer/vocabulary_readers.hpp>
#include <moeclip/io/deflate.hpp>
#include <moeclip/io/json.hpp>

#include "heap_limit.hpp"

namespace {

moeclip::Vocabulary read_any(std::string_view input) {
  const char kind = input[0];
  input.remove_prefix(1);
  if (kind == 't') return moeclip::read_tokenizer_json(moeclip::parse_json(input, "t.json"), "t.json");
  if (kind == 'v') {
    const std::size_t end = std::min(input.find('\0'), input.size());
    const std::string_view merges = input.substr(std::min(end + 1, input.size()));
    return moeclip::read_vocab_json(moeclip::parse_json(input.substr(0, end), "v.json"), "v.json", merges, "m.txt");
  }
  if (kind == 'z') {
    const auto list = moeclip::inflate_gzip(moeclip::as_bytes(input), std::uint64_t{1} << 20, "l.gz");
    return moeclip::read_merge_list(moeclip::as_text(list), "l.gz");
  }
  return moeclip::read_merge_list(input, "l.txt");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  if (size == 0) return 0;
  try {
    const moeclip::Tokenizer tokenizer(read_any({reinterpret_cast<const char*>(data), size}));
    const std::string_view text = "in the rain it is what that thing aaaa \xC3\xA9 123";
    const auto ids = tokenizer.encode_padded(text, 77, true);
    for (const auto id : ids)
      if (id < 0 || id >= tokenizer.vocabulary_size()) std::abort();
    if (tokenizer.decode(tokenizer.encode("in the")) != "in the ") std::abort();
  } catch (const moeclip::Error&) {
  }
  return 0;
}
