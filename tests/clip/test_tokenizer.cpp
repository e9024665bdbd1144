// SPDX-License-Identifier: MIT
#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/clip/tokenizer/vocabulary_readers.hpp>
#include <moeclip/io/deflate.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <moeclip/base/rng.hpp>
#include "golden.hpp"

namespace {

using Ids = std::vector<std::int32_t>;

std::string text_of(const std::string& path) {
  const auto bytes = moeclip::read_file(path, std::uint64_t{1} << 24);
  return std::string(moeclip::as_text(bytes));
}

std::string tokenizer_file(const std::string& name) { return golden_path("tokenizer/" + name); }

const moeclip::Tokenizer& clip_tokenizer() {
  static const auto tokenizer =
      moeclip::Tokenizer::open(golden_path("../../tools/moeclip/data/bpe_simple_vocab_16e6.txt.gz"));
  return tokenizer;
}

Ids ids_of(const moeclip::Json& list) {
  Ids ids;
  for (const auto& id : list.items()) ids.push_back(static_cast<std::int32_t>(id.as_int64()));
  return ids;
}

/// A folder of the system's temporary one that goes with the test.
struct VocabularyFolder {
  std::string path =
      (std::filesystem::temp_directory_path() / moeclip::concat("moeclip_test_tokenizer_", ::getpid())).string();
  VocabularyFolder() { moeclip::create_directories(path); }
  ~VocabularyFolder() { std::filesystem::remove_all(path); }
  VocabularyFolder(const VocabularyFolder&) = delete;
  VocabularyFolder& operator=(const VocabularyFolder&) = delete;

