// SPDX-License-Identifier: MIT
// What is deflated comes back. The first byte tells how often the input is repeated, to fill windows and blocks;
// no more than that, since inputs that take long are few.
#include <algorithm>
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
  constexpr std::size_t kMost = 40000;  // more than a window
  const std::size_t times = std::min<std::size_t>(data[0] % 64u, kMost / size) + 1;
  for (std::size_t i = 0; i < times; ++i) in.insert(in.end(), once.begin(), once.end());
  if (inflate_zlib(deflate_zlib(in), in.size(), "fuzz") != in) std::abort();
  return 0;
}
