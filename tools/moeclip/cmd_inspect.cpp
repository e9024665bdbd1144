// SPDX-License-Identifier: MIT
#include <moeclip/base/text.hpp>
#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/image/image_format.hpp>
#include <moeclip/image/read_image.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json.hpp>

#include "commands.hpp"
#include "inspect.hpp"

namespace cli {

namespace {

using moeclip::concat;

using Inspect = void (*)(const std::string& path, const InspectOptions& options, JsonLine& json);

/// A tokenizer has "model" (tokenizer.json) or tokens and their ids (vocab.json).
Inspect reader_of_json(const std::string& path, std::string_view text) {
  if (text.size() > moeclip::kMaxVocabularyBytes) return inspect_weights;  // it says what is wrong
  const moeclip::Json root = moeclip::parse_json(text, path);
  if (root.find("weight_map") != nullptr) return inspect_weights;
  const moeclip::Json* const model = root.find("model");
  if (model != nullptr && model->is_object()) return inspect_tokenizer;
  if (root.size() > 256 && root.members()[0].value.is_integer()) return inspect_tokenizer;  // at least all bytes
  moeclip::fail(moeclip::ErrorCode::unsupported,
                concat(path,
                       ": is JSON, but no tokenizer (tokenizer.json, vocab.json) and no index of a sharded model; "
                       "configurations are read with the weights beside them"));
}

/// True for a picture in a format that is recognised, but not read.
bool is_unread_image(moeclip::Bytes bytes) {
  try {
    moeclip::fail_image_format(bytes, "");
  } catch (const moeclip::Error& error) {
    return error.code() == moeclip::ErrorCode::unsupported;
  }
}

/// Who can say what is in `path`, by its content.
Inspect reader_of(const std::string& path) {
  if (moeclip::is_directory(path)) return inspect_weights;
  const auto file = moeclip::MappedFile::open(path);
  const std::string_view text = moeclip::as_text(file->bytes());
  // First, because the length that a safetensors file begins with can look like the start of a picture.
  if (text.size() > 8 && text[8] == '{' && moeclip::load_u64le(file->data()) <= text.size() - 8) return inspect_weights;
  if (moeclip::image_format(file->bytes()) != moeclip::ImageFormat::unknown) return inspect_image;
  if (text.starts_with("\x1F\x8B") && text.size() <= moeclip::kMaxVocabularyBytes) return inspect_tokenizer;
  if (text.substr(0, text.find('\n')).find("#version") != std::string_view::npos) return inspect_tokenizer;
  const std::size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");  // white space and byte order mark
  if (first != std::string_view::npos && text[first] == '{') return reader_of_json(path, text);
  return is_unread_image(file->bytes()) ? inspect_image : inspect_weights;
}

}  // namespace

void inspect_image(const std::string& path, const InspectOptions& options, JsonLine& json) {
  const auto file = moeclip::MappedFile::open(path);
  const moeclip::ImageInfo info = moeclip::describe_image(file->bytes(), path);
  json.member("kind", "image");
  json.member("format", info.format);
  json.member("width", info.width);
  json.member("height", info.height);
  json.member("mode", info.mode);
  json.member("depth", info.depth);
  json.member("note", info.note);
  json.member("orientation", info.orientation);
  if (options.is_json) return;
  print(concat(printable(path), ": ", info.format, " image, ", info.width, " x ", info.height, ", ", info.mode, ", ",
               info.depth, " bit", info.note.empty() ? "" : ", ", info.note,
               info.orientation == 1 ? "" : concat(", EXIF orientation ", info.orientation), "\n"));
}

void inspect_tokenizer(const std::string& path, const InspectOptions& options, JsonLine& json) {
  const auto tokenizer = moeclip::Tokenizer::open(path);
  json.member("kind", "tokenizer");
  json.member("format", "CLIP BPE");
  json.member("tokens", tokenizer.vocabulary_size());
  json.member("start_token", tokenizer.start_token());
  json.member("end_token", tokenizer.end_token());
  if (options.is_json) return;
  print(concat(printable(path), ": CLIP tokenizer (byte-level BPE), ",
               moeclip::counted(tokenizer.vocabulary_size(), "token"), ", start ", tokenizer.start_token(), ", end ",
               tokenizer.end_token(), "\n"));
}

int run_inspect(Words words) {
  std::vector<std::string> paths;
  InspectOptions settings;
  std::string hash_type;
  Options options("inspect",
                  "Say what files hold, without loading them whole: weights and checkpoints (safetensors, torch.save, "
                  "TorchScript, sharded models), tokenizers, images. Files are told apart by content.");
  options.positionals("FILE", paths, 1, "file to look at; of a model's folder its weights");
  options.flag("hash", settings.has_hash,
               "add the SHA-256 of each tensor's elements, row-major and little-endian, as stored");
  options.choice("as", hash_type, {"f32"}, "with --hash: of the elements after conversion to float32");
  options.flag("json", settings.is_json, "print one JSON object per file, each on a line of its own");
  if (!options.parse(words)) return kOk;
  if (!hash_type.empty() && !settings.has_hash) throw UsageError("--as needs --hash");
  settings.is_hash_of_f32 = !hash_type.empty();

  bool all_good = true;
  for (const std::string& path : paths) {
    JsonLine json(settings.is_json);
    json.member("file", path);
    const bool is_good = attempt([&] {
      try {
        reader_of(path)(path, settings, json);
        json.finish();
      } catch (const moeclip::Error& error) {
        json.finish(error);
        throw;
      }
    });
    all_good = all_good && is_good;
  }
  return all_good ? kOk : kInputFailed;
}

}  // namespace cli
