// SPDX-License-Identifier: MIT
#include <moeclip/io/deflate.hpp>
#include <moeclip/io/deflate/inflate.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include <moeclip/io/file.hpp>
#include <moeclip/io/huffman_encoder.hpp>
#include "golden.hpp"

using namespace moeclip;

namespace {

constexpr std::uint64_t kPlenty = 1 << 20;

/// What tests/golden/io/sequence_*.zz and members.gz hold.
std::string sequence(std::size_t size) {
  std::string text;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < size; ++i) {
    state = state * 1664525u + 1013904223u;
    text += i % 7 != 0 ? static_cast<char>('a' + (state >> 28)) : i != 0 ? text[i / 2] : 'a';
  }
  return text;
}

/// Letters as often as Fibonacci's numbers, which makes the longest codes that there are.
std::string fibonacci() {
  std::string text;
  for (std::size_t k = 0, a = 1, b = 1; k < 17; ++k, b += a, a = b - a) text.append(a, static_cast<char>('A' + k));
  return text;
}

std::vector<std::byte> golden_file(const std::string& name) { return read_file(golden_path("io/" + name), 1 << 20); }

std::string text_of(const std::vector<std::byte>& bytes) { return std::string(as_text(bytes)); }

ErrorCode code_of_raw(Bytes stream, std::uint64_t most = kPlenty) {
  try {
    static_cast<void>(inflate_raw(stream, most, "test"));
  } catch (const Error& error) {
    CHECK(std::string(error.what()).starts_with("test: compressed data: "));
    return error.code();
  }
  return ErrorCode::contract;  // for "nothing was thrown"
}

/// A stream written by hand: (value, bits) pairs.
struct Field {
  std::uint32_t value;
  unsigned bits;
};
std::vector<std::byte> stream(std::initializer_list<Field> fields) {
  detail::BitSink sink;
  for (const Field& field : fields) sink.put(field.value, field.bits);
  sink.align();
  return sink.out;
}

using Lengths = std::vector<std::uint8_t>;

/// A dynamic block with these code lengths, each written with four or five bits; then `body`.
std::vector<std::byte> dynamic_block(const Lengths& lengths, const Lengths& distances,
                                     std::initializer_list<Field> body) {
  detail::HuffmanEncoder<19> meta;
  std::array<std::uint8_t, 19> meta_lengths{};
  for (std::size_t i = 0; i < 19; ++i) meta_lengths[i] = i < 13 ? 4 : 5;
  meta.assign(meta_lengths);
  detail::BitSink sink;
  sink.put(5, 3);
  sink.put(static_cast<std::uint32_t>(lengths.size() - 257), 5);
  sink.put(static_cast<std::uint32_t>(distances.size() - 1), 5);
  sink.put(15, 4);
  for (const std::uint8_t symbol : detail::kMetaOrder) sink.put(meta_lengths[symbol], 3);
  for (const std::uint8_t length : lengths) meta.write(sink, {length, 0, 0});
  for (const std::uint8_t length : distances) meta.write(sink, {length, 0, 0});
  for (const Field& field : body) sink.put(field.value, field.bits);
  sink.align();
  return sink.out;
}

/// Lengths with all zero but these (symbol, length).
Lengths some(std::size_t size, std::initializer_list<std::pair<std::size_t, std::uint8_t>> symbols) {
  Lengths lengths(size, 0);
  for (const auto& [symbol, length] : symbols) lengths[symbol] = length;
  return lengths;
}

}  // namespace

TEST_CASE("inflate: what zlib wrote") {
  CHECK(text_of(inflate_zlib(golden_file("sequence_dynamic.zz"), 3000, "x")) == sequence(3000));
  CHECK(text_of(inflate_zlib(golden_file("sequence_fixed.zz"), 600, "x")) == sequence(600));
  CHECK(text_of(inflate_zlib(golden_file("sequence_stored.zz"), 300, "x")) == sequence(300));
  CHECK(text_of(inflate_zlib(golden_file("fibonacci.zz"), 4180, "x")) == fibonacci());
  CHECK(text_of(inflate_gzip(golden_file("members.gz"), 2000, "x")) == sequence(2000));
}

TEST_CASE("inflate: every truncation is noticed") {
  for (const char* name : {"sequence_dynamic.zz", "sequence_fixed.zz", "sequence_stored.zz", "fibonacci.zz"}) {
    const auto file = golden_file(name);
    const Bytes whole(file);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      CHECK_THROWS_AS(inflate_zlib(whole.first(length), kPlenty, "x"), Error);
      if (length < whole.size() - 6) CHECK(code_of_raw(whole.subspan(2, length)) == ErrorCode::format);
    }
  }
  const auto members = golden_file("members.gz");
  for (std::size_t length = 0; length < members.size() - 5; ++length) {
    try {
      const auto out = inflate_gzip(Bytes(members).first(length), kPlenty, "x");
      CHECK((out.size() == 1000));  // cut between the members: nothing is missing
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::format);
    }
  }
}

