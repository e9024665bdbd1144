// SPDX-License-Identifier: MIT
#pragma once
// Writes zip archives whose entries are stored, not compressed: the container of torch.save. No times are written, so
// the same entries always give the same bytes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../base/function_ref.hpp"
#include "checksum.hpp"
#include "file.hpp"
#include "sha256.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The archive appears whole, under its name, with commit() (io/file.hpp).
class ZipWriter {
 public:
  /// `hash`, unless it is null, is updated with every byte that is written.
  explicit ZipWriter(const std::string& path, Sha256* hash = nullptr) : path_(path), file_(path), hash_(hash) {}

  /// Appends an entry. Its data begin at a multiple of `alignment` bytes of the archive. Throws io, or limit beyond the
  /// 4 GiB of a plain zip archive.
  void add(std::string_view name, Bytes data, std::uint64_t alignment = 1) {
    Entry entry{std::string(name), offset_, data.size(), crc32(data)};
    expect_room(data.size());
    const std::uint64_t padding = padding_of(offset_ + kLocalHeader + name.size(), alignment);
    begin();
    u32(0x04034b50);
    describe(entry);
    u16(padding);
    text(name);
    if (padding > 0) {  // an extra field of this many bytes, under the number that PyTorch uses
      u16(0x4246);
      u16(padding - kExtraHeader);
      record_.append(static_cast<std::size_t>(padding - kExtraHeader), '\0');
    }
    end();
    put(data);
    entries_.push_back(std::move(entry));
  }

  /// Writes the directory and makes the archive appear. Throws io.
  void commit() {
    commit([] {});
  }

  /// The same; `on_written` is called when all bytes are written and the archive has not got its name yet. If that
  /// throws, the archive does not appear.
  void commit(function_ref<void()> on_written) {
    const std::uint64_t first = offset_;
    for (const Entry& entry : entries_) {
      begin();
      u32(0x02014b50);
      u16(kVersion);  // made by
      describe(entry);
      u16(0);  // extra field
      u16(0);  // comment
      u16(0);  // disk
      u16(0);  // internal attributes
      u32(0);  // external attributes
      u32(entry.offset);
      text(entry.name);
      end();
    }
    const std::uint64_t size = offset_ - first;
    begin();
    u32(0x06054b50);
    u16(0);  // this disk
    u16(0);  // disk of the directory
    u16(entries_.size());
    u16(entries_.size());
    u32(size);
    u32(first);
    u16(0);  // comment
    end();
    on_written();
    file_.commit();
  }

 private:
  struct Entry {
    std::string name;
    std::uint64_t offset, size;
    std::uint32_t crc;
  };

  static constexpr std::uint64_t kVersion = 20, kLocalHeader = 30, kExtraHeader = 4;
  static constexpr std::uint64_t kUtf8 = 1u << 11;        // the names are
  static constexpr std::uint64_t kFirstOfJanuary = 0x21;  // 1980-01-01, the first day that a zip archive knows

  /// Bytes of extra field that move `offset` to a multiple of `alignment`: none, or at least its header.
  static std::uint64_t padding_of(std::uint64_t offset, std::uint64_t alignment) {
    if (offset % alignment == 0) return 0;
    std::uint64_t padding = alignment - offset % alignment;
    while (padding < kExtraHeader) padding += alignment;
    return padding;
  }

  void expect_room(std::uint64_t size) const {
    constexpr std::uint64_t kMost = (std::uint64_t{1} << 32) - (std::uint64_t{1} << 24);  // the rest: the directory
    if (size > kMost || offset_ > kMost - size || entries_.size() >= 65534)
      fail(ErrorCode::limit, concat(path_, ": a zip archive holds at most 4 GiB and 65534 files"));
  }

  /// What local header and directory say alike, from the version needed to the length of the name.
  void describe(const Entry& entry) {
    u16(kVersion);
    u16(kUtf8);
    u16(0);  // stored
    u16(0);  // time
    u16(kFirstOfJanuary);
    u32(entry.crc);
    u32(entry.size);
    u32(entry.size);
    u16(entry.name.size());
  }

  void begin() { record_.clear(); }
  void u16(std::uint64_t value) { little(value, 2); }
  void u32(std::uint64_t value) { little(value, 4); }
  void text(std::string_view value) { record_ += value; }
  void end() { put(as_bytes(record_)); }

  void little(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) record_.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  }

  void put(Bytes bytes) {
    file_.write(bytes);
    if (hash_ != nullptr) hash_->update(bytes);
    offset_ += bytes.size();
  }

  std::string path_;
  FileWriter file_;
  Sha256* hash_;
  std::uint64_t offset_ = 0;
  std::vector<Entry> entries_;
  std::string record_;  // being put together
};

}}  // namespace moeclip::abi_v0_1
