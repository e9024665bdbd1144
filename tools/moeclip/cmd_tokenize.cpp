// SPDX-License-Identifier: MIT
#include <cerrno>
#include <cstdio>
#include <moeclip/base/text.hpp>
#include <moeclip/clip/tokenizer.hpp>
#include <system_error>

#include "commands.hpp"

namespace cli {

namespace {

constexpr std::int64_t kLongestContext = 1'000'000;  // far beyond any model; bounds the memory of a line

struct TokenizeOptions {
  std::string vocabulary;
  std::optional<std::int64_t> padded;
  bool truncate = false;
};

/// The next line of stdin without its end. Returns false after the last one.
bool read_line(std::string& line) {
  line.clear();
  int letter = 0;
  while ((letter = std::getc(stdin)) != EOF && letter != '\n') line += static_cast<char>(letter);
  if (std::ferror(stdin) != 0)
    moeclip::fail(moeclip::ErrorCode::io, moeclip::concat("standard input cannot be read: ",
                                                          std::error_code(errno, std::generic_category()).message()));
  return letter != EOF || !line.empty();
}

/// Prints the ids of `text` on one line. A text that cannot be tokenized leaves its line empty, and returns false.
bool print_ids(const moeclip::Tokenizer& tokenizer, const std::string& text, const TokenizeOptions& options) {
  std::string line;
  const bool is_good = attempt([&] {
    const auto ids =
        options.padded ? tokenizer.encode_padded(text, *options.padded, options.truncate) : tokenizer.encode(text);
    for (const std::int32_t id : ids) line += moeclip::concat(line.empty() ? "" : " ", id);
  });
  print(line + "\n");
  return is_good;
}

}  // namespace

int run_tokenize(Words words) {
  TokenizeOptions settings;
  std::vector<std::string> texts;
  Options options("tokenize", "Print the token ids of each text on one line, separated by spaces.");
  options.positionals("TEXT", texts, 1, "text to tokenize; - stands for the lines of standard input");
  options.value("vocab", settings.vocabulary, "FILE",
                "vocabulary: bpe_simple_vocab_16e6.txt.gz, tokenizer.json, vocab.json with merges.txt beside it, or a "
                "folder with one of these (default: the installed one)");
  options.value("padded", settings.padded, "N",
                "print what a text tower with N positions gets: start token, ids, end token, zeros");
  options.flag("truncate", settings.truncate, "with --padded: cut a text that is too long instead of reporting it");
  options.note("A text that cannot be tokenized is reported, leaves its line empty, and makes the exit code 1.");
  if (!options.parse(words)) return kOk;
  if (settings.padded && (*settings.padded < 2 || *settings.padded > kLongestContext))
    throw UsageError(moeclip::concat("--padded is from 2 to ", kLongestContext, ", not ", *settings.padded));
  if (settings.truncate && !settings.padded) throw UsageError("--truncate needs --padded N");

  const auto tokenizer =
      moeclip::Tokenizer::open(settings.vocabulary.empty() ? moeclip::find_vocabulary() : settings.vocabulary);
  bool all_good = true;
  for (std::string& text : texts) {
    if (text == "-")
      while (read_line(text)) all_good = print_ids(tokenizer, text, settings) && all_good;
    else
      all_good = print_ids(tokenizer, text, settings) && all_good;
  }
  return all_good ? kOk : kInputFailed;
}

}  // namespace cli
