// SPDX-License-Identifier: MIT
#pragma once
// Keeps beside a PyTorch checkpoint what the checkpoint has no place for. FILE.json holds, as JSON, the record that a
// safetensors file carries in its __metadata__, and the SHA-256 of FILE, so that it is never taken for the record of
// another checkpoint. WeightFile::open finds it and shows the record among the metadata.

#include <string>
#include <string_view>

#include "format_version.hpp"
#include "json_writer.hpp"
#include "sha256.hpp"
#include "weight_index.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Where the record of the checkpoint at `path` is.
std::string sidecar_path(const std::string& path);

/// Writes `record` beside the checkpoint that has, or will have, the name `path` and bytes of the SHA-256 `hash` (64
/// hexadecimal digits). Throws io.
void write_sidecar(const std::string& path, std::string_view hash, const Json& record);

/// The record beside an open checkpoint; null if there is no such file, or one of somebody else's. Throws mismatch if
/// it was written for other bytes, format if it is damaged, unsupported if it is of a later version, and io.
Json read_sidecar(const WeightBytes& file);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::string sidecar_path(const std::string& path) { return path + ".json"; }

namespace detail {

inline constexpr const char* kSidecarKey = "moeclip_sidecar";  // holds the version of the layout
inline constexpr std::int64_t kSidecarVersion = 1;

/// SHA-256 of a whole file in memory; pages that were read need not stay.
inline std::string hash_of(const WeightBytes& file) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  Sha256 sha;
  const Bytes bytes = file.bytes();
  for (std::size_t done = 0; done < bytes.size(); done += kPiece) {
    const Bytes piece = bytes.subspan(done, (std::min)(kPiece, bytes.size() - done));
    sha.update(piece);
    if (file.mapping != nullptr) file.mapping->discard(done, piece.size());
  }
  return to_hex(sha.finish());
}

}  // namespace detail

MOECLIP_FUNC void write_sidecar(const std::string& path, std::string_view hash, const Json& record) {
  const Json sidecar = Json::object()
                           .set(detail::kSidecarKey, detail::kSidecarVersion)
                           .set("file", file_name(path))
                           .set("sha256", hash)
                           .set("record", record);
  write_file(sidecar_path(path), as_bytes(dump_json(sidecar, 1) + "\n"));
}

MOECLIP_FUNC Json read_sidecar(const WeightBytes& file) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;  // the pictures of a training are 16 bytes each
  const std::string path = sidecar_path(file.name);
  if (!file_exists(path)) return {};
  const auto bytes = read_file(path, kMostBytes);
  const Json root = parse_json(as_text(bytes), path, JsonNames::unique);
  const Json* const version = root.is_object() ? root.find(detail::kSidecarKey) : nullptr;
  if (version == nullptr) return {};
  detail::expect_version(*version, {.last = detail::kSidecarVersion}, path, "the record of an adapter",
                         "convert the adapter again");
  const Json *const wanted = root.find("sha256"), *const record = root.find("record");
  if (wanted == nullptr || !wanted->is_string() || record == nullptr || !record->is_object())
    fail(ErrorCode::format, concat(path, ": has no \"sha256\" and \"record\""));
  const std::string found = detail::hash_of(file);
  if (wanted->as_string() != found)
    fail(ErrorCode::mismatch,
         concat(path, ": holds the settings of another file than ", file_name(file.name), " as it is now (SHA-256 ",
                wanted->as_string(), ", found ", found,
                "); convert the adapter again, or take the .json away to read it without settings"));
  return *record;
}

}}  // namespace moeclip::abi_v0_1

#endif
