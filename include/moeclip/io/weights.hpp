// SPDX-License-Identifier: MIT
#pragma once
// Opens weight files: finds out what one holds, from its path or its bytes, tells formats apart by content, looks into
// model folders, and joins the parts of a sharded model. If a format is recognised but not read, the error says so, and
// says what to do.

#include "../base/lists.hpp"
#include "weight_file.hpp"

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "file.hpp"
#include "foreign_files.hpp"
#include "json.hpp"
#include "record.hpp"
#include "safetensors.hpp"
#include "sidecar.hpp"
#include "torch.hpp"
#include "weight_index.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

// Files that people pass by mistake or that need another tool first; beside those of foreign_files.hpp.
inline constexpr FileSignature kOtherModels[] = {
    {0, "\x89HDF", "an HDF5 file; export the model as safetensors"},
    {0, "GGUF", "a GGUF file; use the original weights as safetensors"},
    {0, "\x93NUMPY", "a NumPy array; a model is needed, as safetensors or from torch.save"},
    {257, "ustar", "a tar archive; unpack it, or save the model anew with a PyTorch from 1.0 on"},
};

// Some can begin a safetensors file, too: "BM" stands for a header of 19778 bytes.
inline constexpr FileSignature kNoWeights[] = {
    {0, "\x89PNG", "a PNG picture"},
    {0, "\xFF\xD8\xFF", "a JPEG picture"},
    {0, "GIF8", "a GIF picture"},
    {0, std::string_view("II*\0", 4), "a TIFF picture"},
    {0, std::string_view("MM\0*", 4), "a TIFF picture"},
    {8, "WEBP", "a WebP picture"},
    {0, "BM", "a BMP picture"},
    {0, "%PDF", "a PDF document"},
};

/// What `text` is by one of `known`, or "".
inline std::string_view find_signature(std::span<const FileSignature> known, std::string_view text) {
  for (const auto& [offset, magic, what] : known)
    if (text.size() >= offset && text.substr(offset).starts_with(magic)) return what;
  return {};
}

/// Throws format if `file` is a zip archive behind something else: it was not cut off where a download began, or is a
/// program that unpacks itself.
inline void expect_no_archive_behind(const WeightBytes& file) {
  const std::string_view text = as_text(file.bytes());
  constexpr std::size_t kFurthestEnd = 22 + 65535;  // of an end record with the longest comment
  const std::string_view tail = text.substr(text.size() - (std::min)(text.size(), kFurthestEnd));
  const std::size_t start = tail.find("PK\5\6") == tail.npos ? text.npos : text.find("PK\3\4");
  if (start == text.npos) return;
  fail(ErrorCode::format,
       concat(file.name, ": ", start, start == 1 ? " byte stands" : " bytes stand",
              " before a zip archive; if it is a checkpoint, cut them off: tail -c +", start + 1, " FILE > NEW"));
}

/// Whether `text` begins as a JSON object does, after white space and a byte order mark. The length that a safetensors
/// file begins with can look like '{' too, but has zeros behind it.
inline bool begins_as_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  return first != text.npos && text[first] == '{' && text.substr(0, 8).find('\0') == text.npos;
}

/// What can follow the first bytes of each format that is read. Anything else throws unsupported with a guess.
inline WeightIndex read_weights(WeightBytes file) {
  const std::string_view text = as_text(file.bytes());
  if (text.empty()) fail(ErrorCode::format, concat(file.name, ": the file is empty"));
  if (text.starts_with("PK\3\4")) return read_torch_zip(std::move(file));
  std::string_view foreign = find_signature(kOtherModels, text);
  if (foreign.empty()) foreign = foreign_file(file.bytes());
  if (!foreign.empty()) fail(ErrorCode::unsupported, concat(file.name, ": is ", foreign));
  const bool is_pickle = text.starts_with('\x80') && text.size() > 1 && text[1] >= 2 && text[1] <= 5;
  const bool is_text_pickle = text.starts_with(concat("L", kTorchMagic, "L\n"));
  const bool has_json_header = text.size() > 8 && text[8] == '{' && !begins_as_json(text);
  if (const std::string_view what = find_signature(kNoWeights, text); !has_json_header && !what.empty())
    fail(ErrorCode::unsupported,
         concat(file.name, ": is ", what, "; weights are wanted here, a .safetensors or .pt file"));
  if (has_json_header || file_extension(file.name) == ".safetensors") return read_safetensors(std::move(file));
  if (is_pickle || is_text_pickle) return read_torch_legacy(std::move(file));
  expect_no_archive_behind(file);
  if (begins_as_json(text))
    fail(ErrorCode::unsupported,
         concat(file.name, ": is JSON, not weights; pass the folder or the weight file beside it"));
  fail(ErrorCode::unsupported,
       concat(file.name, ": is not a weight file that is known here (safetensors, torch.save, TorchScript)"));
}

/// A part of a sharded model must lie beside the index: names with folders could reach anything.
inline void expect_plain_name(const std::string& name, const std::string& index_path) {
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(std::string_view("/\\:\0", 4)) != std::string::npos)
    fail(ErrorCode::format, concat(index_path, ": ", in_quotes(name), " is not the name of a file beside the index"));
}

