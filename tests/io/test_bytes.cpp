// SPDX-License-Identifier: MIT
#include <moeclip/io/bytes.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace moeclip;

namespace {

std::string error_of_skip(ByteReader& reader, std::uint64_t count) {
  try {
    reader.skip(count);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::format);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("bytes: integers are assembled in both orders") {
  std::array<std::byte, 9> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(0xF0 + i);
  ByteReader reader(bytes, "x");
  CHECK(reader.u8() == 0xF0);
  CHECK(reader.u64le() == 0xF8F7F6F5F4F3F2F1u);
  reader.seek(1);
  CHECK(reader.u64be() == 0xF1F2F3F4F5F6F7F8u);
  reader.seek(1);
  CHECK(reader.u32le() == 0xF4F3F2F1u);
  CHECK(reader.u32be() == 0xF5F6F7F8u);
  reader.seek(0);
  CHECK(reader.u16le() == 0xF1F0u);
  CHECK(reader.u16be() == 0xF2F3u);
}

TEST_CASE("bytes: a reader keeps count and stops at the end") {
  ByteReader reader(as_bytes("abcdef"), "file.bin");
  CHECK(reader.source() == "file.bin");
  CHECK(as_text(reader.take(4)) == "abcd");
  CHECK(reader.offset() == 4);
  CHECK(reader.left() == 2);
  CHECK(reader.size() == 6);
  CHECK(error_of_skip(reader, 3) ==
        "file.bin: truncated: 3 bytes wanted at offset 4, 2 left; the file is cut off (an interrupted copy or "
        "download?) or "
        "damaged: get it again");
  CHECK(error_of_skip(reader, ~std::uint64_t{0}) != "");
  CHECK_THROWS_AS(reader.u32le(), Error);
  CHECK(reader.offset() == 4);  // a read that fails moves nothing
  reader.skip(2);
  CHECK(reader.take(0).empty());
  CHECK_THROWS_AS(reader.u8(), Error);
  reader.seek(6);
  CHECK_THROWS_AS(reader.seek(7), Error);
}

TEST_CASE("bytes: nothing is a source too") {
  ByteReader reader({}, "empty");
  CHECK(reader.left() == 0);
  CHECK(reader.take(0).empty());
  reader.seek(0);
  CHECK_THROWS_AS(reader.u8(), Error);
  CHECK(as_text(as_bytes("")).empty());
}