  std::string write(const std::string& name, std::string_view text) const {
    moeclip::write_file(moeclip::join_path(path, name), moeclip::as_bytes(text));
    return moeclip::join_path(path, name);
  }
};

void check_micro(const moeclip::Tokenizer& tokenizer) {
  const auto golden = moeclip::parse_json(text_of(tokenizer_file("micro_tokens.json")), "micro_tokens.json");
  CHECK(tokenizer.vocabulary_size() == 600);
  CHECK(tokenizer.start_token() == 598);
  CHECK(tokenizer.end_token() == 599);
  for (const auto& entry : golden.at("strings").items()) {
    const auto& text = entry.at("text").as_string();
    CAPTURE(text);
    const auto* without_ftfy = entry.find("without_ftfy_html");
    CHECK(tokenizer.encode(text) == ids_of(without_ftfy != nullptr ? *without_ftfy : entry.at("ids")));
    if (without_ftfy == nullptr) CHECK(tokenizer.encode_padded(text, 16, true) == ids_of(entry.at("padded")));
  }
}

moeclip::Vocabulary from_list(std::string_view merges) {
  return moeclip::read_merge_list(moeclip::concat("#version: 0.2\n", merges), "list.txt");
}

moeclip::Vocabulary from_json(std::string_view text) {
  return moeclip::read_tokenizer_json(moeclip::parse_json(text, "t.json"), "t.json");
}

/// The micro tokenizer.json with `from`, which must be in it, replaced by `to`.
std::string changed(std::string_view from, std::string_view to) {
  std::string text = text_of(tokenizer_file("tokenizer.json"));
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

/// Byte-pair encoding as it is usually written down: joins all places of the best pair, round by round. Quadratic.
Ids encode_slowly(const std::vector<moeclip::Merge>& merges, Ids word) {
  while (true) {
    const auto is_here = [&](const moeclip::Merge& merge) {
      for (std::size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == merge.left && word[i + 1] == merge.right) return true;
      return false;
    };
    const auto merge = std::find_if(merges.begin(), merges.end(), is_here);
    if (merge == merges.end()) return word;
    Ids joined;
    for (std::size_t i = 0; i < word.size(); ++i) {
      const bool is_pair = i + 1 < word.size() && word[i] == merge->left && word[i + 1] == merge->right;
      joined.push_back(is_pair ? merge->result : word[i]);
      i += is_pair;
    }
    word = joined;
  }
}

}  // namespace

TEST_CASE("tokenizer: CLIP's vocabulary gives the golden ids") {
  const auto& tokenizer = clip_tokenizer();
  CHECK(tokenizer.vocabulary_size() == 49408);
  CHECK(tokenizer.start_token() == 49406);
  CHECK(tokenizer.end_token() == 49407);
  const auto cases = moeclip::parse_json(text_of(tokenizer_file("clip_tokens.json")), "clip_tokens.json");
  CHECK(cases.size() == 148);
  for (const auto& entry : cases.items()) {
    const auto& text = entry.at("text").as_string();
    CAPTURE(text);
    const Ids ids = ids_of(entry.at("ids"));
    CHECK(tokenizer.encode(text) == ids);
    Ids padded{49406};
    padded.insert(padded.end(), ids.begin(), ids.begin() + std::min<std::ptrdiff_t>(std::ssize(ids), 75));
    padded.push_back(49407);
    padded.resize(77);
    CHECK(tokenizer.encode_padded(text, 77, true) == padded);
    if (ids.size() <= 75) CHECK(tokenizer.encode_padded(text, 77) == padded);
  }
}

TEST_CASE("tokenizer: white space, separators and what the pattern drops") {
  const auto& tokenizer = clip_tokenizer();
  const Ids cat = tokenizer.encode("a cat");
  CHECK(tokenizer.encode(" \t\u3000a\u00A0\u2028\r\n cat\x1C\x1F ") == cat);
  CHECK(tokenizer.encode("a\x1C"
                         "cat") != cat);          // inside, a separator is a symbol
  CHECK(tokenizer.encode("a\u0345 cat") == cat);  // a lone iota subscript is lost, as in OpenAI's
  CHECK(tokenizer.encode("!\u0345!") == tokenizer.encode("! !"));
  CHECK(tokenizer.encode("A CAT") == cat);
  CHECK(tokenizer.encode("&#97; c&amp;#97;t") == cat);  // unescaped twice
  CHECK(tokenizer.encode("it'\u017F") != tokenizer.encode("it'\u0161"));
}

TEST_CASE("tokenizer: start and end tokens in a text") {
  const auto& tokenizer = clip_tokenizer();
  CHECK(tokenizer.encode("<|startoftext|><|ENDoftext|>") == Ids{49406, 49407});
  CHECK(tokenizer.encode("a<|endoftext|>") == Ids{320, 49407});
  CHECK(tokenizer.encode("!<|endoftext|>").size() > 3);  // symbols take what follows them first
  for (const auto id : tokenizer.encode("<|\u017Ftartoftext|>")) CHECK(id < 49406);
}

TEST_CASE("tokenizer: too long without truncation is an error that helps") {
  const auto& tokenizer = clip_tokenizer();
  std::string text = "cat";
  for (int i = 1; i < 75; ++i) text += " cat";
  CHECK(tokenizer.encode_padded(text, 77).back() == 49407);
  text += " cat";
  CHECK_THROWS_WITH_AS(static_cast<void>(tokenizer.encode_padded(text, 77)),
                       doctest::Contains("has 78 tokens with start and end, 77 fit"), moeclip::Error);
  CHECK(tokenizer.encode_padded(text, 77, true).size() == 77);
  CHECK(tokenizer.encode_padded(text, 2, true) == Ids{49406, 49407});
  CHECK_THROWS_AS(static_cast<void>(tokenizer.encode_padded("cat", 1)), moeclip::Error);
  CHECK_THROWS_WITH_AS(static_cast<void>(tokenizer.encode("caf\xE9")), "the text is not UTF-8: byte 233 at offset 3",
                       moeclip::Error);
  CHECK_THROWS_AS(static_cast<void>(tokenizer.encode("&#233;\xC3&#1;\xA9")),
                  moeclip::Error);  // references cannot mend it
}

TEST_CASE("tokenizer: decoding gives the cleaned text back") {
  const auto& tokenizer = clip_tokenizer();
  CHECK(tokenizer.decode(tokenizer.encode("A  photo of\na cat.")) == "a photo of a cat . ");
  CHECK(tokenizer.decode(tokenizer.encode("na\u00EFve \U0001F600")) == "na\u00EFve \U0001F600 ");
  CHECK(tokenizer.decode(Ids{49406, 49407}) == "<|startoftext|><|endoftext|>");
  CHECK(tokenizer.token(320) == "a</w>");
  CHECK_THROWS_AS(static_cast<void>(tokenizer.token(49408)), moeclip::Error);
  CHECK_THROWS_AS(static_cast<void>(tokenizer.decode(Ids{-1})), moeclip::Error);
}

TEST_CASE("tokenizer: every kind of file gives the same tokens") {
  for (const char* name : {"bpe_micro.txt.gz", "vocab.json", "tokenizer.json", "tokenizer_pairs.json", "merges.txt"}) {
    CAPTURE(name);
    check_micro(moeclip::Tokenizer::open(tokenizer_file(name)));
  }
  check_micro(moeclip::Tokenizer::open(golden_path("tokenizer")));  // a folder
}

TEST_CASE("tokenizer: folders, plain and Windows text, files under other names") {
  const VocabularyFolder folder;
  CHECK_THROWS_WITH_AS(moeclip::Tokenizer::open(folder.path), doctest::Contains("no tokenizer in this folder"),
                       moeclip::Error);
  const std::string merges = text_of(tokenizer_file("merges.txt"));
  folder.write("some.txt.gz", text_of(tokenizer_file("bpe_micro.txt.gz")));
  check_micro(moeclip::Tokenizer::open(folder.path));
  check_micro(moeclip::Tokenizer::open(folder.write("plain.txt", merges)));
  check_micro(moeclip::Tokenizer::open(folder.write("open.txt", merges.substr(0, merges.find_last_not_of('\n') + 1))));
  std::string windows;
  for (const char letter : merges) windows += letter == '\n' ? std::string("\r\n") : std::string(1, letter);
  check_micro(moeclip::Tokenizer::open(folder.write("windows.txt", windows)));

  folder.write("vocab.json", text_of(tokenizer_file("vocab.json")));
  CHECK_THROWS_WITH_AS(moeclip::Tokenizer::open(folder.path), doctest::Contains("merges.txt"), moeclip::Error);
  folder.write("merges.txt", merges);
  check_micro(moeclip::Tokenizer::open(folder.path));
  check_micro(moeclip::Tokenizer::open(folder.write("fast.json", text_of(tokenizer_file("tokenizer.json")))));
  CHECK_THROWS_WITH_AS(moeclip::Tokenizer::open(folder.path + "/absent"), doctest::Contains("absent"), moeclip::Error);
  CHECK_THROWS_AS(moeclip::Tokenizer::open(folder.write("empty.txt", "")), moeclip::Error);
}

TEST_CASE("tokenizer: ids may come in any order") {
  // Swapping two ids in vocab.json swaps them in what is encoded, and nothing else.
  std::string text = changed("\"!\": 0,", "\"!\": 320,");
  text = text.replace(text.find("\"a</w>\": 320"), 12, "\"a</w>\": 0");
  const moeclip::Tokenizer tokenizer(from_json(text));
  CHECK(tokenizer.encode("a") == Ids{0});
  CHECK(tokenizer.vocabulary_size() == 600);
}

TEST_CASE("tokenizer: broken lists are refused with the line") {
  const auto fails = [](std::string_view merges, const char* with) {
    CHECK_THROWS_WITH_AS(moeclip::Tokenizer(from_list(merges)), doctest::Contains(with), moeclip::Error);
  };
  fails("a b\nab\n", "list.txt: line 3 is \"ab\"; a merge is two tokens");
  fails("a b\n\nc d\n", "line 3");
  fails("a b c\n", "line 2");
  fails("a \n", "line 2");
  fails(" b\n", "line 2");
  fails("a b\nab zz\n", "list.txt: merge 2, \"ab zz\": \"zz\" is not in the vocabulary");
  fails("a b\nc d\na b\n", "list.txt: merges 1 and 3 join the same two tokens");
  fails("\xFF b\n", "list.txt: merge 1");
  CHECK_THROWS_WITH_AS(moeclip::read_merge_list("a b\n", "list.txt"), doctest::Contains("line 1 is \"a b\""),
                       moeclip::Error);
  CHECK(from_list("").tokens.size() == 514);
  CHECK(from_list("a b\r\n\n\r\n").tokens.size() == 515);
  CHECK(from_list("ab c\na b\n").tokens.size() == 516);  // a token may be used before it is made
}

TEST_CASE("tokenizer: a list longer than CLIP's is cut where OpenAI cuts it") {
  const std::string path = golden_path("../../tools/moeclip/data/bpe_simple_vocab_16e6.txt.gz");
  CHECK(moeclip::open_vocabulary(path).merges.size() == 48894);  // of 262144
}

TEST_CASE("tokenizer: broken tokenizer.json is refused with the reason") {
  const auto fails = [](const std::string& text, const char* with) {
    CHECK_THROWS_WITH_AS(moeclip::Tokenizer(from_json(text)), doctest::Contains(with), moeclip::Error);
  };
  fails("{}", "t.json: \"model\" is missing");
  fails("[]", "t.json: is no JSON object");
  fails(changed("\"BPE\"", "\"Unigram\""), "tokenizer of type \"Unigram\"");
  fails(changed("\"</w>\", \"fuse", "\"\", \"fuse"), "\"end_of_word_suffix\" of its model is \"\"");
  fails(changed("prefix\": \"\"", "prefix\": \"##\""), "continuing_subword_prefix");
  fails(changed("\"ByteLevel\"", "\"Metaspace\""), "not byte-level");
  fails(changed("\"!\": 0,", "\"!\": 1,"), "have the same id 1");
  fails(changed("\"!\": 0,", "\"!\": 600,"), "\"!\" has id 600; the ids of 600 tokens are 0 to 599");
  fails(changed("\"!\": 0,", "\"!\": -1,"), "\"!\" has id -1");
  fails(changed("\"!\": 0,", "\"!\": 0.5,"), "no integer");
  fails(changed("\"!\": 0,", "\"!\": \"0\","), "no integer");
  fails(changed("\"!\": 0,", "\"!!!\": 0,"), "the token \"!\" (byte 33) is missing");
  fails(changed("\"i n\"", "\"in\""), "merge 1 is neither");
  fails(changed("\"i n\"", "[\"i\", 3]"), "merge 1 is neither");
  fails(changed("\"i n\"", "[\"i\", \"\"]"), "merge 1 is neither");
  fails(changed("\"i n\"", "\"i q\""), "merge 1, \"i q\": \"iq\" is not in the vocabulary");
  fails(changed("\"id\": 598", "\"id\": 597"), "another one in \"added_tokens\"");
  fails(changed("\"id\": 598", "\"id\": \"598\""), "\"id\" is of the wrong JSON type");
  CHECK(from_json(changed("\"type\": \"BPE\", ", "")).merges.size() == 86);  // as old files have it
}

TEST_CASE("tokenizer: broken vocab.json is refused with the reason") {
  const std::string merges = text_of(tokenizer_file("merges.txt"));
  const auto fails = [&](std::string_view vocab, std::string_view list, const char* with) {
    CHECK_THROWS_WITH_AS(moeclip::read_vocab_json(moeclip::parse_json(vocab, "v.json"), "v.json", list, "m.txt"),
                         doctest::Contains(with), moeclip::Error);
  };
  const std::string vocab = text_of(tokenizer_file("vocab.json"));
  fails("{}", merges, "v.json: is no vocabulary of CLIP's");
  fails("[1]", merges, "v.json: is no JSON object");
  fails(vocab, merges + "q z\n", "m.txt: merge 87, \"q z\"");
  fails(vocab, "", "m.txt: is no list of merges");
  std::string renamed = vocab;
  renamed.replace(renamed.find("<|startoftext|>"), 15, "<|beginoftext|>");
  fails(renamed, merges, "the token \"<|startoftext|>\" (the start of a text) is missing");
}

TEST_CASE("tokenizer: every truncation of a file is an error") {
  const std::string json = text_of(tokenizer_file("tokenizer.json"));
  for (std::size_t size = 0; size + 2 < json.size(); size += 7)
    CHECK_THROWS_AS(from_json(json.substr(0, size)), moeclip::Error);
  const std::string gzip = text_of(tokenizer_file("bpe_micro.txt.gz"));
  const auto read = [](std::string_view bytes) {
    return moeclip::inflate_gzip(moeclip::as_bytes(bytes), moeclip::kMaxVocabularyBytes, "cut.gz");
  };
  CHECK(read(gzip).size() > gzip.size());
  for (std::size_t size = 0; size < gzip.size(); ++size)
    CHECK_THROWS_AS(read(std::string_view(gzip).substr(0, size)), moeclip::Error);
}

TEST_CASE("byte-pair encoding: equal to the slow way, also for lists no training would give") {
  const moeclip::Rng random(1, "bpe");
  moeclip::index_t counter = 0;
  const auto pick = [&](std::int64_t high) { return static_cast<std::int32_t>(random.integer(counter++, 0, high)); };
  for (int round = 0; round < 300; ++round) {
    // Tokens 0..2 are letters; each merge makes a new token of two known or later ones, in shuffled order.
    std::vector<moeclip::Merge> merges;
    const int made = 1 + pick(12);
    for (std::int32_t id = 3; id < 3 + made; ++id) {
      const moeclip::Merge merge{pick(id), pick(id), id};
      const bool is_known = std::any_of(merges.begin(), merges.end(), [&](const moeclip::Merge& m) {
        return m.left == merge.left && m.right == merge.right;
      });
      if (!is_known) merges.insert(merges.begin() + pick(std::ssize(merges) + 1), merge);
    }
    const moeclip::BytePairEncoder encoder(merges, 3 + made, "a test");
    moeclip::BytePairEncoder::Scratch scratch;
    for (int word = 0; word < 20; ++word) {
      Ids tokens(static_cast<std::size_t>(pick(30)));
      for (auto& token : tokens) token = pick(3);
      scratch.tokens = tokens;
      encoder.encode(scratch);
      CHECK(scratch.tokens == encode_slowly(merges, tokens));
    }
  }
}

TEST_CASE("byte-pair encoding: a very long word does not take time that grows with its square") {
  const auto& tokenizer = clip_tokenizer();
  const std::string text(1 << 17, 'a');
  const Ids ids = tokenizer.encode(text);
  CHECK(ids.size() < text.size() / 2);
  CHECK(tokenizer.decode(ids) == text + " ");
  CHECK(tokenizer.encode(std::string(1 << 17, '1')).size() == 1 << 17);
}

#if !defined(_WIN32)
TEST_CASE("vocabulary: the standard one is found where it is named, or the places are listed") {
  const VocabularyFolder folder;
  const std::string path = folder.write("bpe_simple_vocab_16e6.txt.gz", "x");
  const char* before = std::getenv("MOECLIP_VOCABULARY");
  const std::string kept = before != nullptr ? before : "";

  ::setenv("MOECLIP_VOCABULARY", path.c_str(), 1);
  CHECK(moeclip::find_vocabulary() == path);
  ::setenv("MOECLIP_VOCABULARY", "/no/such/file", 1);
  CHECK_THROWS_WITH_AS(moeclip::find_vocabulary(folder.path), doctest::Contains("/no/such/file"), moeclip::Error);
  ::setenv("MOECLIP_VOCABULARY", "", 1);  // as if it were not set
  CHECK(moeclip::file_name(moeclip::find_vocabulary(folder.path)) == "bpe_simple_vocab_16e6.txt.gz");
  try {
    const std::string found = moeclip::find_vocabulary("/no/such/folder");
    CHECK(moeclip::file_exists(found));  // this machine has it installed
  } catch (const moeclip::Error& error) {
    CHECK(error.code() == moeclip::ErrorCode::missing);
    CHECK(std::string_view(error.what()).find("/no/such/folder, /usr/local/share/moeclip") != std::string_view::npos);
  }
  if (before != nullptr)
    ::setenv("MOECLIP_VOCABULARY", kept.c_str(), 1);
  else
    ::unsetenv("MOECLIP_VOCABULARY");
}
#endif
