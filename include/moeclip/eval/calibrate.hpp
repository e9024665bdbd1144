// SPDX-License-Identifier: MIT
#pragma once
// From scores to the threshold that detection uses: the lowest that keeps false alarms as rare as was asked for, found
// on pictures that are known to be good (CAL-1), or the one with the best F1, found on labelled pictures. Also, what
// that many pictures can tell about the rate of false alarms (CAL-2 in this folder's README).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../base/float_scope.hpp"
#include "../base/lists.hpp"
#include "../image/image_record.hpp"
#include "../image/tile_grid.hpp"
#include "../io/json.hpp"
#include "exact_scores.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A rate, and the interval that holds the true one with the confidence that was asked for.
struct RateInterval {
  double estimate = 0, low = 0, high = 1;  ///< all in [0, 1]
};

/// Clopper and Pearson's interval for a rate of which k of n were seen (CAL-2). Throws contract.
RateInterval rate_interval(index_t k, index_t n, double confidence = 0.95);

/// A threshold, and what it does to the pictures that it was found on.
struct Calibration {
  std::string how;                   ///< "false positives" or "f1"
  float threshold = 0;               ///< a score from which on a picture is defective
  index_t good = 0, defective = 0;   ///< pictures that it comes from
  index_t false_positives = 0;       ///< good ones at or above it
  index_t found = 0;                 ///< defective ones at or above it
  double target = 0;                 ///< "false positives": the rate that was asked for
  double confidence = 0.95;          ///< of the interval
  RateInterval false_positive_rate;  ///< of good pictures; without any: [0, 1]
  bool is_reached = true;            ///< "false positives": so many pictures can show a rate that small
};

/// The smallest number of good pictures from which a rate of false alarms of `target` can follow.
index_t pictures_for(double target);

/// The lowest threshold that lets a new good picture be called defective with a probability of at most `target`
/// (CAL-1). If there are too few pictures for that, it lies just above all of them. Throws contract without pictures,
/// or for a target out of (0, 1).
Calibration calibrate_on_good(std::vector<float> scores, double target, double confidence = 0.95);

/// The threshold of the best F1 (EVA-3). Throws contract unless there are good and defective pictures.
Calibration calibrate_on_labelled(std::span<const float> scores, std::span<const std::uint8_t> labels,
                                  double confidence = 0.95);

/// What a calibration is valid for, and where it came from.
struct CalibrationFile {
  Calibration calibration;               ///< the threshold of the image score
  std::optional<float> pixel_threshold;  ///< of the probability map
  std::string clip, adapter;             ///< hashes of the weights
  std::string words;                     ///< hash of the sentences; for those who want to know
  std::string domain;                    ///< "industrial" or "medical": decides how scores are made
  index_t image_size = 0;                ///< pixels a side of the square that the model sees
  std::optional<ImageOptions> images;    ///< how pictures were read; nothing: not known
  std::vector<std::string> classes;      ///< of the pictures it was made from, sorted; empty: not known
  TileOptions tiles;                     ///< and cut
};

/// The content of a calibration file.
Json to_json(const CalibrationFile& file);

/// What of a calibration detection needs. Throws unsupported for one of a later format, format or missing, naming
/// `source`.
CalibrationFile calibration_from_json(const Json& json, std::string_view source);

/// A calibration file as `moeclip calibrate` writes it: the same with a checksum of all its bytes.
std::string calibration_text(const CalibrationFile& file);

/// Reads one. Throws as calibration_from_json does, and format if the checksum is another; in a file of format 1, which
/// people may write by hand, there need be none.
CalibrationFile parse_calibration(std::string_view text, std::string_view source);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <cmath>
#include <limits>

#include "../io/checksum.hpp"
#include "../io/format_version.hpp"
#include "../io/json_writer.hpp"
#include "../io/naming.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// P(X <= k) of a binomial distribution, for 0 < p < 1 and 0 <= k < n. The sum starts at its largest term.
inline double binomial_at_most(index_t k, index_t n, double p) {
  const auto choose = [](index_t total, index_t taken) {
    return std::lgamma(static_cast<double>(total) + 1) - std::lgamma(static_cast<double>(taken) + 1) -
           std::lgamma(static_cast<double>(total - taken) + 1);
  };
  const auto mode = static_cast<index_t>(static_cast<double>(n + 1) * p);
  const index_t start = (std::min)(k, mode);
  const double odds = p / (1 - p), largest = std::exp(choose(n, start) + static_cast<double>(start) * std::log(p) +
                                                      static_cast<double>(n - start) * std::log1p(-p));
  double sum = largest, term = largest;
  for (index_t i = start; i > 0 && term > 0; --i)
    sum += term *= static_cast<double>(i) / (static_cast<double>(n - i + 1) * odds);
  term = largest;
  for (index_t i = start; i < k && term > 0; ++i)
    sum += term *= static_cast<double>(n - i) / static_cast<double>(i + 1) * odds;
  return (std::min)(1.0, sum);
}

