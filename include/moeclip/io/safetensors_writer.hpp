// SPDX-License-Identifier: MIT
#pragma once
// Writes safetensors files. The header comes first and must say where each tensor lies, so tensors are announced with
// dtype and shape, and their elements follow in the order of their names, piece by piece: only the header is kept. The
// checksum of the file is put into the header at the end.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "little_endian.hpp"
#include "safetensors.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes one file: announce every tensor, begin(), write the elements in the order that order() gives, commit().
class SafetensorsWriter {
 public:
  /// What will be written to `path`; nothing is touched before begin().
  explicit SafetensorsWriter(std::string path) : path_(std::move(path)) {}

  /// Announces a tensor. Throws contract if the name is taken or "__metadata__", or after begin().
  void announce(const std::string& name, DType dtype, const Shape& shape);

  /// Puts `text` under `key` into the __metadata__ of the header, in place of one that was there. Before begin().
  void set_metadata(const std::string& key, const std::string& text) { metadata_.insert_or_assign(key, text); }

  /// The names in the order in which the elements must come: sorted by their bytes.
  [[nodiscard]] std::vector<std::string> order() const;

  /// Writes the header. Throws io, or contract if it would be larger than readers accept.
  void begin();

  /// The next elements, row-major and little endian, of the tensor whose turn it is. Pieces need not respect elements.
  /// Throws contract if they are more than were announced.
  void write_raw(Bytes bytes);

  /// The same from values in memory; T is the element type of the dtype that was announced.
  template <class T>
  void write(std::span<const T> values) {
    static_assert(std::is_arithmetic_v<T>);
    if constexpr (kIsStoredAsInMemory<T>)
      write_raw(std::as_bytes(values));
    else
      write_raw(little_endian_bytes(values));
  }

  /// Makes the file appear. Throws contract if elements are missing, io if the disk does not take it.
  void commit();

 private:
  struct Announced {
    DType dtype;
    Shape shape;
    [[nodiscard]] std::uint64_t byte_size() const { return static_cast<std::uint64_t>(shape.size()) * size_of(dtype); }
  };

  static const char* name_of(DType dtype);

  [[nodiscard]] Json header_json() const;

  /// Writes bytes that count in the checksum.
  void put(Bytes bytes);

  void skip_finished();

  std::string path_;
  std::map<std::string, Announced> tensors_;
  std::map<std::string, std::string> metadata_;
  std::optional<FileWriter> file_;
  std::map<std::string, Announced>::const_iterator next_;
  std::uint64_t written_ = 0;      // bytes of the tensor at next_
  std::uint64_t checksum_at_ = 0;  // where its digits stand in the file
  std::uint32_t crc_ = 0;          // of what was written, with zeros there
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <bit>
#include "file.hpp"
#include "json_writer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void SafetensorsWriter::announce(const std::string& name, DType dtype, const Shape& shape) {
  MOECLIP_EXPECT(!file_, path_, ": tensors are announced before the first one is written");
  MOECLIP_EXPECT(name != "__metadata__", path_, ": a tensor cannot be named __metadata__");
  const bool is_new = tensors_.try_emplace(name, Announced{dtype, shape}).second;
  MOECLIP_EXPECT(is_new, path_, ": two tensors are named ", in_quotes(name));
}

MOECLIP_FUNC std::vector<std::string> SafetensorsWriter::order() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) names.push_back(name);
  return names;
}

MOECLIP_FUNC void SafetensorsWriter::begin() {
  MOECLIP_EXPECT(!file_, path_, ": begin twice");
  set_metadata(std::string(kChecksumKey), std::string(kNoChecksum));
  std::string header = dump_json(header_json());
  header.resize((header.size() + 7) / 8 * 8, ' ');  // aligns the data
  MOECLIP_EXPECT(header.size() <= kSafetensorsHeaderLimit, path_, ": too many tensors for one safetensors file");
  file_.emplace(path_);
  std::array<std::byte, 8> length{};
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(header.size() >> (8 * i));
  put(length);
  put(as_bytes(header));
  const std::string place = concat("\"", kChecksumKey, "\":\"");
  checksum_at_ = length.size() + header.find(place) + place.size();
  next_ = tensors_.begin();
  skip_finished();
}

MOECLIP_FUNC void SafetensorsWriter::write_raw(Bytes bytes) {
  MOECLIP_EXPECT(file_.has_value(), path_, ": begin() comes before the elements");
  if (bytes.empty()) return;
  MOECLIP_EXPECT(next_ != tensors_.end(), path_, ": all tensors are written already");
  MOECLIP_EXPECT(bytes.size() <= next_->second.byte_size() - written_, path_, ": too many elements for tensor ",
                 in_quotes(next_->first));
  put(bytes);
  written_ += bytes.size();
  skip_finished();
}

MOECLIP_FUNC void SafetensorsWriter::commit() {
  MOECLIP_EXPECT(file_.has_value(), path_, ": commit before begin()");
  MOECLIP_EXPECT(next_ == tensors_.end(), path_, ": elements are missing from tensor ", in_quotes(next_->first));
  file_->rewrite(checksum_at_, as_bytes(checksum_text(crc_)));
  file_->commit();
}

MOECLIP_FUNC void SafetensorsWriter::put(Bytes bytes) {
  file_->write(bytes);
  crc_ = crc32(bytes, crc_);
}

MOECLIP_FUNC const char* SafetensorsWriter::name_of(DType dtype) {
  for (const detail::SafetensorsName& known : detail::kSafetensorsNames)
    if (known.dtype == dtype) return known.name.data();
  return "";
}

MOECLIP_FUNC Json SafetensorsWriter::header_json() const {
  Json header = Json::object();
  Json metadata = Json::object();
  for (const auto& [key, text] : metadata_) metadata.set(key, text);
  header.set("__metadata__", std::move(metadata));
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors_) {
    Json shape = Json::array();
    for (const index_t extent : tensor.shape.extents()) shape.push_back(extent);
    const std::uint64_t end = offset + tensor.byte_size();
    Json offsets = Json::array();
    offsets.push_back(offset).push_back(end);
    header.set(name, Json::object()
                         .set("dtype", name_of(tensor.dtype))
                         .set("shape", std::move(shape))
                         .set("data_offsets", std::move(offsets)));
    offset = end;
  }
  return header;
}

MOECLIP_FUNC void SafetensorsWriter::skip_finished() {
  for (; next_ != tensors_.end() && written_ == next_->second.byte_size(); ++next_) written_ = 0;
}

}}  // namespace moeclip::abi_v0_1

#endif
