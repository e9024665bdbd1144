// SPDX-License-Identifier: MIT
#include <moeclip/io/zip.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <moeclip/io/deflate.hpp>
#include <moeclip/io/deflate/compress.hpp>
#include "weight_samples.hpp"

namespace {

using namespace moeclip;
using samples::Entry;
using samples::little;
using samples::make_zip;

std::string zip_failure(const std::string& bytes) {
  try {
    const ZipArchive zip = ZipArchive::open(as_bytes(bytes), "a.zip");
    std::vector<std::byte> buffer;
    for (const ZipEntry& entry : zip.entries()) static_cast<void>(zip.contents(entry, 1000, buffer));
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
  return "";
}

/// The bare deflate stream of `text`: a zlib stream without header and checksum.
std::string deflated(const std::string& text) {
  const auto zlib = deflate_zlib(as_bytes(text));
  return std::string(as_text(Bytes(zlib).subspan(2, zlib.size() - 6)));
}

Entry deflated_entry(const std::string& name, const std::string& text) {
  Entry entry{name, deflated(text), 8};
  entry.size = text.size();
  entry.crc = crc32(as_bytes(text));
  return entry;
}

}  // namespace

TEST_CASE("zip: stored and deflated entries are found by name and unpacked") {
  const std::string long_text(500, 'x');
  const std::string bytes =
      make_zip({{"a/one", "first"}, deflated_entry("a/two", long_text), {"empty", ""}}, "comment");
  const ZipArchive zip = ZipArchive::open(as_bytes(bytes), "a.zip");
  REQUIRE(zip.entries().size() == 3);
  std::vector<std::byte> buffer;
  REQUIRE(zip.find("a/one") != nullptr);
  CHECK(as_text(zip.contents(*zip.find("a/one"), 0, buffer)) == "first");  // not inflated, so no limit applies
  CHECK(as_text(zip.contents(*zip.find("a/two"), 500, buffer)) == long_text);
  CHECK(zip.contents(*zip.find("empty"), 0, buffer).empty());
  CHECK(zip.find("a/thr") == nullptr);
  CHECK(zip.find("a/one/") == nullptr);
  CHECK_THROWS_AS(static_cast<void>(zip.contents(*zip.find("a/two"), 499, buffer)), Error);
}

TEST_CASE("zip: comments, trailing bytes and empty archives") {
  CHECK(zip_failure(make_zip({{"a", "b"}}, "PK\5\6 in a comment that is long enough to look like a record")) == "");
  CHECK(zip_failure(make_zip({{"a", "b"}}) + "appended") == "");
  CHECK(zip_failure(make_zip({})) == "");
}

TEST_CASE("zip: every truncation is an error") {
  const std::string whole = make_zip({{"a", "first"}, deflated_entry("b", "second second second")});
  CHECK(zip_failure(whole) == "");
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(zip_failure(whole.substr(0, size)) != "");
}

TEST_CASE("zip: contradictions and abuse are refused") {
  Entry lied{"a", "data"};
  lied.crc = 1;
  CHECK(zip_failure(make_zip({lied})).find("checksum") != std::string::npos);
  CHECK(zip_failure(make_zip({{"a", "x"}, {"a", "y"}})).find("two entries") != std::string::npos);
  lied = {"a", "data"};
  lied.size = 3;
  CHECK(zip_failure(make_zip({lied})).find("two sizes") != std::string::npos);
  lied = {"a", "data"};
  lied.local_name = "b";
  CHECK(zip_failure(make_zip({lied})).find("contradicts") != std::string::npos);
  lied = {"b", "data"};
  lied.offset = 0;
  lied.local_name = "b";
  CHECK(zip_failure(make_zip({{"b", "data"}, lied})) != "");  // both point to the first header
  lied = {"a", "data"};
  lied.offset = 7;
  CHECK(zip_failure(make_zip({lied})).find("holds no entry") != std::string::npos);
  lied = {"a", "data"};
  lied.flags = 1;
  CHECK(zip_failure(make_zip({lied})).starts_with("unsupported"));
  lied = {"a", "data", 12};
  CHECK(zip_failure(make_zip({lied})).starts_with("unsupported"));
}

TEST_CASE("zip: flags that ask for more than unpacking are refused, in either header") {
  struct Case {
    unsigned flag;
    const char* what;
  };
  for (const auto& [flag, what] :
       {Case{1, "encrypted"}, Case{0x20, "patch data"}, Case{0x40, "encrypted"}, Case{0x2000, "encrypted directory"}}) {
    Entry entry{"a", "data"};
    entry.flags = static_cast<std::uint16_t>(flag);
    CHECK(zip_failure(make_zip({entry})).starts_with("unsupported: a.zip: zip entry \"a\" is "));
    CHECK(zip_failure(make_zip({entry})).find(what) != std::string::npos);
    entry.local_flags = 0;
    CHECK(zip_failure(make_zip({entry})).find(what) != std::string::npos);
    entry.flags = 0;
    entry.local_flags = static_cast<int>(flag);
    CHECK(zip_failure(make_zip({entry})).starts_with("unsupported"));
    CHECK(zip_failure(make_zip({entry})).find(what) != std::string::npos);
  }
  Entry harmless{"a", "data"};
  harmless.flags = 0x80E;  // how hard it was compressed, sizes behind the data, UTF-8
  CHECK(zip_failure(make_zip({harmless})) == "");
}

TEST_CASE("zip: extra fields stay within their room, in either header") {
  const auto failure = [](const std::string& extra, bool is_local) {
    Entry entry{"a", "data"};
    (is_local ? entry.local_extra : entry.extra) = extra;
    return zip_failure(make_zip({entry}));
  };
  const std::string field = little(0x4246, 2) + little(3, 2) + "ZZZ";
  for (const bool is_local : {false, true}) {
    for (const std::string& sound :
         {std::string(), field, field + field, field + std::string(3, '\0'), std::string("\0", 1)})
      CHECK(failure(sound, is_local) == "");
    for (const std::string& wrong : {little(0x4246, 2) + little(4, 2) + "ZZZ", field + little(9, 2) + little(1, 2),
                                     little(1, 2) + little(0xFFFF, 2)})
      CHECK(failure(wrong, is_local).find("format: a.zip: zip archive: an extra field of \"a\" is longer") == 0);
  }
}

TEST_CASE("zip: nothing stands before the archive, or between the directory and its end") {
  const std::string sound = make_zip({{"a", "data"}, {"b", "more"}});
  const std::size_t end = sound.find("PK\5\6");
  for (const std::string gap : {"x", "1234567890123456789012"}) {
    CHECK(zip_failure(sound.substr(0, end) + gap + sound.substr(end)).find("of nothing: the file is damaged") !=
          std::string::npos);
    const std::string failure = zip_failure(gap + sound);
    CHECK(failure.find(concat(gap.size(), gap.size() == 1 ? " byte stands" : " bytes stand", " before the archive")) !=
          std::string::npos);
    CHECK(failure.find(concat("tail -c +", gap.size() + 1, " ")) != std::string::npos);
    CHECK(failure.starts_with("format"));
  }
}

TEST_CASE("zip: what looks like a zip64 locator by chance is none") {
  // The directory ends in the name of its last entry, and in an extra field; both may hold any bytes.
  const std::string chance = "PK\6\7" + little(0, 4) + little(5, 8) + little(1, 4);
  CHECK(zip_failure(make_zip({{"a", "data"}, {chance, "more"}})) == "");
  Entry entry{"a", "data"};
  entry.extra = little(0x7777, 2) + little(20, 2) + chance;
  CHECK(zip_failure(make_zip({entry})) == "");
}

TEST_CASE("zip: entries may not overlap") {
  // The second header lies inside the data of the first, as in the bombs that share one kernel of data.
  const std::string inner = make_zip({{"in", "data"}}).substr(0, 30 + 2 + 4);
  Entry outer{"out", inner};
  Entry second{"in", "data"};
  second.offset = 30 + 3;
  CHECK(zip_failure(make_zip({outer, second})).find("overlap") != std::string::npos);
}

TEST_CASE("zip: what inflates to something else than promised") {
  Entry longer = deflated_entry("a", std::string(300, 'y'));
  longer.size = 100;
  CHECK(zip_failure(make_zip({longer})) != "");
  Entry shorter = deflated_entry("a", std::string(300, 'y'));
  shorter.size = 400;
  CHECK(zip_failure(make_zip({shorter})).find("promises 400") != std::string::npos);
  Entry huge = deflated_entry("a", "y");
  huge.size = 0xFFFFFFF0;
  CHECK(zip_failure(make_zip({huge})).starts_with("limit"));
  CHECK(zip_failure(make_zip({{"a", "no deflate stream", 8}})) != "");
}

TEST_CASE("zip: zip64 records") {
  // Sizes and offset of the entry in the extra field.
  Entry entry{"a", "data"};
  entry.extra = little(1, 2) + little(24, 2) + little(4, 8) + little(4, 8) + little(0, 8);
  std::string bytes = make_zip({entry});
  const std::size_t directory = bytes.find("PK\1\2");
  bytes.replace(directory + 20, 8, 8, '\xFF');
  bytes.replace(directory + 42, 4, 4, '\xFF');
  CHECK(zip_failure(bytes) == "");
  std::string cut = bytes;
  cut.replace(cut.find(entry.extra) + 2, 2, little(16, 2));  // the offset is missing
  CHECK(zip_failure(cut) != "");

  // The directory's place in the zip64 end record.
  const std::size_t end = bytes.find("PK\5\6");
  const auto with_record = [&](std::uint64_t count, std::uint64_t place) {
    std::string all = bytes.substr(0, end);
    all += "PK\6\6" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) + little(count, 8) +
           little(count, 8) + little(end - directory, 8) + little(place, 8);
    all += "PK\6\7" + little(0, 4) + little(end, 8) + little(1, 4);
    return all + bytes.substr(end, 8) + std::string(12, '\xFF') + little(0, 2);
  };
  CHECK(zip_failure(with_record(1, directory)) == "");
  CHECK(zip_failure(with_record(2, directory)) != "");
  CHECK(zip_failure(with_record(~0ull, directory)) != "");
  CHECK(zip_failure(with_record(1, ~0ull - 5)) != "");
  CHECK(zip_failure(with_record(1, directory + 1)) != "");
  std::string lied = with_record(1, directory);
  lied.replace(lied.find("PK\6\6") + 4, 1, 1, 45);  // the record does not end where its locator begins
  CHECK(zip_failure(lied).find("where its locator begins") != std::string::npos);
}