/// The p where P(X <= k) falls to `tail`: it falls from 1 to 0 as p grows.
inline double binomial_rate(index_t k, index_t n, double tail) {
  double low = 0, high = 1;
  constexpr int kHalvings = 60;  // beyond the precision of a double
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (binomial_at_most(k, n, middle) > tail ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace detail

MOECLIP_FUNC RateInterval rate_interval(index_t k, index_t n, double confidence) {
  MOECLIP_EXPECT(n > 0 && k >= 0 && k <= n, k, " of ", n, " is no rate");
  MOECLIP_EXPECT(confidence > 0 && confidence < 1, "a confidence of ", confidence, " is not between 0 and 1");
  const double tail = (1 - confidence) / 2;
  RateInterval interval{static_cast<double>(k) / static_cast<double>(n), 0, 1};
  if (k > 0) interval.low = detail::binomial_rate(k - 1, n, 1 - tail);
  if (k < n) interval.high = detail::binomial_rate(k, n, tail);
  return interval;
}

MOECLIP_FUNC index_t pictures_for(double target) { return static_cast<index_t>(std::ceil(1 / target - 1e-9)) - 1; }

namespace detail {

/// Fills in what is known of `calibration` once its threshold is.
inline void count_verdicts(Calibration& calibration, std::span<const float> scores,
                           std::span<const std::uint8_t> labels) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const bool is_flagged = scores[i] >= calibration.threshold;
    (labels[i] != 0 ? calibration.defective : calibration.good) += 1;
    if (is_flagged) (labels[i] != 0 ? calibration.found : calibration.false_positives) += 1;
  }
  if (calibration.good > 0)
    calibration.false_positive_rate =
        rate_interval(calibration.false_positives, calibration.good, calibration.confidence);
}

}  // namespace detail

MOECLIP_FUNC Calibration calibrate_on_good(std::vector<float> scores, double target, double confidence) {
  const FloatScope floats;
  MOECLIP_EXPECT(!scores.empty(), "a threshold cannot be taken from no pictures");
  MOECLIP_EXPECT(target > 0 && target < 1, "a rate of false alarms of ", target, " is not between 0 and 1");
  expect_ordered(scores);
  lists::sort(scores, [](float a, float b) { return a > b; });
  const auto n = std::ssize(scores);
  const auto rank = static_cast<index_t>(std::floor(target * static_cast<double>(n + 1) + 1e-9));
  const index_t allowed = std::min<index_t>(rank, n) - 1;  // a target next to 1 would round to n + 1
  Calibration calibration;
  calibration.how = "false positives";
  calibration.target = target;
  calibration.confidence = confidence;
  calibration.is_reached = allowed >= 0;
  const float bound = scores[static_cast<std::size_t>(std::max<index_t>(0, allowed))];
  // next to 0 there are subnormal numbers, which count as 0 where verdicts are given (base/float_scope.hpp)
  calibration.threshold =
      (std::max)(std::nextafter(bound, std::numeric_limits<float>::infinity()), (std::numeric_limits<float>::min)());
  detail::count_verdicts(calibration, scores, std::vector<std::uint8_t>(scores.size(), 0));
  return calibration;
}

MOECLIP_FUNC Calibration calibrate_on_labelled(std::span<const float> scores, std::span<const std::uint8_t> labels,
                                               double confidence) {
  const FloatScope floats;
  const Metrics metrics = measure(scores, labels);
  MOECLIP_EXPECT(metrics.auroc.is_defined(),
                 "the best F1 needs good and defective pictures: ", metrics.auroc.undefined);
  Calibration calibration;
  calibration.how = "f1";
  calibration.confidence = confidence;
  calibration.threshold = static_cast<float>(metrics.f1_threshold);
  detail::count_verdicts(calibration, scores, labels);
  return calibration;
}

namespace detail {

inline constexpr std::string_view kCalibrationName = "moeclip calibration ";
inline constexpr const char* kPlainCalibration = "moeclip calibration 1";
inline constexpr const char* kCheckedCalibration = "moeclip calibration 2";  // has a checksum
inline constexpr const char* kCalibrationSum = "crc32";

}  // namespace detail

