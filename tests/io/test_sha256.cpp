// SPDX-License-Identifier: MIT
#include <moeclip/io/sha256.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace moeclip;

TEST_CASE("sha256: the examples of FIPS 180-4") {
  CHECK(sha256_hex({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex(as_bytes("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(as_bytes(std::string(1000000, 'a'))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: pieces of any length give the hash of the whole") {
  std::string text;
  for (int length = 0; length < 200; ++length) {
    const Bytes bytes = as_bytes(text);
    Sha256 whole;
    whole.update(bytes);
    const auto expected = whole.finish();
    for (const std::size_t piece : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}}) {
      Sha256 pieces;
      for (Bytes left = bytes; !left.empty(); left = left.subspan(std::min(piece, left.size())))
        pieces.update(left.first(std::min(piece, left.size())));
      CHECK(pieces.finish() == expected);
    }
    text += static_cast<char>(length);
  }
}
