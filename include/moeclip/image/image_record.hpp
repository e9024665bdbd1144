// SPDX-License-Identifier: MIT
#pragma once
// Records how the pictures of a data set were read, for training runs, evaluations and calibrations: with other options
// the same files give other numbers.

#include <string>
#include <string_view>

#include "../io/json.hpp"
#include "image_options.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr const char* kImagesKey = "images";  ///< in the records of runs

/// {"exif": false, "deep_gray": "scaled"}
inline Json to_json(const ImageOptions& images) {
  return Json::object()
      .set("exif", images.apply_exif_orientation)
      .set("deep_gray", images.deep_gray == DeepGray::clipped ? "clipped" : "scaled");
}

/// What the member `images` of a record says. A record without one is from a time when pictures were always read as
/// they are stored and 16-bit gray was clipped. Throws format or missing, naming `source`.
inline ImageOptions recorded_images(const Json& record, std::string_view source) {
  ImageOptions images{.deep_gray = DeepGray::clipped};
  const Json* const found = record.find(kImagesKey);
  if (found == nullptr) return images;
  images.apply_exif_orientation = member<bool>(*found, "exif", source);
  const auto deep_gray = member<std::string>(*found, "deep_gray", source);
  if (deep_gray != "scaled" && deep_gray != "clipped")
    fail(ErrorCode::format, concat(source, ": \"deep_gray\" is \"", deep_gray, "\"; scaled or clipped was wanted"));
  if (deep_gray == "scaled") images.deep_gray = DeepGray::scaled;
  return images;
}

/// For messages: "as they are stored, with 16-bit gray scaled".
inline std::string describe_reading(const ImageOptions& images) {
  return concat(images.apply_exif_orientation ? "turned upright by EXIF" : "as they are stored", ", with 16-bit gray ",
                images.deep_gray == DeepGray::clipped ? "clipped" : "scaled");
}

}}  // namespace moeclip::abi_v0_1
