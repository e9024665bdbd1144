// SPDX-License-Identifier: MIT
#include "serve.hpp"

#include <algorithm>
#include <chrono>
#include <moeclip/anomaly/overlay.hpp>
#include <moeclip/image/png.hpp>
#include <moeclip/image/read_image.hpp>
#include <moeclip/io/json_writer.hpp>

#include "progress.hpp"

namespace cli {

using moeclip::concat;

namespace {

constexpr std::size_t kShownVerdicts = 20;

HttpAnswer told(int status, const std::string& message) {
  return {status, "text/plain; charset=utf-8", message + "\n"};
}

HttpAnswer come_again(const std::string& message) {
  HttpAnswer busy = told(503, message);
  busy.headers.emplace_back("Retry-After", "1");
  return busy;
}

/// A Host that a browser can only have from this machine: names that others own may be made to lead here.
bool is_local_host(std::string_view host) {
  const std::size_t end = host.starts_with('[') ? host.find(']') + 1 : std::min(host.find(':'), host.size());
  const std::string_view name = host.substr(0, end), port = host.substr(end);
  constexpr std::string_view kLocal = "localhost";
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!port.empty() && (port[0] != ':' || !std::ranges::all_of(port.substr(1), is_digit))) return false;
  const bool is_number = std::ranges::all_of(name, [&](char c) { return is_digit(c) || c == '.'; });
  return name == "[::1]" || (is_number && name.starts_with("127.")) ||
         std::ranges::equal(name, kLocal, {}, [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
}

/// What went wrong with a picture, as a status.
int status_of(moeclip::ErrorCode code) {
  switch (code) {
    case moeclip::ErrorCode::format: return 422;
    case moeclip::ErrorCode::unsupported: return 415;
    case moeclip::ErrorCode::limit: return 413;
    default: return 500;
  }
}

}  // namespace

void ServeMetrics::count_verdict(const moeclip::Detection& detection, bool has_verdict, double seconds) {
  ++(!has_verdict ? undecided_ : detection.is_anomalous ? defective_ : good_);
  const std::lock_guard lock(mutex_);
  ++buckets_[static_cast<std::size_t>(std::ranges::lower_bound(kBounds, seconds) - kBounds.begin())];
  seconds_ += seconds;
}

std::string ServeMetrics::text() const {
  std::string text = concat(
      "# HELP moeclip_pictures_total Pictures that were judged.\n# TYPE moeclip_pictures_total counter\n",
      "moeclip_pictures_total{verdict=\"good\"} ", good_.load(), "\nmoeclip_pictures_total{verdict=\"defect\"} ",
      defective_.load(), "\nmoeclip_pictures_total{verdict=\"none\"} ", undecided_.load(),
      "\n# HELP moeclip_failures_total Bodies that could not be judged.\n# TYPE moeclip_failures_total counter\n",
      "moeclip_failures_total ", failures_.load(),
      "\n# HELP moeclip_busy_total Requests that were told to come again.\n# TYPE moeclip_busy_total counter\n",
      "moeclip_busy_total ", busy_.load(),
      "\n# HELP moeclip_latency_seconds From a whole request to its verdict, waiting included.\n",
      "# TYPE moeclip_latency_seconds histogram\n");
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    count += buckets_[i];
    text += concat("moeclip_latency_seconds_bucket{le=\"", i < kBounds.size() ? concat(kBounds[i]) : "+Inf", "\"} ",
                   count, "\n");
  }
  return text + concat("moeclip_latency_seconds_sum ", seconds_, "\nmoeclip_latency_seconds_count ", count,
                       "\n# HELP process_resident_memory_bytes Resident memory.\n",
                       "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes ", resident_bytes(),
                       "\n");
}

bool PictureService::is_allowed(const HttpRequest& request) const {
  if (options_.token.empty()) return true;
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view given = request.header("authorization");
  return lower(given.substr(0, kScheme.size())) == kScheme &&
         equal_in_constant_time(given.substr(kScheme.size()), options_.token);
}

std::optional<HttpAnswer> PictureService::refusal(const HttpRequest& request) const {
  const bool is_get = request.method == "GET" || request.method == "HEAD";
  const bool is_open = request.path == "/" || request.path == "/healthz";  // to whoever has no token
  const bool is_known =
      is_open || request.path == "/metrics" || request.path == "/verdicts" || request.path == "/detect";
  if (!is_known) return told(404, "there are POST /detect, GET /, /verdicts, /metrics and /healthz");
  if (is_get == (request.path == "/detect") || (!is_get && request.method != "POST")) {
    HttpAnswer refused = told(405, "POST /detect; GET everything else");
    refused.headers.emplace_back("Allow", request.path == "/detect" ? "POST" : "GET, HEAD");
    return refused;
  }
  // Pages of others must not have pictures judged, nor read verdicts, in the name of who looks at them.
  const std::string_view host = request.header("host"), origin = request.header("origin");
  const bool is_foreign = !origin.empty() && origin != concat("http://", host) && origin != concat("https://", host);
  if (is_foreign || (options_.is_local && options_.token.empty() && !host.empty() && !is_local_host(host)))
    return told(403, "this is asked for by a page of another host");
  if (is_open || is_allowed(request)) return std::nullopt;
  HttpAnswer refused = told(401, "a token is needed");
  refused.headers.emplace_back("WWW-Authenticate", "Bearer");
  return refused;
}

HttpAnswer PictureService::answer(const HttpRequest& request) {
  if (auto refused = refusal(request)) return std::move(*refused);
  if (request.path == "/healthz") return told(200, "ok");
  if (request.path == "/") {
    HttpAnswer page{200, "text/html; charset=utf-8", kServePage};
    page.headers.emplace_back("Content-Security-Policy",
                              "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src "
                              "'self'; img-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    return page;
  }
  if (request.path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text()};
  if (request.path == "/detect") return detect(request);
  moeclip::Json list = moeclip::Json::array();
  const std::lock_guard lock(listing_);
  for (const moeclip::Json& verdict : verdicts_) list.push_back(verdict);
  return {200, "application/json", moeclip::dump_json(list) + "\n"};
}

HttpAnswer PictureService::detect(const HttpRequest& request) {
  if (request.body.empty()) return told(411, "the body is to be a picture: PNG, JPEG, BMP, GIF, WebP, TIFF or Netpbm");
  if (lower(request.header("content-type")).starts_with("multipart/"))
    return told(415, "the body is to be the picture itself, and not a form: curl --data-binary @FILE, not -F");
  if (waiting_.fetch_add(1) >= options_.queue) {
    --waiting_;
    metrics_.count_busy();
    return come_again("too many pictures wait; come again");
  }
  HttpAnswer reply;
  try {
    reply = look(request, request.welcome("image/png") > request.welcome("application/json"));
  } catch (const moeclip::Error& error) {
    metrics_.count_failure();
    reply.status = status_of(error.code());
    reply.body =
        moeclip::dump_json(moeclip::Json::object().set(
            "error", moeclip::Json::object().set("code", to_string(error.code())).set("message", error.what()))) +
        "\n";
  } catch (const std::bad_alloc&) {
    metrics_.count_failure();
    reply = told(500, "out of memory");
  }
  --waiting_;
  return reply;
}

HttpAnswer PictureService::look(const HttpRequest& request, bool wants_picture) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const moeclip::Bytes bytes = moeclip::as_bytes(request.body);
  const moeclip::ImageInfo info = moeclip::describe_image(bytes, "body");
  if (info.width > options_.most_pixels / info.height)
    moeclip::fail(moeclip::ErrorCode::limit, concat("body: ", info.width, "x", info.height, " pixels are too many"));
  HttpAnswer reply;
  moeclip::Json json;
  {
    const std::lock_guard lock(judging_);
    if (options_.is_ending && options_.is_ending()) return come_again("the server ends");
    const moeclip::Image image = moeclip::decode_image(bytes, "body", judge_.images);
    judge_.look(context_, image.view(), detection_);
    metrics_.count_verdict(detection_, report_.has_verdict, seconds());
    json = detection_json({"body", "body"}, detection_, 1000 * seconds(), report_);
    if (wants_picture) {
      const auto png = moeclip::encode_png(moeclip::overlay(detection_).view());
      reply.type = "image/png";
      reply.body = std::string(moeclip::as_text(png));
    }
  }
  if (!wants_picture) reply.body = moeclip::dump_json(json) + "\n";
  moeclip::Json verdict = moeclip::Json::object().set("time", time_text());
  for (const char* const name : {"width", "height", "score", "is_anomalous", "threshold", "milliseconds"})
    verdict.set(name, json.at(name));
  const std::lock_guard lock(listing_);
  verdicts_.push_front(std::move(verdict));
  if (verdicts_.size() > kShownVerdicts) verdicts_.pop_back();
  return reply;
}

}  // namespace cli
