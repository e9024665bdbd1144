// SPDX-License-Identifier: MIT
// What `moeclip detect` says and writes about each picture.

#include <algorithm>
#include <cmath>
#include <moeclip/anomaly/overlay.hpp>
#include <moeclip/image/png.hpp>
#include <moeclip/image/write_image.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/npy.hpp>
#include <numeric>

#include "detect.hpp"
#include "progress.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::fixed;
using moeclip::Json;

struct MapStatistics {
  float least = 0, largest = 0;
  double mean = 0;
};

MapStatistics statistics_of(const moeclip::Tensor<float>& map) {
  const auto [least, largest] = std::minmax_element(map.begin(), map.end());
  return {*least, *largest, std::accumulate(map.begin(), map.end(), 0.0) / static_cast<double>(map.size())};
}

/// Values that become 0 and 65535 in the 16-bit PNG: fixed per kind of map, so that files compare.
std::pair<float, float> png_range(const moeclip::Detection& detection) {
  if (detection.map_kind == moeclip::MapKind::probability) return {0.0f, 1.0f};
  const float maps = 2 * detection.pixel_threshold;  // each lies within -99.5 and 100.5 (METHOD section 8)
  return {-100 * maps, 101 * maps};
}

std::vector<std::uint16_t> to_16_bit(const moeclip::Detection& detection) {
  const auto [low, high] = png_range(detection);
  std::vector<std::uint16_t> values(static_cast<std::size_t>(detection.map.size()));
  std::transform(detection.map.begin(), detection.map.end(), values.begin(), [low = low, high = high](float value) {
    return static_cast<std::uint16_t>(std::lround(65535 * std::clamp((value - low) / (high - low), 0.0f, 1.0f)));
  });
  return values;
}

struct OutputFiles {
  std::string overlay, map, values;
};

OutputFiles files_of(const DetectInput& input, const DetectReport& report) {
  const std::string base = moeclip::join_path(report.out, input.stem);
  return {base + ".overlay.png", base + ".map.png", base + ".map.npy"};
}

OutputFiles write_files(const DetectInput& input, const moeclip::Detection& detection, const DetectReport& report) {
  OutputFiles files = files_of(input, report);
  write_outputs([&] {
    moeclip::create_directories(moeclip::parent_directory(files.map));
    moeclip::write_png(files.overlay, moeclip::overlay(detection));
    const moeclip::index_t height = detection.map.extent(0), width = detection.map.extent(1);
    moeclip::write_file(files.map, moeclip::encode_png16(to_16_bit(detection), width, height));
    moeclip::write_file(files.values, moeclip::encode_npy(detection.map.data(), detection.map.shape()));
  });
  return files;
}

Json region_json(const moeclip::Region& region) {
  return Json::object()
      .set("x", region.x)
      .set("y", region.y)
      .set("width", region.width)
      .set("height", region.height)
      .set("area", region.area)
      .set("peak", region.peak)
      .set("peak_x", region.peak_x)
      .set("peak_y", region.peak_y);
}

Json map_json(const moeclip::Detection& detection) {
  const MapStatistics statistics = statistics_of(detection.map);
  const auto [low, high] = png_range(detection);
  return Json::object()
      .set("kind", detection.map_kind == moeclip::MapKind::probability ? "probability" : "reference")
      .set("width", detection.map.extent(1))
      .set("height", detection.map.extent(0))
      .set("min", statistics.least)
      .set("max", statistics.largest)
      .set("mean", statistics.mean)
      .set("pixel_threshold", detection.pixel_threshold)
      .set("png_low", low)
      .set("png_high", high);
}

}  // namespace

Json detection_json(const DetectInput& input, const moeclip::Detection& detection, double milliseconds,
                    const DetectReport& report) {
  Json regions = Json::array();
  for (const moeclip::Region& region : detection.regions) regions.push_back(region_json(region));
  Json json = Json::object().set("image", input.path);
  if (input.number > 0) json.set("frame", input.number);
  if (input.dropped >= 0) json.set("dropped", input.dropped);
  return json.set("width", detection.width)
      .set("height", detection.height)
      .set("class", report.class_name)
      .set("score", detection.score)
      .set("is_anomalous", report.has_verdict ? Json(detection.is_anomalous) : Json())
      .set("threshold", report.has_verdict ? Json(detection.threshold) : Json())
      .set("threshold_source", report.threshold_source)
      .set("class_score", detection.class_score)
      .set("map", map_json(detection))
      .set("regions", std::move(regions))
      .set("milliseconds", milliseconds);
}

namespace {

std::string name_of(const DetectInput& input) {
  return input.number > 1 ? concat(input.path, " ", input.number) : input.path;
}

std::string detection_text(const DetectInput& input, const moeclip::Detection& detection, double milliseconds,
                           const DetectReport& report) {
  const auto number = [](float value) { return fixed(static_cast<double>(value), 3); };
  const MapStatistics map = statistics_of(detection.map);
  const char* const verdict = !report.has_verdict ? "no verdict" : detection.is_anomalous ? "DEFECT" : "good";
  std::string text = concat(
      printable(name_of(input)), ": ", verdict, "  score ", number(detection.score),
      report.has_verdict ? concat(" (threshold ", number(detection.threshold), ", ", report.threshold_source, ")") : "",
      "  map ", number(map.least), " to ", number(map.largest), ", mean ", fixed(map.mean, 3), "  ",
      fixed(milliseconds, 0), " ms\n");
  constexpr std::size_t kMostRegions = 8;  // a line each; --json has them all
  for (std::size_t i = 0; i < std::min(kMostRegions, detection.regions.size()); ++i) {
    const moeclip::Region& region = detection.regions[i];
    text += concat("  at (", region.x, ",", region.y, ") ", region.width, "x", region.height, ", area ", region.area,
                   ", peak ", number(region.peak), " at (", region.peak_x, ",", region.peak_y, ")\n");
  }
  if (detection.regions.size() > kMostRegions)
    text += concat("  and ", moeclip::counted(detection.regions.size() - kMostRegions, "more region"), "\n");
  return text;
}

}  // namespace

void find_free_stem(DetectInput& input, const DetectReport& report) {
  if (report.is_forced || report.out.empty()) return;
  const std::string stem = input.stem;
  for (int number = 2; moeclip::file_exists(files_of(input, report).values); ++number)
    input.stem = concat(stem, "-", number);
}

void expect_free(const DetectInput& input, const DetectReport& report) {
  const OutputFiles files = files_of(input, report);
  for (const std::string& path : {files.overlay, files.map, files.values}) expect_free_name(path, report.is_forced);
}

void report_detection(const DetectInput& input, const moeclip::Detection& detection, double milliseconds,
                      const DetectReport& report) {
  OutputFiles files;
  if (!report.out.empty()) files = write_files(input, detection, report);
  if (!report.is_json) {
    print(detection_text(input, detection, milliseconds, report));
    if (!report.out.empty()) print(concat("  ", printable(files.overlay), "\n"));
    return;
  }
  Json json = detection_json(input, detection, milliseconds, report);
  if (!report.out.empty())
    json.set("files",
             Json::object().set("overlay", files.overlay).set("map_png", files.map).set("map_npy", files.values));
  print(moeclip::dump_json(json) + "\n");
}

void report_failure(const DetectInput& input, const moeclip::Error& error) {
  Json json = Json::object().set("image", input.path);
  if (input.number > 0) json.set("frame", input.number);
  json.set("error", Json::object().set("code", to_string(error.code())).set("message", error.what()));
  print(moeclip::dump_json(json) + "\n");
}

}  // namespace cli
