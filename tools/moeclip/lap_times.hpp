// SPDX-License-Identifier: MIT
#pragma once
// What a thing takes that is done over and over, told from a few times.

#include <algorithm>
#include <chrono>
#include <vector>

namespace cli {

/// Times of equal things, one after the other. The first is told apart: it takes memory and encodes sentences. Of the
/// others the lower quartile counts, since a busy machine takes a process away for seconds now and then, which must not
/// be taken for what all take.
class LapTimes {
 public:
  /// One more is done. Returns whether another one would say more.
  bool add() {
    const Clock::time_point now = Clock::now();
    add(std::chrono::duration<double>(now - last_).count());
    last_ = now;
    return wants_more();
  }
  /// The same for a time in seconds.
  void add(double seconds) {
    if (!laps_.empty()) rest_ += seconds;
    laps_.push_back(seconds);
  }

  /// Whether those that were added say too little: some of short things, few of long ones.
  [[nodiscard]] bool wants_more() const {
    constexpr std::size_t kFew = 5;
    constexpr double kEnough = 0.2, kLong = 6;  // seconds
    if (laps_.size() < 2 || rest_ < kEnough) return true;
    return laps_.size() <= kFew && rest_ < kLong;
  }

  /// Seconds of the first one; 0 if there is none.
  [[nodiscard]] double first() const { return laps_.empty() ? 0 : laps_.front(); }

  /// Seconds that the others take where nothing disturbs them, or those of the only one.
  [[nodiscard]] double usual() const {
    if (laps_.size() < 2) return first();
    std::vector<double> others(laps_.begin() + 1, laps_.end());
    const auto quartile = others.begin() + (std::ssize(others) - 1) / 4;
    std::nth_element(others.begin(), quartile, others.end());
    return *quartile;
  }

 private:
  using Clock = std::chrono::steady_clock;

  std::vector<double> laps_;
  double rest_ = 0;  // of all but the first
  Clock::time_point last_ = Clock::now();
};

}  // namespace cli
