// SPDX-License-Identifier: MIT
#pragma once
// Compression with deflate, and decompression.

#include <cstdint>
#include <string_view>
#include <vector>

#include "bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// `in` as a zlib stream, compressed about as well as zlib does at its level 5 or 6.
std::vector<std::byte> deflate_zlib(Bytes in);

/// Inflates a bare deflate stream. `in`: the stream, and what may follow it; `max_output`: bytes that may come out;
/// `source`: name for messages; `consumed`: if given, set to the length of the stream. Throws format for data that are
/// broken or end early, limit as soon as more than `max_output` bytes come out.
std::vector<std::byte> inflate_raw(Bytes in, std::uint64_t max_output, std::string_view source,
                                   std::uint64_t* consumed = nullptr);

/// Inflates a zlib stream (RFC 1950), checking header and Adler-32. What follows the stream is ignored. Errors as
/// inflate_raw; unsupported for a preset dictionary.
std::vector<std::byte> inflate_zlib(Bytes in, std::uint64_t max_output, std::string_view source);

/// Inflates gzip data: all members one after the other, each with its CRC-32 and size checked; zero bytes may follow.
/// Errors as inflate_raw, `max_output` being for all members together.
std::vector<std::byte> inflate_gzip(Bytes in, std::uint64_t max_output, std::string_view source);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include "deflate/compress.hpp"
#include "deflate/inflate.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::vector<std::byte> deflate_zlib(Bytes in) {
  constexpr std::size_t kSegment = std::size_t{1} << 30;  // positions are kept in 32 bits
  detail::BitSink sink;
  sink.put(0x9C78, 16);  // deflate, window of 32 KiB, default compression
  Bytes left = in;
  do {
    const Bytes segment = left.first((std::min)(left.size(), kSegment));
    left = left.subspan(segment.size());
    detail::Deflater(segment, sink).run(left.empty());
  } while (!left.empty());
  sink.align();
  const std::uint32_t sum = adler32(in);
  for (unsigned shift = 32; shift > 0; shift -= 8) sink.put(sum >> (shift - 8) & 0xFF, 8);
  return std::move(sink.out);
}

MOECLIP_FUNC std::vector<std::byte> inflate_raw(Bytes in, std::uint64_t max_output, std::string_view source,
                                                std::uint64_t* consumed) {
  detail::Inflater inflater(in, max_output, source);
  const std::uint64_t end = inflater.run(0);
  if (consumed != nullptr) *consumed = end;
  return inflater.release();
}

MOECLIP_FUNC std::vector<std::byte> inflate_zlib(Bytes in, std::uint64_t max_output, std::string_view source) {
  ByteReader reader(in, source);
  const unsigned header = reader.u16be();
  if (header % 31 != 0 || (header >> 8 & 15) != 8 || header >> 12 > 7)
    fail(ErrorCode::format,
         concat(source, ": compressed data: a zlib stream cannot begin with ", header >> 8, " ", header & 0xFF));
  if ((header & 0x20) != 0)
    fail(ErrorCode::unsupported, concat(source, ": compressed data: a zlib stream with a preset dictionary"));
  detail::Inflater inflater(in, max_output, source);
  reader.seek(inflater.run(reader.offset()));
  detail::expect_trailer(source, "Adler-32", adler32(inflater.output()), reader.u32be());
  return inflater.release();
}

MOECLIP_FUNC std::vector<std::byte> inflate_gzip(Bytes in, std::uint64_t max_output, std::string_view source) {
  ByteReader reader(in, source);
  detail::Inflater inflater(in, max_output, source);
  do {
    detail::skip_gzip_header(reader);
    const std::size_t start = inflater.output().size();
    reader.seek(inflater.run(reader.offset()));
    const Bytes member = inflater.output().subspan(start);
    detail::expect_trailer(source, "CRC-32", crc32(member), reader.u32le());
    detail::expect_trailer(source, "size", static_cast<std::uint32_t>(member.size() & 0xFFFFFFFFu), reader.u32le());
    while (reader.left() > 0 && in[static_cast<std::size_t>(reader.offset())] == std::byte{0}) reader.skip(1);
  } while (reader.left() > 0);
  return inflater.release();
}

}}  // namespace moeclip::abi_v0_1

#endif
