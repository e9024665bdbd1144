// SPDX-License-Identifier: MIT
#include <moeclip/io/checksum.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace moeclip;

TEST_CASE("checksum: values of zlib") {
  CHECK(crc32({}) == 0);
  CHECK(adler32({}) == 1);
  CHECK(crc32(as_bytes("a")) == 0xe8b7be43u);
  CHECK(adler32(as_bytes("a")) == 0x00620062u);
  CHECK(crc32(as_bytes("123456789")) == 0xcbf43926u);
  CHECK(adler32(as_bytes("123456789")) == 0x091e01deu);
  const std::string most(6000, '\xff');  // the bytes that come nearest to an overflow of Adler's second sum
  CHECK(crc32(as_bytes(most)) == 0xb7829fe5u);
  CHECK(adler32(as_bytes(most)) == 0xa49759eau);
}

TEST_CASE("checksum: a crc goes on where it stopped, or is put together of two") {
  const std::string text = "a text of forty bytes, cut in every place";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string_view whole = text;
    const Bytes first = as_bytes(whole.substr(0, cut)), second = as_bytes(whole.substr(cut));
    CHECK(crc32(second, crc32(first)) == crc32(as_bytes(whole)));
    CHECK(crc32_combine(crc32(first), crc32(second), second.size()) == crc32(as_bytes(whole)));
  }
}
