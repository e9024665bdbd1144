// SPDX-License-Identifier: MIT
#pragma once
// safetensors (https://github.com/huggingface/safetensors): eight bytes of header length, a JSON header that gives each
// tensor's dtype, shape and place, and the data. Every rule of the format is enforced: the header has at most 100 MB
// and begins with '{', names are unique, shape and dtype agree with the bytes, and the tensors cover the data exactly,
// in runs without holes or overlaps. Files of this library hold a checksum of all their bytes, which is compared.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../base/context.hpp"
#include "../base/lists.hpp"
#include "checksum.hpp"
#include "json.hpp"
#include "utf8.hpp"
#include "weight_index.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr std::uint64_t kSafetensorsHeaderLimit = 100'000'000;  // as the official reader

/// Entry of the __metadata__ in which this library writes the CRC-32 of the whole file, in eight hexadecimal digits
/// that count as zeros in it; eight zeros: it could not be written.
inline constexpr std::string_view kChecksumKey = "moeclip.crc32";

namespace detail {

struct SafetensorsName {
  std::string_view name;
  DType dtype;
};
inline constexpr SafetensorsName kSafetensorsNames[] = {
    {"F64", DType::f64}, {"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16}, {"I64", DType::i64},
    {"I32", DType::i32}, {"I16", DType::i16}, {"I8", DType::i8},   {"U8", DType::u8},     {"BOOL", DType::boolean}};
// In the format, but not for weights of a CLIP.
inline constexpr std::string_view kSafetensorsOthers[] = {"U16",     "U32",     "U64",     "C64",     "F8_E4M3",
                                                          "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4"};

class SafetensorsReader {
 public:
  SafetensorsReader(WeightBytes file, Context* context) : context_(context) {
    index_.kind = WeightKind::safetensors;
    index_.path = file.name;
    index_.files.push_back(std::move(file));
  }

  WeightIndex run() {
    const Bytes bytes = index_.files[0].bytes();
    ByteReader reader(bytes, index_.path);
    const std::uint64_t header_size = reader.u64le();
    if (header_size > kSafetensorsHeaderLimit)
      fail(ErrorCode::limit, concat(index_.path, ": a safetensors header of ", counted(header_size, "byte"),
                                    "; at most ", kSafetensorsHeaderLimit, " are allowed"));
    const std::string_view text = as_text(reader.take(header_size));
    data_begin_ = reader.offset();
    data_size_ = reader.left();
    if (!text.starts_with('{')) fail_format("the header does not begin with '{'");
    const Json header = parse_json(text, concat(index_.path, ": safetensors header"), JsonNames::unique);
    const std::size_t members = header.size();
    index_.entries.reserve(members);
    index_.storages.reserve(members);
    for (const auto& [name, value] : header.members())
      name == "__metadata__" ? read_metadata(value) : read_tensor(name, value);
    expect_full_cover();
    expect_checksum(text);
    return std::move(index_);
  }

 private:
  [[noreturn]] void fail_format(std::string_view problem) const {
    fail(ErrorCode::format, concat(index_.path, ": safetensors: ", problem));
  }

  void read_metadata(const Json& value) {
    if (!value.is_object()) fail_format("__metadata__ is not an object");
    for (const auto& [key, text] : value.members()) {
      if (!text.is_string()) fail_format(concat("__metadata__ ", in_quotes(key), " is not a string"));
      index_.metadata.emplace_back(key, text.raw_string());
    }
  }

  void read_tensor(const std::string& name, const Json& value) {
    const std::string what = concat("tensor ", in_quotes(name));
    if (has_surrogate(name)) fail_format(concat(what, ": the name holds half of a surrogate pair"));
    const auto member = [&](std::string_view key) -> const Json& {
      const Json* const found = value.is_object() ? value.find(key) : nullptr;
      if (found == nullptr) fail_format(concat(what, " has no ", key));
      return *found;
    };
    WeightEntry entry;
    entry.name = name;
    entry.dtype = read_dtype(member("dtype"), what);
    entry.shape = read_shape(member("shape"), what);
    entry.strides = row_major_strides(entry.shape);
    entry.storage = static_cast<std::uint32_t>(index_.storages.size());
    const auto [begin, end] = read_offsets(member("data_offsets"), what);
    if (end - begin != entry.byte_size())
      fail_format(concat(what, " is ", to_string(entry.dtype), " ", to_string(entry.shape), ", which takes ",
                         counted(entry.byte_size(), "byte"), ", but its data_offsets hold ", end - begin));
    index_.storages.push_back({0, data_begin_ + begin, end - begin, end - begin, 0, false, false});
    index_.entries.push_back(std::move(entry));
  }

  DType read_dtype(const Json& value, std::string_view what) const {
    if (!value.is_string()) fail_format(concat(what, ": the dtype is not a string"));
    for (const SafetensorsName& known : kSafetensorsNames)
      if (known.name == value.as_string()) return known.dtype;
    for (const std::string_view other : kSafetensorsOthers)
      if (other == value.as_string())
        fail(ErrorCode::unsupported, concat(index_.path, ": ", what, " has dtype ", other,
                                            ", which is not supported; "
                                            "F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL are"));
    fail_format(concat(what, " has the unknown dtype ", in_quotes(value.as_string())));
  }

  std::uint64_t read_natural(const Json& value, std::string_view what) const {
    if (!value.is_integer()) fail_format(concat(what, " has a shape or offset that is not a natural number"));
    if (value.as_number() < 0) fail_format(concat(what, " has a negative shape or offset"));
    return value.as_uint64();
  }

  Shape read_shape(const Json& value, std::string_view what) const {
    if (!value.is_array()) fail_format(concat(what, ": the shape is not an array"));
    std::vector<std::uint64_t> extents;
    for (const Json& extent : value.items()) extents.push_back(read_natural(extent, what));
    return checked_shape(extents, concat(index_.path, ": ", what));
  }

  std::pair<std::uint64_t, std::uint64_t> read_offsets(const Json& value, std::string_view what) const {
    if (!value.is_array() || value.size() != 2) fail_format(concat(what, ": data_offsets are not two numbers"));
    const std::uint64_t begin = read_natural(value.at(std::size_t{0}), what);
    const std::uint64_t end = read_natural(value.at(std::size_t{1}), what);
    if (begin > end) fail_format(concat(what, " ends at ", end, ", before its begin ", begin));
    if (end > data_size_)
      fail_format(concat(what, " ends at byte ", end, " of the data, which has ", data_size_,
                         ": the file is truncated "
                         "(an interrupted download?) or damaged"));
    return {begin, end};
  }

  /// Compares the checksum of the whole file, if it has one. A name that is one letter away from that of the checksum
  /// is a damaged one.
  void expect_checksum(std::string_view header) const {
    for (const auto& [key, text] : index_.metadata) {
      std::size_t differing = 0;
      for (std::size_t i = 0; i < key.size() && key.size() == kChecksumKey.size(); ++i)
        differing += key[i] != kChecksumKey[i] ? 1u : 0u;
      if (key.size() != kChecksumKey.size() || differing > 1) continue;
      const std::string stored = concat("\"", kChecksumKey, "\":\"", text, "\"");
      const std::size_t at = header.find(stored);
      if (differing == 1 || text.size() != kNoChecksum.size() || at == header.npos) fail_damaged();
      if (text == kNoChecksum) continue;
      const std::size_t digits = at + stored.size() - 1 - text.size();
      if (checksum_text(file_crc(header, digits)) != text) fail_damaged();
    }
  }

  [[noreturn]] void fail_damaged() const {
    fail_format("the file is damaged (its checksum is another); get it again, or go back to an earlier one");
  }

  /// CRC-32 of the file with zeros for the eight digits at `digits` of its header; pages that were read need not stay.
  [[nodiscard]] std::uint32_t file_crc(std::string_view header, std::size_t digits) const {
    const WeightBytes& file = index_.files[0];
    const Bytes bytes = file.bytes();
    const std::size_t begin = static_cast<std::size_t>(data_begin_) - header.size() + digits;
    std::uint32_t crc = crc32(as_bytes(kNoChecksum), crc32(bytes.first(begin)));
    constexpr std::size_t kPiece = std::size_t{1} << 20;
    const std::size_t first = begin + kNoChecksum.size(), count = (bytes.size() - first + kPiece - 1) / kPiece;
    const auto piece_of = [&](std::size_t i) {
      return bytes.subspan(first + i * kPiece, (std::min)(kPiece, bytes.size() - first - i * kPiece));
    };
    std::vector<std::uint32_t> pieces(count);
    const auto look = [&](index_t i, int) {
      const Bytes piece = piece_of(static_cast<std::size_t>(i));
      pieces[static_cast<std::size_t>(i)] = crc32(piece);
      if (file.mapping != nullptr)
        file.mapping->discard(static_cast<std::uint64_t>(piece.data() - bytes.data()), piece.size());
    };
    if (context_ != nullptr)
      context_->parallel_for(static_cast<index_t>(count), look);
    else
      for (index_t i = 0; i < static_cast<index_t>(count); ++i) look(i, 0);
    for (std::size_t i = 0; i < count; ++i) crc = crc32_combine(crc, pieces[i], piece_of(i).size());
    return crc;
  }

  void expect_full_cover() const {
    std::vector<std::uint32_t> order(index_.storages.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
    lists::sort_numbers(order, [&](std::uint32_t a, std::uint32_t b) {
      const WeightStorage &x = index_.storages[a], &y = index_.storages[b];
      return x.offset != y.offset ? x.offset < y.offset : x.size < y.size;
    });
    std::uint64_t end = data_begin_;
    for (const std::uint32_t i : order) {
      const WeightStorage& storage = index_.storages[i];
      if (storage.offset != end)
        fail_format(concat(storage.offset < end ? "tensor " : "before tensor ", in_quotes(index_.entries[i].name),
                           storage.offset < end ? " overlaps another one" : " there is a hole in the data"));
      end += storage.size;
    }
    const std::uint64_t wanted = data_begin_ + data_size_;
    if (end != wanted) fail_format(concat("the file has ", counted(wanted - end, "byte"), " of no tensor"));
  }

  Context* context_;
  WeightIndex index_;
  std::uint64_t data_begin_ = 0, data_size_ = 0;
};

}  // namespace detail

/// Reads the header of a safetensors file; tensors stay where they are. Throws format for any violation of the format,
/// and for a file with a checksum that does not hold,
/// limit for a header of more than 100 MB, unsupported for dtypes that are valid but not read. With a context, its
/// threads share the work of the checksum.
inline WeightIndex read_safetensors(WeightBytes file, Context* context = nullptr) {
  return detail::SafetensorsReader(std::move(file), context).run();
}

}}  // namespace moeclip::abi_v0_1