TEST_CASE("inflate: every flipped bit ends in an error or in the same bytes") {
  for (const char* name : {"sequence_stored.zz", "members.gz"}) {  // two flips of the dynamic one deceive Adler-32
    auto file = golden_file(name);
    const bool is_gzip = std::string_view(name).ends_with(".gz");
    const auto decode = [&] { return is_gzip ? inflate_gzip(file, 1 << 16, "x") : inflate_zlib(file, 1 << 16, "x"); };
    const auto original = decode();
    for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
      file[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
      try {
        const auto decoded = decode();
        CHECK(decoded == original);
      } catch (const Error& error) {
        CHECK(error.code() != ErrorCode::contract);
      }
      file[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    }
  }
}

TEST_CASE("inflate: the limit holds while decoding") {
  const auto file = golden_file("sequence_dynamic.zz");
  CHECK(inflate_zlib(file, 3000, "x").size() == 3000);
  for (const std::uint64_t most : {0u, 1u, 299u, 2999u})
    CHECK(code_of_raw(Bytes(file).subspan(2), most) == ErrorCode::limit);
  const auto stored = golden_file("sequence_stored.zz");
  CHECK(code_of_raw(Bytes(stored).subspan(2), 299) == ErrorCode::limit);
  CHECK(inflate_zlib(file, ~std::uint64_t{0}, "x").size() == 3000);

  // A bomb: matches of 258 zeros in two bits each. Without an end it would go on for ever.
  const Lengths lengths = some(286, {{0, 2}, {256, 2}, {285, 1}});
  auto bomb = dynamic_block(lengths, {1}, {{1, 2}});
  bomb.resize(bomb.size() + (1 << 16));
  CHECK(code_of_raw(bomb, 1 << 22) == ErrorCode::limit);
}

TEST_CASE("inflate: consumed is the length of the stream, whatever follows") {
  for (const char* name : {"sequence_dynamic.zz", "sequence_fixed.zz", "sequence_stored.zz"}) {
    const auto file = golden_file(name);
    for (std::size_t more = 0; more < 20; ++more) {
      auto longer = file;
      longer.insert(longer.end(), more, std::byte{0xAA});
      std::uint64_t consumed = 0;
      CHECK(inflate_raw(Bytes(longer).subspan(2), kPlenty, "x", &consumed).size() > 0);
      CHECK(consumed == file.size() - 6);
      CHECK(inflate_zlib(longer, kPlenty, "x").size() > 0);
    }
  }
}

TEST_CASE("inflate: small streams by hand") {
  CHECK(inflate_raw(stream({{3, 3}, {0, 7}}), 0, "x").empty());                              // fixed, end
  CHECK(text_of(inflate_raw(stream({{3, 3}, {0x8E, 8}, {0, 7}}), 9, "x")) == "A");           // 'A' is 0x71 reversed
  CHECK(text_of(inflate_raw(stream({{1, 8}, {0, 16}, {0xFFFF, 16}}), 0, "x")).empty());      // stored, nothing
  CHECK(code_of_raw({}) == ErrorCode::format);                                               // no block at all
  CHECK(code_of_raw(stream({{7, 3}, {0, 32}})) == ErrorCode::format);                        // block type 3
  CHECK(code_of_raw(stream({{1, 8}, {1, 16}, {0xFFFF, 16}, {0, 8}})) == ErrorCode::format);  // lengths disagree
  CHECK(code_of_raw(stream({{1, 8}, {2, 16}, {0xFFFD, 16}, {0, 8}})) == ErrorCode::format);  // stored, cut
  CHECK(code_of_raw(stream({{3, 3}, {0x40, 7}, {0, 5}, {0, 7}})) == ErrorCode::format);      // distance before start
  CHECK(code_of_raw(stream({{3, 3}, {0x8E, 8}, {0x40, 7}, {0xF, 5}, {0, 32}})) == ErrorCode::format);  // distance 30
  CHECK(code_of_raw(stream({{3, 3}, {0x63, 8}, {0, 32}})) == ErrorCode::format);  // length symbol 286
}

TEST_CASE("inflate: the codes that zlib accepts, and no others") {
  const auto decodes = [](const Lengths& lengths, const Lengths& distances, std::initializer_list<Field> body) {
    return code_of_raw(dynamic_block(lengths, distances, body)) == ErrorCode::contract;
  };
  const Lengths plain = some(258, {{'a', 2}, {256, 2}, {257, 1}});     // 'a' 10, end 11, length three 0
  CHECK(decodes(plain, {1}, {{1, 2}, {0, 1}, {0, 1}, {3, 2}}));        // one distance code, of one bit
  CHECK_FALSE(decodes(plain, {1}, {{1, 2}, {0, 1}, {1, 1}, {3, 2}}));  // the other bit means nothing
  CHECK(decodes(plain, {0}, {{1, 2}, {3, 2}}));                        // no distance code, none used
  CHECK_FALSE(decodes(plain, {0}, {{1, 2}, {0, 1}, {0, 1}, {3, 2}}));  // none, but used
  CHECK_FALSE(decodes(plain, {2}, {{3, 2}}));                          // one distance code, of two bits
  CHECK_FALSE(decodes(plain, {2, 2}, {{3, 2}}));                       // incomplete
  CHECK_FALSE(decodes(plain, {1, 1, 1}, {{3, 2}}));                    // over-subscribed
  CHECK(decodes(plain, {1, 2, 3, 3}, {{3, 2}}));
  CHECK(decodes(some(257, {{256, 1}}), {0}, {{0, 1}}));  // nothing but an end
  CHECK_FALSE(decodes(some(257, {{256, 1}}), {0}, {{1, 1}, {0, 30}}));
  CHECK_FALSE(decodes(some(257, {{256, 2}}), {0}, {{0, 30}}));            // the only code is too long
  CHECK_FALSE(decodes(some(257, {{'a', 1}, {'b', 1}}), {0}, {{0, 30}}));  // no end
  CHECK_FALSE(decodes(some(257, {{'a', 1}, {'b', 1}, {256, 1}}), {0}, {{0, 30}}));
  CHECK_FALSE(decodes(some(287, {{'a', 1}, {256, 1}}), {0}, {{1, 1}}));  // more symbols than there are
  CHECK(decodes(some(286, {{'a', 1}, {256, 1}}), Lengths(30, 0), {{1, 1}}));
  CHECK_FALSE(decodes(some(286, {{'a', 1}, {256, 1}}), Lengths(31, 0), {{1, 1}}));
}

TEST_CASE("inflate: matches of every distance and length") {
  // Literals 0 to 63, then one match; compared with the copying of single bytes.
  for (std::uint32_t distance = 1; distance <= 64; ++distance) {
    for (std::uint32_t length = 3; length <= 258; length += length < 40 ? 1 : 31) {
      detail::HuffmanEncoder<288> lengths;
      detail::HuffmanEncoder<32> distances;
      lengths.assign(detail::kFixedLengthBits);
      distances.assign(detail::kFixedDistanceBits);
      detail::BitSink sink;
      sink.put(3, 3);
      std::string expected;
      for (std::uint32_t i = 0; i < 64; ++i) {
        lengths.write(sink, {i, 0, 0});
        expected += static_cast<char>(i);
      }
      lengths.write(sink, detail::length_symbol(length));
      distances.write(sink, detail::distance_symbol(distance));
      lengths.write(sink, {'!', 0, 0});
      lengths.write(sink, {256, 0, 0});
      sink.align();
      for (std::uint32_t i = 0; i < length; ++i) expected += expected[expected.size() - distance];
      CHECK(text_of(inflate_raw(sink.out, 64 + length + 1, "x")) == expected + '!');
    }
  }
}

TEST_CASE("inflate: wrappings") {
  auto zlib = golden_file("sequence_fixed.zz");
  const auto zlib_error = [&](std::size_t at, unsigned value) {
    auto broken = zlib;
    broken[at] = static_cast<std::byte>(value);
    if (at < 2) {  // keep the header's own check right
      const auto rest =
          (std::to_integer<unsigned>(broken[0]) << 8 | (std::to_integer<unsigned>(broken[1]) & 0xE0)) % 31;
      broken[1] = (broken[1] & std::byte{0xE0}) | static_cast<std::byte>(31 - rest);
    }
    try {
      static_cast<void>(inflate_zlib(broken, kPlenty, "x"));
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::contract;
  };
  CHECK(zlib_error(0, 0x78) == ErrorCode::contract);
  CHECK(zlib_error(0, 0x08) == ErrorCode::contract);     // a small window promised is a promise, not a rule
  CHECK(zlib_error(0, 0x88) == ErrorCode::format);       // a window that is too large
  CHECK(zlib_error(0, 0x77) == ErrorCode::format);       // another method
  CHECK(zlib_error(1, 0x20) == ErrorCode::unsupported);  // a preset dictionary
  CHECK(zlib_error(zlib.size() - 1, 0) == ErrorCode::format);

  auto members = golden_file("members.gz");
  members.push_back(std::byte{'x'});  // zeros may follow, nothing else
  CHECK_THROWS_AS(inflate_gzip(members, kPlenty, "x"), Error);
  CHECK_THROWS_AS(inflate_gzip(zlib, kPlenty, "x"), Error);
  CHECK_THROWS_AS(inflate_gzip({}, kPlenty, "x"), Error);
}
