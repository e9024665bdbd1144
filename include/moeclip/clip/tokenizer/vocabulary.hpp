// SPDX-License-Identifier: MIT
#pragma once
// Gets the vocabulary behind a path: it tells the kind of a file (vocabulary_readers.hpp reads them), looks into a
// folder, and knows where the standard vocabulary is kept when nobody names a file.

#include <string>
#include <string_view>

#include "bpe.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The largest vocabulary file that is read, also after decompression. OpenAI's has 3 MiB, so has its tokenizer.json.
inline constexpr std::uint64_t kMaxVocabularyBytes = std::uint64_t{16} << 20;

inline constexpr std::string_view kStandardVocabulary = "bpe_simple_vocab_16e6.txt.gz";

/// Reads the vocabulary at `path`: OpenAI's list (.txt, .txt.gz), tokenizer.json, vocab.json (merges.txt lies beside
/// it), the .safetensors of a CLIP with its merges inside (save.hpp), or a folder with one of the others. The kind is
/// told by content, weights by their name. Throws io, format, unsupported, missing or limit.
Vocabulary open_vocabulary(const std::string& path);

/// Path of the standard vocabulary (OpenAI's bpe_simple_vocab_16e6.txt.gz, which is installed with the library). Looks
/// at the environment's MOECLIP_VOCABULARY, which is final if set; then into the folders of data_directories, with
/// `extra_directory` among them. Throws missing, listing the places.
std::string find_vocabulary(const std::string& extra_directory = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <cstdlib>
#include <vector>
#include "../../io/data_directories.hpp"
#include "../../io/deflate.hpp"
#include "../../io/file.hpp"
#include "../../io/safetensors.hpp"
#include "../clip_metadata.hpp"
#include "vocabulary_readers.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Bytes of `path`, decompressed if they are gzip.
inline std::vector<std::byte> read_vocabulary_file(const std::string& path) {
  auto bytes = read_file(path, kMaxVocabularyBytes);
  if (as_text(bytes).starts_with("\x1F\x8B")) return inflate_gzip(bytes, kMaxVocabularyBytes, path);
  return bytes;
}

/// The tokenizer file in `directory`: the ones that Hugging Face and OpenAI name, then a single .txt.gz of any name.
inline std::string find_vocabulary_in(const std::string& directory) {
  for (const std::string_view name : {std::string_view("tokenizer.json"), std::string_view("vocab.json"),
                                      kStandardVocabulary, std::string_view("bpe_simple_vocab_16e6.txt")}) {
    std::string path = join_path(directory, std::string(name));
    if (file_exists(path)) return path;
  }
  std::vector<std::string> lists;
  for (auto& path : list_files(directory))
    if (path.ends_with(".txt.gz")) lists.push_back(std::move(path));
  if (lists.size() == 1) return lists[0];
  fail(ErrorCode::missing,
       concat(directory, ": no tokenizer in this folder; tokenizer.json, vocab.json with merges.txt, ",
              kStandardVocabulary, " or one other .txt.gz was looked for"));
}

/// The vocabulary inside the weights of a CLIP.
inline Vocabulary read_inner_vocabulary(const std::string& path) {
  const WeightIndex weights = read_safetensors(WeightBytes::map(path));
  const std::string* merges = find_metadata(weights.metadata, kMergesKey);
  if (merges == nullptr)
    fail(ErrorCode::missing, concat(path, ": no tokenizer is in this file (__metadata__ \"", kMergesKey, "\")"));
  return read_merge_list(*merges, path);
}

}  // namespace detail

MOECLIP_FUNC Vocabulary open_vocabulary(const std::string& path) {
  if (is_directory(path)) return open_vocabulary(detail::find_vocabulary_in(path));
  if (file_extension(path) == ".safetensors") return detail::read_inner_vocabulary(path);
  const std::string folder = parent_directory(path);
  if (const std::string vocab = join_path(folder, "vocab.json"); file_name(path) == "merges.txt" && file_exists(vocab))
    return open_vocabulary(vocab);  // its ids are the ones that the model was trained with
  const auto bytes = detail::read_vocabulary_file(path);
  const std::string_view text = as_text(bytes);
  const std::size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");  // white space and byte order mark
  if (first == std::string_view::npos || text[first] != '{') return read_merge_list(text, path);

  const Json root = parse_json(text, path, JsonNames::unique);
  if (const Json* model = root.find("model"); model != nullptr && model->is_object())
    return read_tokenizer_json(root, path);
  const std::string merges_path = join_path(folder, "merges.txt");
  if (!file_exists(merges_path))
    fail(ErrorCode::missing, concat(path, ": a vocab.json needs its merges.txt in the same folder, which has none"));
  const auto merges = detail::read_vocabulary_file(merges_path);
  return read_vocab_json(root, path, as_text(merges), merges_path);
}

MOECLIP_FUNC std::string find_vocabulary(const std::string& extra_directory) {
  if (const char* named = std::getenv("MOECLIP_VOCABULARY"); named != nullptr && *named != '\0') {
    if (file_exists(named) || is_directory(named)) return named;
    fail(ErrorCode::missing, concat("MOECLIP_VOCABULARY is set to \"", named, "\", where nothing is"));
  }
  std::string tried;
  for (const auto& directory : data_directories(extra_directory)) {
    std::string path = join_path(directory, std::string(kStandardVocabulary));
    if (file_exists(path)) return path;
    tried += concat(tried.empty() ? "" : ", ", directory);
  }
  fail(ErrorCode::missing,
       concat("CLIP's vocabulary ", kStandardVocabulary, " was not found in ", tried,
              "; name it: --vocab FILE, the variable MOECLIP_VOCABULARY, or ClipOptions::vocabulary"));
}

}}  // namespace moeclip::abi_v0_1

#endif
