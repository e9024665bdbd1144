// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip serve`.

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "detect.hpp"
#include "judge.hpp"
#include "server.hpp"

namespace cli {

/// The page at /.
extern const char* const kServePage;

/// What /metrics tells.
class ServeMetrics {
 public:
  void count_verdict(const moeclip::Detection& detection, bool has_verdict, double seconds);
  void count_failure() { ++failures_; }
  void count_busy() { ++busy_; }
  /// In the text format of Prometheus.
  [[nodiscard]] std::string text() const;

 private:
  static constexpr std::array kBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};  // seconds

  std::atomic<std::uint64_t> good_{0}, defective_{0}, undecided_{0}, failures_{0}, busy_{0};
  mutable std::mutex mutex_;
  std::array<std::uint64_t, kBounds.size() + 1> buckets_{};
  double seconds_ = 0;
};

/// Answers the requests of a server.
class PictureService {
 public:
  struct Options {
    std::string token;       ///< "": none is asked for
    bool is_local = true;    ///< only this machine can ask
    std::int64_t queue = 8;  ///< pictures that wait at most; more are told to come again
    moeclip::index_t most_pixels = moeclip::index_t{1} << 26;
    std::function<bool()> is_ending = nullptr;  ///< asked before each picture; one that was not begun is told to go
  };

  PictureService(moeclip::Context& context, const Judge& judge, const DetectReport& report, const Options& options)
      : context_(context), judge_(judge), report_(report), options_(options) {}

  /// May be called on several threads; one picture is judged at a time.
  HttpAnswer answer(const HttpRequest& request);
  /// The answer to a request that is refused whatever its body is.
  [[nodiscard]] std::optional<HttpAnswer> refusal(const HttpRequest& request) const;

 private:
  [[nodiscard]] bool is_allowed(const HttpRequest& request) const;
  HttpAnswer detect(const HttpRequest& request);
  HttpAnswer look(const HttpRequest& request, bool wants_picture);

  moeclip::Context& context_;
  const Judge& judge_;
  const DetectReport& report_;
  const Options options_;
  ServeMetrics metrics_;
  std::mutex judging_, listing_;
  std::atomic<std::int64_t> waiting_{0};
  moeclip::Detection detection_;        // under judging_
  std::deque<moeclip::Json> verdicts_;  // the newest first; under listing_
};

}  // namespace cli
