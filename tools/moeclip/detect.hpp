// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip detect`: which pictures, what is written about each.

#include <moeclip/anomaly/detector.hpp>
#include <moeclip/image/read_image.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "output.hpp"

namespace cli {

/// One picture to look at.
struct DetectInput {
  std::string path;           ///< "-": standard input; kDrawnPicture: made by the tool
  std::string stem;           ///< where its outputs go below --out, without extension; no two inputs share one
  std::int64_t number = 0;    ///< in its stream, from 1; 0: it is no stream's
  std::int64_t dropped = -1;  ///< pictures of the stream so far that nobody looked at; negative: none ever is
  std::size_t argument = 0;   ///< which of the arguments named it
};

/// Pictures to look at, and what may hide others.
struct DetectInputs {
  std::vector<DetectInput> pictures;
  std::size_t unread = 0;  ///< links to nothing and folders that cannot be read; each was told
};

inline constexpr std::string_view kDrawnPicture = "(drawn)";

/// The pictures named by `arguments`: files, all picture files in folders and below them (data/picture_files.hpp),
/// standard input. A folder without pictures or an argument that is not there stays an input of its own, so that its
/// error is reported.
DetectInputs collect_inputs(const std::vector<std::string>& arguments);

/// Whether a file in a folder is a picture to look at: by its name, and unless an earlier run wrote it.
bool is_input_name(std::string_view name);

/// A picture, and the EXIF orientation by which it was turned upright; 1: it is as it was stored.
struct InputPicture {
  moeclip::Image image;
  int turned = 1;
  std::string remark = {};  ///< what a person should know of the file: pixels that are not in it
};

/// Reads one input. Throws moeclip::Error.
InputPicture read_input(const DetectInput& input, const moeclip::ImageOptions& options);

/// Says the remark on stderr, if there is one.
void say_remark(const std::string& name, const std::string& remark);

/// A plate of brushed metal with a scratch, drawn from `seed`.
moeclip::Image draw_picture(std::uint64_t seed);

/// What is said about a detection besides what it holds.
struct DetectReport {
  std::string class_name;
  std::string threshold_source;  ///< "default", "--threshold" or "calibration"
  std::string out;               ///< folder for files, "": none
  bool is_json = false;
  bool is_forced = false;
  bool has_verdict = true;  ///< false: there is no threshold, and only scores are told
};

/// Gives `input` another stem if there are files of it already that may not be replaced.
void find_free_stem(DetectInput& input, const DetectReport& report);

/// Throws OutputError if one of the files that report_detection would write is there and may not be replaced.
void expect_free(const DetectInput& input, const DetectReport& report);

/// Writes STEM.overlay.png, STEM.map.png (16 bit) and STEM.map.npy, if a folder was given, and prints the result.
/// Throws OutputError if a file cannot be written.
void report_detection(const DetectInput& input, const moeclip::Detection& detection, double milliseconds,
                      const DetectReport& report);

/// What --json prints of a detection, but for its files.
moeclip::Json detection_json(const DetectInput& input, const moeclip::Detection& detection, double milliseconds,
                             const DetectReport& report);

/// Prints, as JSON, that an input could not be used.
void report_failure(const DetectInput& input, const moeclip::Error& error);

}  // namespace cli
