// SPDX-License-Identifier: MIT
// Inflating arbitrary bytes, bare or wrapped as the first byte chooses.
#include <cstdlib>

#include <moeclip/io/deflate.hpp>
#include <moeclip/io/deflate/inflate.hpp>

#include "heap_limit.hpp"

using namespace moeclip;

namespace {

constexpr std::uint64_t kMost = 1 << 14;

void require(bool condition) {
  if (!condition) std::abort();
}

/// What decodes does so from its own bytes alone and with its size as the limit, and not with a limit of one less.
void inflate(Bytes in) {
  std::uint64_t consumed = 0;
  const auto out = inflate_raw(in, kMost, "fuzz", &consumed);
  require(out.size() <= kMost && consumed <= in.size());
  const Bytes stream = in.first(static_cast<std::size_t>(consumed));
  require(inflate_raw(stream, out.size(), "fuzz") == out);
  if (out.empty()) return;
  try {
    static_cast<void>(inflate_raw(stream, out.size() - 1, "fuzz"));
    std::abort();
  } catch (const Error& error) {
    require(error.code() == ErrorCode::limit);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  if (size == 0) return 0;
  const Bytes in = std::as_bytes(std::span(data + 1, size - 1));
  try {
    switch (data[0] % 4) {
      case 1: static_cast<void>(inflate_zlib(in, kMost, "fuzz")); break;
      case 2: static_cast<void>(inflate_gzip(in, kMost, "fuzz")); break;
      default: inflate(in);
    }
  } catch (const Error&) {
  }
  return 0;
}
