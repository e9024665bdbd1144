// SPDX-License-Identifier: MIT
#pragma once
// Zip archives (PKWARE APPNOTE 6.3), as torch.save writes them and as people repack them. The central directory is what
// counts, with zip64 records, stored and deflated entries, and data descriptors (whose values the directory repeats).
// The reader is strict where archives are abused: names are unique, entries do not overlap, each local header agrees
// with the directory, and what is unpacked has the length and the CRC-32 that were promised.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../base/lists.hpp"
#include "deflate.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One file inside an archive.
struct ZipEntry {
  std::string_view name;            // bytes of the archive, as stored; UTF-8 by convention
  std::uint64_t header_offset = 0;  // of the local header
  std::uint64_t data_offset = 0;    // of the packed bytes
  std::uint64_t packed_size = 0;    // bytes that it takes in the archive
  std::uint64_t size = 0;           // unpacked
  std::uint32_t crc = 0;            // of the unpacked bytes
  bool is_deflated = false;         // false: stored as it is
};

/// An archive in memory whose directory has been read and checked. Entries are unpacked when they are asked for.
class ZipArchive {
 public:
  /// Reads the directory of the archive in `bytes`, which must outlive the result; `source` is named in messages.
  /// Throws format if it is truncated or contradicts itself, unsupported if it is encrypted, split over several
  /// files, or packed with a method other than deflate.
  static ZipArchive open(Bytes bytes, std::string_view source);

  /// In the order of the central directory.
  [[nodiscard]] std::span<const ZipEntry> entries() const noexcept { return entries_; }
  [[nodiscard]] const std::string& source() const noexcept { return source_; }  ///< the name in messages

  /// The entry with this exact name, or null.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const {
    const auto at = lists::lower_bound(by_name_, name, [&](std::uint32_t i) { return entries_[i].name; });
    return at != by_name_.end() && entries_[*at].name == name ? &entries_[*at] : nullptr;
  }

  /// The unpacked bytes of `entry`, checked against its length and CRC-32. They lie in the archive, or in `buffer` if
  /// they had to be inflated. Throws limit, before anything is inflated, if that would take more than `max_size` bytes.
  [[nodiscard]] Bytes contents(const ZipEntry& entry, std::uint64_t max_size, std::vector<std::byte>& buffer) const;

 private:
  struct Directory {
    std::uint64_t offset = 0, size = 0, count = 0;
  };

  ZipArchive(Bytes bytes, std::string_view source) : bytes_(bytes), source_(source) {}

  [[noreturn]] void fail_format(std::string_view problem) const {
    fail(ErrorCode::format, concat(source_, ": zip archive: ", problem));
  }
  std::uint64_t find_end_record() const;
  Directory read_end_record() const;
  bool find_zip64_end_record(std::uint64_t end_record, std::uint64_t& found) const;
  Directory read_zip64_end_record(std::uint64_t at, const Directory& plain) const;
  void expect_readable(std::uint32_t flags, std::string_view name) const;
  void expect_extra(Bytes extra, std::string_view name) const;
  ZipEntry read_entry(ByteReader& reader) const;
  void read_zip64_extra(Bytes extra, ZipEntry& entry) const;
  void read_local_header(ZipEntry& entry, std::uint64_t directory_offset) const;
  void sort_names();
  void expect_no_overlap() const;

  Bytes bytes_;
  std::string source_;
  std::vector<ZipEntry> entries_;
  std::vector<std::uint32_t> by_name_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include "../base/checked.hpp"
#include "../base/error.hpp"
#include "bytes.hpp"
#include "checksum.hpp"
#include "naming.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr std::uint32_t kZipLocalHeader = 0x04034b50, kZipDirectoryEntry = 0x02014b50;
inline constexpr std::uint32_t kZipEndRecord = 0x06054b50, kZip64EndRecord = 0x06064b50, kZip64Locator = 0x07064b50;
inline constexpr std::uint64_t kZipEndRecordSize = 22, kZip64LocatorSize = 20, kZipDirectoryEntrySize = 46;
inline constexpr std::uint64_t kZipLongestComment = 0xFFFF;
inline constexpr std::uint64_t kZipSaturatedCount = 0xFFFF, kZipSaturated = 0xFFFFFFFF;  // "see the zip64 record"

/// Throws format unless `bytes`, the contents of what `name` describes, have this CRC-32.
inline void expect_crc(Bytes bytes, std::uint32_t crc, std::string_view name) {
  if (crc32(bytes) != crc)
    fail(ErrorCode::format, concat(name, ": the checksum (CRC-32) is wrong: the file is damaged"));
}

