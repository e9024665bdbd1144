// SPDX-License-Identifier: MIT
#pragma once
// SHA-256 (FIPS 180-4): the fingerprint by which tensors and files are compared.

#include <array>

#include "../base/lists.hpp"
#include "bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Hash of bytes that come in pieces: update as often as needed, then finish once.
class Sha256 {
 public:
  void update(Bytes bytes);  ///< adds `bytes` to the end of the message

  /// The hash. Pads the message: nothing may follow.
  std::array<std::uint8_t, 32> finish();

 private:
  static constexpr std::size_t kBlock = 64;

  // The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
  static constexpr std::array<std::uint32_t, 64> kRound = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

  void compress(const std::byte* block);

  // The same of the square roots of the first 8 primes.
  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, kBlock> block_{};  // the beginning of a block that is not whole yet
  std::size_t pending_ = 0;                // bytes of it
  std::uint64_t length_ = 0;               // bytes so far
};

/// A hash as 64 lower-case hexadecimal digits.
std::string to_hex(const std::array<std::uint8_t, 32>& hash);

/// The hash of `bytes` as 64 lower-case hexadecimal digits.
std::string sha256_hex(Bytes bytes);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>
#include <bit>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void Sha256::update(Bytes bytes) {
  length_ += bytes.size();
  if (pending_ > 0) {
    const std::size_t taken = (std::min)(bytes.size(), kBlock - pending_);
    std::copy_n(bytes.begin(), taken, block_.begin() + static_cast<std::ptrdiff_t>(pending_));
    pending_ += taken;
    bytes = bytes.subspan(taken);
    if (pending_ < kBlock) return;
    compress(block_.data());
  }
  for (; bytes.size() >= kBlock; bytes = bytes.subspan(kBlock)) compress(bytes.data());
  lists::copy(bytes, block_.begin());
  pending_ = bytes.size();
}

MOECLIP_FUNC std::array<std::uint8_t, 32> Sha256::finish() {
  const std::uint64_t bits = length_ * 8;
  std::array<std::byte, kBlock + 8> padding{std::byte{0x80}};
  const std::size_t zeros = (2 * kBlock - 8 - pending_ - 1) % kBlock;  // so that the length ends a block
  for (unsigned i = 0; i < 8; ++i) padding[1 + zeros + i] = static_cast<std::byte>(bits >> (56 - 8 * i) & 0xFF);
  update(Bytes(padding).first(1 + zeros + 8));
  std::array<std::uint8_t, 32> hash{};
  for (unsigned i = 0; i < 32; ++i) hash[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)) & 0xFF);
  return hash;
}

MOECLIP_FUNC void Sha256::compress(const std::byte* block) {
  using std::rotr;
  std::array<std::uint32_t, 64> w;
  for (std::size_t t = 0; t < 16; ++t) w[t] = load_u32be(block + 4 * t);
  for (std::size_t t = 16; t < 64; ++t) {
    const std::uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
    const std::uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  // The standard moves every variable to the next one's place after each round. Naming them anew eight times does the
  // same without moving.
  std::size_t t = 0;
  const auto round = [&](auto p, auto q, auto r, auto& s, auto u, auto v, auto x, auto& y) {
    y += (rotr(u, 6) ^ rotr(u, 11) ^ rotr(u, 25)) + ((u & v) ^ (~u & x)) + kRound[t] + w[t];
    s += y;
    y += (rotr(p, 2) ^ rotr(p, 13) ^ rotr(p, 22)) + ((p & q) ^ (p & r) ^ (q & r));
    ++t;
  };
  while (t < 64) {
    round(a, b, c, d, e, f, g, h);
    round(h, a, b, c, d, e, f, g);
    round(g, h, a, b, c, d, e, f);
    round(f, g, h, a, b, c, d, e);
    round(e, f, g, h, a, b, c, d);
    round(d, e, f, g, h, a, b, c);
    round(c, d, e, f, g, h, a, b);
    round(b, c, d, e, f, g, h, a);
  }
  const std::array<std::uint32_t, 8> change = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state_[i] += change[i];
}

MOECLIP_FUNC std::string to_hex(const std::array<std::uint8_t, 32>& hash) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : hash) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

MOECLIP_FUNC std::string sha256_hex(Bytes bytes) {
  Sha256 sha;
  sha.update(bytes);
  return to_hex(sha.finish());
}

}}  // namespace moeclip::abi_v0_1

#endif