/// Appends what `part` holds to `whole`.
inline void merge_shard(WeightIndex& whole, WeightIndex part) {
  const auto file_shift = static_cast<std::uint32_t>(whole.files.size());
  const auto storage_shift = static_cast<std::uint32_t>(whole.storages.size());
  for (WeightBytes& file : part.files) whole.files.push_back(std::move(file));
  for (WeightStorage storage : part.storages) {
    storage.file += file_shift;
    whole.storages.push_back(storage);
  }
  for (WeightEntry& entry : part.entries) {
    entry.storage += storage_shift;
    whole.entries.push_back(std::move(entry));
  }
  for (WeightValue& value : part.values) whole.values.push_back(std::move(value));
}

/// Reads "weight_map" (tensor name -> file name) and all files it names. Both sides must list the same tensors.
inline WeightIndex read_sharded(const WeightBytes& file) {
  constexpr std::uint64_t kLargestIndex = 16u << 20;  // honest ones have about 100 bytes per tensor
  if (file.size > kLargestIndex)
    fail(ErrorCode::limit,
         concat(file.name, ": an index of ", counted(file.size, "byte"), "; at most ", kLargestIndex));
  const Json document = parse_json(as_text(file.bytes()), file.name, JsonNames::unique);
  const Json* const map = document.is_object() ? document.find("weight_map") : nullptr;
  if (map == nullptr || !map->is_object())
    fail(ErrorCode::unsupported, concat(file.name,
                                        ": is JSON without a weight_map, not the index of a sharded model; "
                                        "pass the folder or the weight file beside it"));
  WeightIndex whole;
  whole.kind = WeightKind::sharded;
  whole.path = file.name;
  std::set<std::string> seen;
  std::vector<std::string> parts;  // name of each file
  for (const auto& [tensor, part] : map->members()) {
    if (!part.is_string())
      fail(ErrorCode::format, concat(file.name, ": the file of ", in_quotes(tensor), " is not a string"));
    expect_plain_name(part.as_string(), file.name);
    if (!seen.insert(part.as_string()).second) continue;
    merge_shard(whole, read_weights(WeightBytes::map(join_path(parent_directory(file.name), part.as_string()))));
    parts.resize(whole.files.size(), part.as_string());
  }
  for (const WeightEntry& entry : whole.entries) {
    const std::string& part = parts[whole.storages[entry.storage].file];
    const Json* const listed = map->find(entry.name);
    if (listed == nullptr || listed->as_string() != part)
      fail(ErrorCode::format,
           concat(file.name, ": does not list tensor ", in_quotes(entry.name), " of ", in_quotes(part)));
  }
  expect_unique_names(whole);
  if (whole.entries.size() == map->size()) return whole;
  std::vector<std::string_view> names;
  for (const WeightEntry& entry : whole.entries) names.push_back(entry.name);
  lists::sort(names);
  for (const auto& [tensor, part] : map->members())
    if (!lists::binary_search(names, tensor))
      fail(ErrorCode::format,
           concat(file.name, ": tensor ", in_quotes(tensor), " is not in ", in_quotes(part.as_string())));
  return whole;
}

/// The weight file of a model folder: the usual names first, else the only one that looks like weights.
inline std::string find_model_file(const std::string& directory) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors",
                           "open_clip_pytorch_model.bin", "pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (std::string path = join_path(directory, name); file_exists(path)) return path;
  std::vector<std::string> found;
  for (const std::string& path : list_files(directory)) {
    const std::string extension = file_extension(path);
    for (const char* known : {".safetensors", ".pt", ".pth", ".bin", ".ckpt"})
      if (extension == known) found.push_back(path);
  }
  if (found.size() == 1) return found[0];
  std::string names;
  for (const std::string& path : found) names += concat(names.empty() ? "" : ", ", file_name(path));
  if (found.empty()) fail(ErrorCode::missing, concat(directory, ": the folder holds no weight file"));
  fail(ErrorCode::unsupported,
       concat(directory, ": the folder holds several weight files (", names, "); name the one"));
}

/// Adds the record that lies beside a checkpoint of PyTorch to its metadata.
inline void attach_sidecar(WeightIndex& index) {
  if (index.kind != WeightKind::torch_zip && index.kind != WeightKind::torch_legacy) return;
  const Json record = read_sidecar(index.files.at(0));
  if (!record.is_null()) index.metadata.emplace_back(kRecordKey, dump_json(record));
}

inline WeightIndex open_weights(const std::string& path) {
  const std::string file_path = is_directory(path) ? find_model_file(path) : path;
  WeightBytes file = WeightBytes::map(file_path);
  if (begins_as_json(as_text(file.bytes()))) return read_sharded(file);
  WeightIndex index = read_weights(std::move(file));
  attach_sidecar(index);
  return index;
}

}  // namespace detail

MOECLIP_FUNC WeightFile WeightFile::open(const std::string& path) { return WeightFile(detail::open_weights(path)); }

MOECLIP_FUNC WeightFile WeightFile::from_bytes(std::vector<std::byte> bytes, std::string name) {
  return WeightFile(detail::read_weights(WeightBytes::keep(std::move(bytes), std::move(name))));
}

}}  // namespace moeclip::abi_v0_1

#endif
