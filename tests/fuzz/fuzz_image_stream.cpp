// SPDX-License-Identifier: MIT
// Any bytes as a stream of pictures: pictures and their end, or an Error, in pieces of any size alike.
#include <algorithm>
#include <cstdlib>
#include <moeclip/image/image_stream.hpp>
#include <vector>

#include "heap_limit.hpp"

namespace {

/// Sizes of the pictures found, -1 for an error.
std::vector<std::ptrdiff_t> cut(std::span<const std::byte> bytes, std::size_t step) {
  using namespace moeclip;
  const auto source = [&](std::span<std::byte> to) {
    const std::size_t count = std::min({to.size(), step, bytes.size()});
    std::copy_n(bytes.begin(), count, to.begin());
    bytes = bytes.subspan(count);
    return count;
  };
  std::vector<std::ptrdiff_t> sizes;
  ImageStream stream(source, "fuzz");
  try {
    for (Bytes found = stream.next(); !found.empty(); found = stream.next()) sizes.push_back(std::ssize(found));
  } catch (const Error&) {
    sizes.push_back(-1);
  }
  return sizes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  const auto bytes = std::as_bytes(std::span(data, size));
  if (cut(bytes, 1) != cut(bytes, size + 1)) std::abort();
  return 0;
}
