// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <moeclip/image/colormap.hpp>
#include <moeclip/image/resize.hpp>
#include <moeclip/memory/learn.hpp>

namespace web {

using moeclip::index_t;
using moeclip::Json;

index_t put_out(State& s, const void* data, std::size_t size) {
  const auto* const first = static_cast<const std::byte*>(data);
  s.outputs.emplace_back(first, first + size);
  return std::ssize(s.outputs) - 1;
}

const moeclip::PartModel& expect_model(const State& s) {
  if (!s.model) moeclip::fail(moeclip::ErrorCode::missing, "there is no model yet");
  return *s.model;
}

namespace {

Json memory_json(const moeclip::MemoryRecord& record) {
  const moeclip::RateInterval rate = moeclip::promised_rate(record);
  Json held_out = Json::array();
  for (const float score : record.held_out) held_out.push_back(score);
  return Json::object()
      .set("features", to_string(record.features))
      .set("pictures", record.pictures)
      .set("things", std::max<index_t>(1, std::ssize(record.held_out)))
      .set("threshold", record.threshold)
      .set("pixel_threshold", record.pixel_threshold)
      .set("held_out", std::move(held_out))
      .set("target", record.false_positives)
      .set("expected", rate.estimate)
      .set("high", rate.high)
      .set("wanted", moeclip::pictures_for(record.false_positives));
}

/// The colours of the map over the picture, and how much they cover it: (S, S) of RGBA.
Blob cover_of(const moeclip::Detection& found) {
  const float top = found.map_kind == moeclip::MapKind::probability ? 1.0f : 2 * found.pixel_threshold;
  Blob cover(static_cast<std::size_t>(4 * found.map.size()));
  auto* out = reinterpret_cast<std::uint8_t*>(cover.data());
  for (const float value : found.map.values()) {
    const std::uint8_t level = moeclip::scale_to_byte<float>(value, 0.0f, top);
    const moeclip::Rgb color = moeclip::kEmber[level];
    for (const std::uint8_t channel : {color.red, color.green, color.blue}) *out++ = channel;
    *out++ = static_cast<std::uint8_t>(38 + 153 * level / 255);  // 0.15 to 0.75, as in anomaly/overlay.hpp
  }
  return cover;
}

/// The colours of the map from the lowest value to the highest: (256) of RGBA.
Blob colour_scale() {
  Blob scale(4 * 256, std::byte{255});
  for (std::size_t level = 0; level < 256; ++level) {
    const moeclip::Rgb color = moeclip::kEmber[level];
    const std::uint8_t channels[] = {color.red, color.green, color.blue};
    std::memcpy(scale.data() + 4 * level, channels, sizeof channels);
  }
  return scale;
}

/// The picture as RGBA, no larger than a page shows it.
Json shown_json(State& s) {
  constexpr index_t kLongest = 1280;
  const index_t longer = std::max(s.picture.width(), s.picture.height());
  const index_t width = std::max<index_t>(1, std::min(s.picture.width(), s.picture.width() * kLongest / longer));
  const index_t height = std::max<index_t>(1, std::min(s.picture.height(), s.picture.height() * kLongest / longer));
  moeclip::Image shown(width, height, 3);
  moeclip::resize_to_rgb(s.context, s.picture.view(), shown);
  Blob rgba(static_cast<std::size_t>(4 * width * height), std::byte{255});
  for (index_t i = 0; i < width * height; ++i) std::memcpy(rgba.data() + 4 * i, shown.data() + 3 * i, 3);
  s.outputs.push_back(std::move(rgba));
  return Json::object().set("width", width).set("height", height).set("output", std::ssize(s.outputs) - 1);
}

Json map_json(State& s) {
  const moeclip::Detection& found = s.detection;
  const index_t values = put_out(s, found.map.data(), static_cast<std::size_t>(found.map.size()) * sizeof(float));
  s.outputs.push_back(cover_of(found));
  s.outputs.push_back(colour_scale());
  return Json::object()
      .set("kind", found.map_kind == moeclip::MapKind::probability ? "probability" : "reference")
      .set("width", found.map.extent(1))
      .set("height", found.map.extent(0))
      .set("pixel_threshold", found.pixel_threshold)
      .set("output", values)
      .set("cover", values + 1)
      .set("scale", values + 2);
}

}  // namespace

Json model_json(const State& s) {
  const moeclip::PartModel& model = expect_model(s);
  const bool has_verdict = model.has_verdict();
  Json classes = Json::array();
  for (const moeclip::TextAnchors<float>& words : model.anchors) classes.push_back(words.name);
  const float threshold = model.memory ? model.memory->record.threshold : model.detector->options().threshold;
  return Json::object()
      .set("class", s.class_name)
      .set("classes", std::move(classes))
      .set("takes_any_class", s.readout.has_value())
      .set("threshold", has_verdict ? Json(threshold) : Json())
      .set("threshold_source", model.threshold_source)
      .set("side", model.side())
      .set("experts", model.detector ? std::ssize(model.detector->adapter().mixtures) : 0)
      .set("memory", model.memory ? memory_json(model.memory->record) : Json());
}

Json detection_json(State& s, double milliseconds) {
  const moeclip::Detection& found = s.detection;
  const bool has_verdict = s.model->has_verdict();
  Json regions = Json::array();
  for (const moeclip::Region& region : found.regions)
    regions.push_back(Json::object()
                          .set("x", region.x)
                          .set("y", region.y)
                          .set("width", region.width)
                          .set("height", region.height)
                          .set("area", region.area)
                          .set("peak", region.peak)
                          .set("peak_x", region.peak_x)
                          .set("peak_y", region.peak_y));
  return Json::object()
      .set("width", found.width)
      .set("height", found.height)
      .set("class", s.class_name)
      .set("score", found.score)
      .set("is_anomalous", has_verdict ? Json(found.is_anomalous) : Json())
      .set("threshold", has_verdict ? Json(found.threshold) : Json())
      .set("threshold_source", s.model->threshold_source)
      .set("class_score", found.class_score)
      .set("map", map_json(s))
      .set("shown", shown_json(s))
      .set("regions", std::move(regions))
      .set("milliseconds", milliseconds);
}

}  // namespace web
