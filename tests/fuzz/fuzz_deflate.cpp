// SPDX-License-Identifier: MIT
// What is deflated comes back. The first byte tells how often the input is repeated, to fill windows and blocks.
#include <cstdlib>

#include <moeclip/io/deflate.hpp>
#include <moeclip/io/deflate/compress.hpp>
#include <moeclip/io/deflate/inflate.hpp>

#include "heap_limit.hpp"

using namespace moeclip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  if (size == 0) return 0;
  const Bytes once = std::as_bytes(std::span(data + 1, size - 1));
  std::vector<std::byte> in;
  for (unsigned i = 0; i < 1u + data[0] % 64; ++i) in.insert(in.end(), once.begin(), once.end());
  if (inflate_zlib(deflate_zlib(in), in.size(), "fuzz") != in) std::abort();
  return 0;
}
