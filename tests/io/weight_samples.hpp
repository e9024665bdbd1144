// SPDX-License-Identifier: MIT
#pragma once
// Small weight files made in memory, sound or hostile: zip archives, pickles and safetensors from their parts.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <moeclip/io/bytes.hpp>
#include <moeclip/io/checksum.hpp>
#include <moeclip/io/weights.hpp>

namespace samples {

inline std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text.push_back(static_cast<char>(value));
  return text;
}

inline std::vector<std::byte> to_bytes(std::string_view text) {
  const moeclip::Bytes bytes = moeclip::as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

/// One entry of an archive; the fields that tests lie about can be set.
struct Entry {
  std::string name, data;      // data as it is packed
  std::uint16_t method = 0;    // 8: deflated
  std::uint64_t size = ~0ull;  // unpacked; default: that of data
  std::uint32_t crc = 0;       // default: that of data
  std::uint16_t flags = 0;
  std::uint64_t offset = ~0ull;  // of the local header; default: where it is
  std::string local_name = {};   // default: name
  std::string extra = {};        // of the central directory
  std::string local_extra = {};  // of the local header
  int local_flags = -1;          // default: flags
};

/// A zip archive of `entries`; `comment` is its comment.
inline std::string make_zip(std::vector<Entry> entries, std::string_view comment = "") {
  std::string out, directory;
  for (Entry& e : entries) {
    if (e.size == ~0ull) e.size = e.data.size();
    if (e.crc == 0) e.crc = moeclip::crc32(moeclip::as_bytes(e.data));
    if (e.offset == ~0ull) e.offset = out.size();
    const std::string& local_name = e.local_name.empty() ? e.name : e.local_name;
    const std::string sizes = little(e.crc, 4) + little(e.data.size(), 4) + little(e.size, 4);
    const auto common = [&](unsigned flags) {
      return little(20, 2) + little(flags, 2) + little(e.method, 2) + little(0, 4) + sizes;
    };
    out += "PK\3\4" + common(e.local_flags < 0 ? e.flags : static_cast<unsigned>(e.local_flags)) +
           little(local_name.size(), 2) + little(e.local_extra.size(), 2) + local_name + e.local_extra + e.data;
    directory += "PK\1\2" + little(20, 2) + common(e.flags) + little(e.name.size(), 2) + little(e.extra.size(), 2) +
                 little(0, 2 + 2 + 2 + 4) + little(e.offset, 4) + e.name + e.extra;
  }
  const std::uint64_t begin = out.size();
  out += directory;
  return out + "PK\5\6" + little(0, 4) + little(entries.size(), 2) + little(entries.size(), 2) +
         little(directory.size(), 4) + little(begin, 4) + little(comment.size(), 2) + std::string(comment);
}

// ---- pickles ----
inline std::string text(std::string_view s) { return "X" + little(s.size(), 4) + std::string(s); }
inline std::string number(std::int64_t n) { return "\x8a\x08" + little(static_cast<std::uint64_t>(n), 8); }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(std::string_view parts) { return "(" + std::string(parts) + "t"; }

inline std::string storage(std::string_view key, std::int64_t count, std::string_view type = "FloatStorage") {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") + number(count)) + "Q";
}

struct TensorParts {
  std::string store = storage("0", 6);
  std::string offset = number(0);
  std::string shape = tuple(number(2) + number(3));
  std::string strides = tuple(number(3) + number(1));
  std::string rest = "\x89" + global("collections", "OrderedDict") + ")R";
  std::string function = "_rebuild_tensor_v2";
};
inline std::string tensor(const TensorParts& p = {}) {
  return global("torch._utils", p.function) + tuple(p.store + p.offset + p.shape + p.strides + p.rest) + "R";
}

/// A whole pickle of protocol 2 around the opcodes of one value.
inline std::string pickle(std::string_view value) { return "\x80\x02" + std::string(value) + "."; }

/// A dict of one item.
inline std::string item(std::string_view key, std::string_view value) {
  return "}" + text(key) + std::string(value) + "s";
}

inline constexpr std::string_view kSixFloats{"\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40\0\0\xc0\x40",
                                             24};

/// A torch.save archive with this value and one storage, "0", of 1, 2, 3, 4, 5, 6.
inline std::string make_torch(std::string_view value, std::vector<Entry> more = {}) {
  std::vector<Entry> entries = {{"m/data.pkl", pickle(value)}, {"m/data/0", std::string(kSixFloats)}};
  for (Entry& e : more) entries.push_back(std::move(e));
  return make_zip(std::move(entries));
}

/// What torch.save wrote before 1.6 around this value, with the same storage.
inline std::string make_legacy(std::string_view value, std::string_view data = "") {
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  return magic + pickle("M\xe9\x03") + pickle(item("little_endian", "\x88")) + pickle(value) +
         pickle("]" + text("0") + "a") + (data.empty() ? little(6, 8) + std::string(kSixFloats) : std::string(data));
}

inline std::string make_safetensors(std::string_view header, std::string_view data = "") {
  return little(header.size(), 8) + std::string(header) + std::string(data);
}

inline moeclip::WeightFile open(std::string_view bytes) {
  return moeclip::WeightFile::from_bytes(to_bytes(bytes), "sample");
}

/// The code and message with which opening and reading everything fails; "" if it does not.
inline std::string failure(std::string_view bytes) {
  try {
    const auto file = open(bytes);
    for (const auto& entry : file.entries()) {
      static_cast<void>(file.read<float>(entry.name));
      file.stored_bytes(entry.name, [](moeclip::Bytes) {});
    }
  } catch (const moeclip::Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
  return "";
}

}  // namespace samples
