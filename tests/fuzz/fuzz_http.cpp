// SPDX-License-Identifier: MIT
// Any bytes as HTTP requests: requests, or a refusal, in pieces of any size alike, and never a body beyond the limit.
#include <cstdint>
#include <cstdlib>

#include "../../tools/moeclip/http.cpp"  // NOLINT: the tool is no library

namespace {

std::string heard(std::string_view bytes, std::size_t step) {
  cli::HttpLimits limits;
  limits.head = 2048;
  limits.body = 1000;
  cli::HttpParser parser(limits);
  cli::HttpRequest request;
  std::string all;
  while (!bytes.empty() && parser.failure() == 0) {
    parser.feed(bytes.substr(0, step));
    bytes.remove_prefix(step < bytes.size() ? step : bytes.size());
    while (parser.next(request)) {
      if (request.body.size() > limits.body) std::abort();
      all += request.method + " " + request.path + " " + request.body + "\n";
    }
    if (const cli::HttpRequest* const head = parser.take_head()) {
      if (head->method.empty() || parser.take_head() != nullptr) std::abort();
    }
  }
  return all + std::to_string(parser.failure());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size < 2000 && heard(bytes, 1) != heard(bytes, size + 1)) std::abort();
  static_cast<void>(heard(bytes, 7));
  return 0;
}
