// SPDX-License-Identifier: MIT
#pragma once
// What `moeclip demo` shows: pictures with their maps and the truth side by side, and all of them on one sheet.

#include <moeclip/anomaly/detector.hpp>
#include <moeclip/data/sample.hpp>
#include <string>
#include <vector>

namespace cli {

/// Where a verdict begins; from pictures of other categories than those that are judged.
struct DemoThresholds {
  float image = 0.5f;  ///< of scores
  float pixel = 0.5f;  ///< of maps
};

/// One picture and what was made of it.
struct DemoPicture {
  moeclip::Sample sample;
  moeclip::Tensor<float> map;  // (S, S)
  float score = 0;
  double seconds = 0;  ///< that detecting took
  bool is_anomalous = false;
  double overlap = 0;  ///< intersection over union of the found area and the true one; good pictures have none

  [[nodiscard]] bool is_right() const { return is_anomalous == (sample.label != 0); }
  [[nodiscard]] std::string truth() const { return sample.label == 0 ? "good" : sample.defect; }
};

/// Share of pixels that map >= threshold and `mask`, brought to the map's size, have in common.
double overlap_of(const moeclip::Tensor<float>& map, const moeclip::Image& mask, float threshold);

/// The picture | the map over it | what is really wrong, with a line of text below.
moeclip::Image picture_strip(const DemoPicture& picture, const DemoThresholds& thresholds);

/// Strips in two columns.
moeclip::Image contact_sheet(const std::vector<moeclip::Image>& strips, const std::string& title);

}  // namespace cli