/// The inflated bytes of `packed`, checked against their promised `size` and `crc`.
inline std::vector<std::byte> inflate_checked(Bytes packed, std::uint64_t size, std::uint32_t crc,
                                              std::string_view name) {
  std::vector<std::byte> bytes = inflate_raw(packed, size, name);
  if (bytes.size() != size)
    fail(ErrorCode::format,
         concat(name, ": inflates to ", counted(bytes.size(), "byte"), ", the archive promises ", size));
  expect_crc(bytes, crc, name);
  return bytes;
}

}  // namespace detail

MOECLIP_FUNC ZipArchive ZipArchive::open(Bytes bytes, std::string_view source) {
  ZipArchive archive(bytes, source);
  const Directory directory = archive.read_end_record();
  // An entry takes at least kZipDirectoryEntrySize bytes, so the count is bounded by what is there.
  if (directory.count > directory.size / detail::kZipDirectoryEntrySize)
    archive.fail_format(
        concat("a directory of ", counted(directory.size, "byte"), " cannot hold ", counted(directory.count, "entry")));
  archive.entries_.reserve(static_cast<std::size_t>(directory.count));
  ByteReader reader(bytes.subspan(static_cast<std::size_t>(directory.offset), static_cast<std::size_t>(directory.size)),
                    concat(source, ": zip directory"));
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    archive.entries_.push_back(archive.read_entry(reader));
    archive.read_local_header(archive.entries_.back(), directory.offset);
  }
  if (reader.left() != 0) archive.fail_format("the directory is longer than its entries");
  archive.sort_names();
  archive.expect_no_overlap();
  return archive;
}

MOECLIP_FUNC std::uint64_t ZipArchive::find_end_record() const {
  const std::uint64_t size = bytes_.size();
  constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::uint64_t fallback = kNone;
  if (size >= detail::kZipEndRecordSize) {
    const std::uint64_t last = size - detail::kZipEndRecordSize;
    const std::uint64_t first = last - (std::min)(last, detail::kZipLongestComment);
    for (std::uint64_t at = last + 1; at-- > first;) {
      const std::byte* p = bytes_.data() + at;
      if (load_u32le(p) != detail::kZipEndRecord) continue;
      const std::uint64_t comment = load_u16le(p + 20);
      if (comment == last - at) return at;
      if (comment < last - at && fallback == kNone) fallback = at;
    }
  }
  if (fallback == kNone)
    fail_format("no end record: the file is truncated (an interrupted download?) or not a zip archive");
  return fallback;
}

MOECLIP_FUNC ZipArchive::Directory ZipArchive::read_end_record() const {
  const std::uint64_t at = find_end_record();
  ByteReader reader(bytes_, source_);
  reader.seek(at + 4);
  const std::uint32_t disk = reader.u16le(), directory_disk = reader.u16le();
  const std::uint64_t count_here = reader.u16le(), count = reader.u16le();
  const std::uint64_t size = reader.u32le(), offset = reader.u32le();
  if (disk != directory_disk || count_here != count || (disk != 0 && disk != 0xFFFF))
    fail(ErrorCode::unsupported, concat(source_, ": a zip archive split over several files is not supported"));
  std::uint64_t end = at;  // of the directory: where the first of the end records begins
  Directory directory{offset, size, count};
  if (find_zip64_end_record(at, end)) directory = read_zip64_end_record(end, directory);
  if (!range_fits(directory.offset, directory.size, end))
    fail_format(concat("the directory, ", counted(directory.size, "byte"), " at offset ", directory.offset,
                       ", lies outside the file", kCutAdvice));
  const std::uint64_t gap = end - directory.offset - directory.size;
  if (gap == 0) return directory;
  const bool is_shifted =
      directory.size >= 4 && load_u32le(bytes_.data() + end - directory.size) == detail::kZipDirectoryEntry;
  fail_format(is_shifted ? concat(gap, gap == 1 ? " byte stands" : " bytes stand",
                                  " before the archive; cut them off: tail -c +", gap + 1, " FILE > NEW")
                         : concat("between the directory and the end record ", gap == 1 ? "is " : "are ",
                                  counted(gap, "byte"), " of nothing: the file is damaged; get it again"));
}

