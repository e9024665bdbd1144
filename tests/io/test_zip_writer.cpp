// SPDX-License-Identifier: MIT
#include <moeclip/io/zip_writer.hpp>

#include <doctest/doctest.h>

#include <string>

#include <moeclip/io/zip.hpp>
#include "expect_error.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace moeclip;

TEST_CASE("zip writer: what was written is read, aligned as wanted") {
  const TemporaryFolder folder("zip_writer");
  const std::string path = join_path(folder.path(), "a.zip");
  for (const std::uint64_t alignment : {1u, 2u, 7u, 64u}) {
    CAPTURE(alignment);
    ZipWriter writer(path);
    const std::vector<std::string> texts = {"first", "", std::string(1000, 'x'), "last"};
    for (std::size_t i = 0; i < texts.size(); ++i)
      writer.add(concat("folder/\xC3\xA4", i), as_bytes(texts[i]), alignment);
    writer.commit();
    const std::vector<std::byte> bytes = read_file(path, 1 << 20);
    const ZipArchive zip = ZipArchive::open(bytes, path);  // checks headers, names and overlaps
    REQUIRE(zip.entries().size() == texts.size());
    std::vector<std::byte> buffer;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const ZipEntry* const entry = zip.find(concat("folder/\xC3\xA4", i));
      REQUIRE(entry != nullptr);
      CHECK(as_text(zip.contents(*entry, 0, buffer)) == texts[i]);  // and the checksum
      CHECK(entry->data_offset % alignment == 0);
    }
  }
}

TEST_CASE("zip writer: nothing appears without commit, and the same entries give the same bytes") {
  const TemporaryFolder folder("zip_writer_twice");
  const auto write = [&](const std::string& name, bool is_committed) {
    ZipWriter writer(join_path(folder.path(), name));
    writer.add("a", as_bytes("text"));
    if (is_committed) writer.commit();
  };
  write("none", false);
  CHECK(list_files(folder.path()).empty());
  write("a", true);
  write("b", true);
  CHECK(read_file(join_path(folder.path(), "a"), 1000) == read_file(join_path(folder.path(), "b"), 1000));
}

TEST_CASE("zip writer: an archive of nothing is whole") {
  const TemporaryFolder folder("zip_writer_empty");
  const std::string path = join_path(folder.path(), "a.zip");
  ZipWriter(path).commit();
  CHECK(ZipArchive::open(read_file(path, 100), path).entries().empty());
}

}  // namespace