MOECLIP_FUNC std::string calibration_text(const CalibrationFile& file) {
  Json json = to_json(file);
  json.set("format", detail::kCheckedCalibration).set(detail::kCalibrationSum, std::string(kNoChecksum));
  std::string text = dump_json(json, 1) + "\n";
  return text.replace(text.rfind(kNoChecksum), kNoChecksum.size(), checksum_text(crc32(as_bytes(text))));
}

MOECLIP_FUNC CalibrationFile parse_calibration(std::string_view text, std::string_view source) {
  const Json json = parse_json(text, source);
  const CalibrationFile file = calibration_from_json(json, source);
  if (json.at("format") == Json(detail::kPlainCalibration)) return file;
  const auto sum = member<std::string>(json, detail::kCalibrationSum, source);
  std::string unsummed(text);
  const std::size_t at = sum.size() == kNoChecksum.size() ? unsummed.rfind(sum) : std::string::npos;
  if (at != std::string::npos) unsummed.replace(at, sum.size(), kNoChecksum);
  if (at == std::string::npos || checksum_text(crc32(as_bytes(unsummed))) != sum)
    fail(ErrorCode::format, concat(source,
                                   ": its checksum (CRC-32) is another, so the file is damaged or was changed; "
                                   "calibrate anew, or, if it was changed on purpose, call its format \"",
                                   detail::kPlainCalibration, "\""));
  return file;
}

MOECLIP_FUNC Json to_json(const CalibrationFile& file) {
  const Calibration& c = file.calibration;
  Json json = Json::object();
  json.set("format", detail::kPlainCalibration).set("threshold", c.threshold);
  json.set("pixel_threshold", file.pixel_threshold ? Json(*file.pixel_threshold) : Json());
  json.set("how", c.how);
  if (c.target > 0) json.set("target_false_positive_rate", c.target).set("is_target_reached", c.is_reached);
  json.set("good", c.good).set("false_positives", c.false_positives);
  json.set("defective", c.defective).set("found", c.found);
  json.set("false_positive_rate", Json::object()
                                      .set("estimate", c.false_positive_rate.estimate)
                                      .set("low", c.false_positive_rate.low)
                                      .set("high", c.false_positive_rate.high)
                                      .set("confidence", c.confidence));
  json.set("clip", file.clip).set("adapter", file.adapter).set("words", file.words);
  json.set("domain", file.domain).set("image_size", file.image_size);
  if (file.images) json.set(kImagesKey, to_json(*file.images));
  Json classes = Json::array();
  for (const std::string& name : file.classes) classes.push_back(name);
  json.set("classes", std::move(classes));
  if (file.tiles.is_on()) json.set(kTilesKey, to_json(file.tiles));
  return json;
}

MOECLIP_FUNC CalibrationFile calibration_from_json(const Json& json, std::string_view source) {
  const Json* const format = json.is_object() ? json.find("format") : nullptr;
  const std::string stated = format != nullptr && format->is_string() ? format->as_string() : "";
  if (!stated.starts_with(detail::kCalibrationName))
    fail(ErrorCode::format, concat(source, ": is no calibration; `moeclip calibrate` writes one"));
  detail::expect_version(Json(stated.substr(detail::kCalibrationName.size())), {1, 2}, source, "a calibration",
                         "calibrate again");
  CalibrationFile file;
  file.calibration.how = member<std::string>(json, "how", source);
  const auto threshold = [&](const char* name) {
    const auto number = static_cast<float>(member<double>(json, name, source));
    if (!std::isfinite(number)) fail(ErrorCode::format, concat(source, ": a threshold is no number"));
    return number;
  };
  file.calibration.threshold = threshold("threshold");
  if (!member(json, "pixel_threshold", source).is_null()) file.pixel_threshold = threshold("pixel_threshold");
  file.clip = member<std::string>(json, "clip", source);
  file.adapter = member<std::string>(json, "adapter", source);
  file.words = member<std::string>(json, "words", source);
  file.domain = member<std::string>(json, "domain", source);
  file.image_size = member<index_t>(json, "image_size", source);
  if (json.find(kImagesKey) != nullptr) file.images = recorded_images(json, source);
  if (const Json* const classes = json.find("classes"); classes != nullptr) {
    if (!classes->is_array()) fail(ErrorCode::format, concat(source, ": \"classes\" is no list"));
    for (const Json& name : classes->items()) {
      if (!name.is_string()) fail(ErrorCode::format, concat(source, ": \"classes\" holds something that is no name"));
      file.classes.push_back(name.as_string());
    }
  }
  file.tiles = recorded_tiles(json, source);
  return file;
}

}}  // namespace moeclip::abi_v0_1

#endif
