// SPDX-License-Identifier: MIT
#include "http.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <moeclip/base/read_number.hpp>

namespace cli {

namespace {

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kMarks.find(c) != kMarks.npos;
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Shows `see` the words of a list, which `mark` divides.
template <class See>
void each_word(std::string_view list, char mark, const See& see) {
  while (!list.empty()) {
    const std::string_view word = list.substr(0, list.find(mark));
    see(trimmed(word));
    list.remove_prefix(std::min(word.size() + 1, list.size()));
  }
}

/// A number of nothing but digits.
bool read_digits(std::string_view text, int base, std::size_t& value) {
  if (text.empty() || text.size() > 15) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size() && text.front() != '-' && text.front() != '+';
}

}  // namespace

std::string lower(std::string_view text) {
  std::string low(text);
  for (char& c : low)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return low;
}

double HttpRequest::welcome(std::string_view type) const {
  const std::string family = std::string(type.substr(0, type.find('/'))) + "/*";
  int nearest = 0;  // of the ranges that name it: what is said of the very type counts most
  double welcome = 1;
  for (const auto& [name, value] : headers) {
    if (name != "accept") continue;
    if (nearest == 0) welcome = 0;  // if no range names it
    each_word(value, ',', [&](std::string_view range) {
      std::string kind;
      double quality = 1;
      each_word(range, ';', [&](std::string_view part) {
        if (kind.empty())
          kind = lower(part);
        else if (part.starts_with("q=") || part.starts_with("Q="))
          moeclip::read_number(part.data() + 2, part.data() + part.size(), quality);
      });
      const int nearness = kind == type ? 3 : kind == family ? 2 : kind == "*/*" ? 1 : 0;
      if (nearness <= nearest) return;
      nearest = nearness;
      welcome = quality;
    });
  }
  return welcome;
}

std::string_view HttpRequest::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, [](const auto& entry) { return std::string_view(entry.first); });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::size_t HttpParser::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count(request_.headers, name, [](const auto& entry) { return std::string_view(entry.first); }));
}

bool HttpParser::fail(int status, std::string reason) {
  failure_ = status;
  reason_ = std::move(reason);
  return false;
}

bool HttpParser::next(HttpRequest& request) {
  if (failure_ != 0) return false;
  if (!has_head_ && !read_head()) return false;
  if (is_chunked_) {
    if (!read_chunks()) return false;
  } else {
    if (buffer_.size() < length_) return false;
    request_.body = buffer_.substr(0, length_);
    buffer_.erase(0, length_);
  }
  request = std::exchange(request_, {});
  has_head_ = is_head_new_ = is_chunked_ = is_old_ = wants_continue_ = false;
  length_ = 0;
  return true;
}

bool HttpParser::read_head() {
  const std::size_t end = buffer_.find("\r\n\r\n");
  const std::size_t size = std::min(end, buffer_.size());
  if (size > limits_.head) return fail(431, "the headers are too long");
  // A line feed alone would end a line for some and not for others.
  for (std::size_t i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(buffer_[i]);
    const bool is_feed = byte == '\n' && (i == 0 || buffer_[i - 1] != '\r');
    const bool is_return = byte == '\r' && i + 1 < buffer_.size() && buffer_[i + 1] != '\n';
    if (is_feed || is_return || (byte < 0x20 && byte != '\r' && byte != '\n' && byte != '\t') || byte == 0x7F)
      return fail(400, "a control character stands in the headers");
  }
  if (end == std::string::npos) return false;
  const std::string head = buffer_.substr(0, end);
  buffer_.erase(0, end + 4);
  std::string_view rest = head;
  bool is_first = true;
  while (is_first || !rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(std::min(line.size() + 2, rest.size()));
    if (!(is_first ? read_request_line(line) : read_header(line))) return false;
    is_first = false;
  }
  has_head_ = is_head_new_ = find_body();
  return has_head_;
}

bool HttpParser::read_request_line(std::string_view line) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || first == last) return fail(400, "the request line has not three words");
  const std::string_view target = line.substr(first + 1, last - first - 1), version = line.substr(last + 1);
  request_.method = line.substr(0, first);
  if (!is_token(request_.method) || target.empty() || target.front() != '/' ||
      target.find_first_of(" \t") != target.npos)
    return fail(400, "the request line is no METHOD /PATH HTTP/1.1");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return fail(505, "only HTTP/1.1 is spoken here");
  is_old_ = version == "HTTP/1.0";
  request_.path = target.substr(0, target.find('?'));
  return true;
}

bool HttpParser::read_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (request_.headers.size() == limits_.headers) return fail(431, "there are too many headers");
  if (colon == line.npos || !is_token(line.substr(0, colon))) return fail(400, "a header has no name");
  request_.headers.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  return true;
}

/// Whether a Connection header names `option`, in lower case.
bool HttpParser::has_option(std::string_view option) const {
  bool is_named = false;
  for (const auto& [name, value] : request_.headers) {
    if (name == "connection") each_word(value, ',', [&](std::string_view word) { is_named |= lower(word) == option; });
  }
  return is_named;
}

/// What the headers say of the body and of the connection.
bool HttpParser::find_body() {
  const std::size_t lengths = count("content-length"), codings = count("transfer-encoding");
  if (count("host") > 1 || (!is_old_ && count("host") == 0)) return fail(400, "one Host is needed");
  if (lengths > 1) return fail(400, "there are two lengths");
  if (lengths > 0 && codings > 0) return fail(400, "there are a length and chunks");
  if (codings > 0 && is_old_) return fail(400, "HTTP/1.0 has no chunks");
  if (codings > 0 && (codings > 1 || lower(request_.header("transfer-encoding")) != "chunked"))
    return fail(501, "no transfer coding but chunked is known");
  is_chunked_ = codings > 0;
  length_ = 0;
  if (lengths > 0 && !read_digits(request_.header("content-length"), 10, length_))
    return fail(400, "the length is no number");
  if (length_ > limits_.body) return fail(413, "the body is too large");
  request_.keeps_alive = is_old_ ? has_option("keep-alive") : !has_option("close");
  if (count("expect") > 0 && lower(request_.header("expect")) != "100-continue") return fail(417, "what is expected?");
  wants_continue_ = count("expect") > 0 && !is_old_ && buffer_.empty() && (is_chunked_ || length_ > 0);
  return true;
}

bool HttpParser::read_chunks() {
  constexpr std::size_t kLongestSize = 18;  // a size and its line end
  std::size_t at = 0;                       // whole chunks end here
  bool is_over = false;
  while (!is_over && failure_ == 0) {
    const std::string_view rest = std::string_view(buffer_).substr(at);
    const std::size_t line = rest.substr(0, kLongestSize).find("\r\n");
    std::size_t size = 0;
    if (line == rest.npos && rest.size() < kLongestSize) break;
    if (line == rest.npos || !read_digits(rest.substr(0, line), 16, size)) {
      fail(400, "a chunk has no size");
    } else if (size > limits_.body - request_.body.size()) {
      fail(413, "the body is too large");
    } else if (rest.size() < line + 2 + size + 2) {
      break;
    } else if (rest.substr(line + 2 + size, 2) != "\r\n") {
      fail(400, size > 0 ? "a chunk is longer than its size" : "trailers are not taken");
    } else {
      request_.body += rest.substr(line + 2, size);
      at += line + 2 + size + 2;
      is_over = size == 0;
    }
  }
  buffer_.erase(0, at);
  return is_over;
}

const char* http_reason(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0u : 1u;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]);
  return difference == 0;
}

}  // namespace cli
