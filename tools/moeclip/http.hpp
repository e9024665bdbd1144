// SPDX-License-Identifier: MIT
#pragma once
// Reads HTTP/1.1 requests as RFC 9112 has them, and nothing looser: what two servers could read in two ways (two
// lengths, a length beside chunks, a bare line feed, a folded line, a space before a colon) is refused, so that nothing
// can be smuggled past one of them.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

/// `text` with the letters of ASCII in lower case.
std::string lower(std::string_view text);

/// A request that has arrived whole.
struct HttpRequest {
  std::string method, path;                                  ///< the path without its query
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;
  bool keeps_alive = true;  ///< whether another request may follow

  /// The value of a header that stands there once; "" if it does not stand there.
  [[nodiscard]] std::string_view header(std::string_view name) const;

  /// How welcome an answer of `type`, such as image/png, is by the Accept headers, from 0 to 1 (RFC 9110, 12.5.1).
  [[nodiscard]] double welcome(std::string_view type) const;
};

/// How much of a request is taken.
struct HttpLimits {
  std::size_t head = std::size_t{1} << 14;  ///< bytes of request line and headers
  std::size_t headers = 64;
  std::size_t body = std::size_t{1} << 26;
};

/// Reads the requests of one connection from pieces of any size.
class HttpParser {
 public:
  explicit HttpParser(const HttpLimits& limits = {}) : limits_(limits) {}

  /// Takes what has arrived.
  void feed(std::string_view bytes) { buffer_ += bytes; }

  /// True if `request` has become a whole request, which is taken out. Call it again after that: what follows may be
  /// there. False if more is needed, or if failure() is not 0.
  bool next(HttpRequest& request);

  /// The status of the answer to a request that is no good, after which the connection must be closed; 0: all is well.
  [[nodiscard]] int failure() const { return failure_; }
  /// Why, for people.
  [[nodiscard]] const std::string& reason() const { return reason_; }
  /// Once for each request whose body is still coming: what is before it, until the next call of next(); else null.
  const HttpRequest* take_head() { return std::exchange(is_head_new_, false) ? &request_ : nullptr; }
  /// True if nothing of a next request has arrived.
  [[nodiscard]] bool is_idle() const { return buffer_.empty() && !has_head_; }
  /// True once for each request whose body is only sent after "100 Continue".
  bool takes_continue() { return std::exchange(wants_continue_, false); }

 private:
  bool fail(int status, std::string reason);
  bool read_head();
  bool read_request_line(std::string_view line);
  bool read_header(std::string_view line);
  bool find_body();
  bool read_chunks();
  [[nodiscard]] std::size_t count(std::string_view name) const;
  [[nodiscard]] bool has_option(std::string_view option) const;

  HttpLimits limits_;
  std::string buffer_;
  HttpRequest request_;
  bool has_head_ = false, is_head_new_ = false, is_chunked_ = false, is_old_ = false, wants_continue_ = false;
  std::size_t length_ = 0;  // of the body
  int failure_ = 0;
  std::string reason_;
};

/// "Not Found" and its like.
const char* http_reason(int status);

/// True if two texts are equal; takes as long wherever they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace cli