/// A zip64 end record, where the archive has one: its locator stands before the end record, and it ends where the
/// locator begins. The bytes before the end record may look like a locator by chance; they are one only if the
/// directory does not reach that far.
MOECLIP_FUNC bool ZipArchive::find_zip64_end_record(std::uint64_t end_record, std::uint64_t& found) const {
  if (end_record < detail::kZip64LocatorSize) return false;
  const std::uint64_t locator = end_record - detail::kZip64LocatorSize;
  if (load_u32le(bytes_.data() + locator) != detail::kZip64Locator) return false;
  const std::byte* const plain = bytes_.data() + end_record;
  const std::uint64_t size = load_u32le(plain + 12), offset = load_u32le(plain + 16);
  if (size + offset == end_record) return false;
  ByteReader reader(bytes_.first(static_cast<std::size_t>(locator)), concat(source_, ": zip64 end record"));
  found = load_u64le(bytes_.data() + locator + 8);
  reader.seek(found);
  if (reader.u32le() != detail::kZip64EndRecord) fail_format("the zip64 locator points to something else");
  if (reader.u64le() != reader.left()) fail_format("the zip64 end record does not end where its locator begins");
  return true;
}

MOECLIP_FUNC ZipArchive::Directory ZipArchive::read_zip64_end_record(std::uint64_t at, const Directory& plain) const {
  ByteReader reader(bytes_, concat(source_, ": zip64 end record"));
  reader.seek(at);
  reader.skip(4 + 8 + 2 + 2 + 4 + 4);  // signature, size of the record, versions, disk numbers
  const std::uint64_t count_here = reader.u64le();
  Directory directory;
  directory.count = reader.u64le();
  directory.size = reader.u64le();
  directory.offset = reader.u64le();
  const auto agrees = [](std::uint64_t narrow, std::uint64_t saturated, std::uint64_t wide) {
    return narrow == saturated || narrow == wide;
  };
  if (count_here != directory.count || !agrees(plain.count, detail::kZipSaturatedCount, directory.count) ||
      !agrees(plain.size, detail::kZipSaturated, directory.size) ||
      !agrees(plain.offset, detail::kZipSaturated, directory.offset))
    fail_format("the end record and the zip64 end record contradict each other");
  return directory;
}

MOECLIP_FUNC ZipEntry ZipArchive::read_entry(ByteReader& reader) const {
  if (reader.u32le() != detail::kZipDirectoryEntry) fail_format("a directory entry does not begin as one");
  ZipEntry entry;
  reader.skip(4);  // versions
  const std::uint16_t flags = reader.u16le(), method = reader.u16le();
  reader.skip(4);  // time and date
  entry.crc = reader.u32le();
  entry.packed_size = reader.u32le();
  entry.size = reader.u32le();
  const std::uint16_t name_size = reader.u16le(), extra_size = reader.u16le(), comment_size = reader.u16le();
  reader.skip(2 + 2 + 4);  // disk, attributes
  entry.header_offset = reader.u32le();
  entry.name = as_text(reader.take(name_size));
  const Bytes extra = reader.take(extra_size);
  reader.skip(comment_size);
  expect_readable(flags, entry.name);
  expect_extra(extra, entry.name);
  if (method != 0 && method != 8)
    fail(ErrorCode::unsupported, concat(source_, ": zip entry ", in_quotes(entry.name), " is packed with method ",
                                        method, "; only stored (0) and deflated (8) are supported"));
  entry.is_deflated = method == 8;
  read_zip64_extra(extra, entry);
  if (!entry.is_deflated && entry.packed_size != entry.size)
    fail_format(
        concat("stored entry ", in_quotes(entry.name), " has two sizes: ", entry.packed_size, " and ", entry.size));
  return entry;
}

/// What the general purpose flags of an entry ask for (APPNOTE 4.4.4), whichever of its two headers has them.
MOECLIP_FUNC void ZipArchive::expect_readable(std::uint32_t flags, std::string_view name) const {
  const char* what = nullptr;
  if ((flags & (1u | 0x40u)) != 0) what = " is encrypted; decrypt it first";
  if ((flags & 0x20u) != 0) what = " is patch data for another file; pack the whole file instead";
  if ((flags & 0x2000u) != 0) what = " is of an archive with an encrypted directory; decrypt it first";
  if (what != nullptr) fail(ErrorCode::unsupported, concat(source_, ": zip entry ", in_quotes(name), what));
}

/// Extra fields are an identifier and a length each. Up to three bytes may follow: aligning tools leave them.
MOECLIP_FUNC void ZipArchive::expect_extra(Bytes extra, std::string_view name) const {
  while (extra.size() >= 4) {
    const std::size_t size = std::size_t{4} + load_u16le(extra.data() + 2);
    if (size > extra.size())
      fail_format(concat("an extra field of ", in_quotes(name), " is longer than the room for all of them"));
    extra = extra.subspan(size);
  }
}

MOECLIP_FUNC void ZipArchive::read_zip64_extra(Bytes extra, ZipEntry& entry) const {
  std::uint64_t* const fields[] = {&entry.size, &entry.packed_size, &entry.header_offset};
  const auto is_wanted = [](const std::uint64_t* field) { return *field == detail::kZipSaturated; };
  if (lists::none_of(fields, is_wanted)) return;
  ByteReader reader(extra, concat(source_, ": extra field of zip entry ", in_quotes(entry.name)));
  while (reader.left() >= 4) {
    const std::uint16_t id = reader.u16le(), size = reader.u16le();
    ByteReader field(reader.take(size), reader.source());
    if (id != 1) continue;
    for (std::uint64_t* const wanted : fields)
      if (is_wanted(wanted)) *wanted = field.u64le();
    return;
  }
}

MOECLIP_FUNC void ZipArchive::read_local_header(ZipEntry& entry, std::uint64_t directory_offset) const {
  ByteReader reader(bytes_.first(static_cast<std::size_t>(directory_offset)),
                    concat(source_, ": zip entry ", in_quotes(entry.name)));
  reader.seek(entry.header_offset);
  if (reader.u32le() != detail::kZipLocalHeader)
    fail_format(concat("the directory says that ", in_quotes(entry.name), " is at offset ", entry.header_offset,
                       ", which holds no entry"));
  reader.skip(2);  // version
  expect_readable(reader.u16le(), entry.name);
  const bool is_deflated = reader.u16le() == 8;
  reader.skip(2 + 2 + 4 + 4 + 4);  // time, date, CRC-32 and sizes: zero if a data descriptor follows
  const std::uint16_t name_size = reader.u16le(), extra_size = reader.u16le();
  if (as_text(reader.take(name_size)) != entry.name || is_deflated != entry.is_deflated)
    fail_format(concat("the local header of ", in_quotes(entry.name), " contradicts the directory"));
  expect_extra(reader.take(extra_size), entry.name);
  entry.data_offset = reader.offset();
  reader.skip(entry.packed_size);
}

MOECLIP_FUNC void ZipArchive::sort_names() {
  by_name_.resize(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) by_name_[i] = static_cast<std::uint32_t>(i);
  const auto name = [&](std::uint32_t i) { return entries_[i].name; };
  lists::sort_numbers(by_name_, [&](std::uint32_t a, std::uint32_t b) { return name(a) < name(b); });
  const auto twice =
      lists::adjacent_find(by_name_, [&](std::uint32_t a, std::uint32_t b) { return name(a) == name(b); });
  if (twice != by_name_.end()) fail_format(concat("two entries are named ", in_quotes(entries_[*twice].name)));
}

MOECLIP_FUNC void ZipArchive::expect_no_overlap() const {
  std::vector<std::uint32_t> order = by_name_;
  lists::sort_numbers(
      order, [&](std::uint32_t a, std::uint32_t b) { return entries_[a].header_offset < entries_[b].header_offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const ZipEntry& before = entries_[order[i - 1]];
    const ZipEntry& after = entries_[order[i]];
    if (before.data_offset + before.packed_size > after.header_offset)
      fail_format(concat("entries ", in_quotes(before.name), " and ", in_quotes(after.name), " overlap"));
  }
}

MOECLIP_FUNC Bytes ZipArchive::contents(const ZipEntry& entry, std::uint64_t max_size,
                                        std::vector<std::byte>& buffer) const {
  const std::string name = concat(source_, ": zip entry ", in_quotes(entry.name));
  const Bytes packed =
      bytes_.subspan(static_cast<std::size_t>(entry.data_offset), static_cast<std::size_t>(entry.packed_size));
  if (!entry.is_deflated) {
    detail::expect_crc(packed, entry.crc, name);
    return packed;
  }
  if (entry.size > max_size)
    fail(ErrorCode::limit,
         concat(name, " inflates to ", counted(entry.size, "byte"), "; at most ", max_size, " are accepted"));
  buffer = detail::inflate_checked(packed, entry.size, entry.crc, name);
  return buffer;
}

}}  // namespace moeclip::abi_v0_1

#endif
