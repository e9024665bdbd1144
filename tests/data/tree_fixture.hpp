// SPDX-License-Identifier: MIT
#pragma once
// Miniature data sets in a temporary folder: real pictures of a few pixels in the format that their name says.

#include <doctest/doctest.h>

#include <moeclip/data/scan_dataset.hpp>
#include <moeclip/image/write_image.hpp>
#include <set>
#include <string>
#include <vector>

#include "golden_data.hpp"
#include "temporary_folder.hpp"

namespace doctest {
template <>
struct StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += "\n    " + line;
    return text.c_str();
  }
};
}  // namespace doctest

/// Whether a note of the listing has these words.
inline bool has_note(const moeclip::DatasetListing& listing, std::string_view part) {
  return std::ranges::any_of(listing.notes,
                             [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

class Tree {
 public:
  explicit Tree(std::string_view purpose) : folder_(purpose) {}

  [[nodiscard]] const std::string& path() const { return folder_.path(); }
  [[nodiscard]] std::string operator/(const std::string& below) const { return moeclip::join_path(path(), below); }

  /// A picture: 24 bit BMP, JPEG (the golden one, whatever its size) or RGB PNG.
  void picture(const std::string& below) const {
    const std::string extension = moeclip::file_extension(below);
    if (extension == ".bmp")
      text(below, bmp(2 * kSide, 2 * kSide));
    else if (extension == ".jpg")
      text(below, moeclip::as_text(moeclip::read_file(kGoldenJpeg, 1 << 20)));
    else
      image(below, plain(3, 70));
  }

  /// A mask that goes with it: a square of `level` in black, with gray edges if it is soft.
  void mask(const std::string& below, std::uint8_t level = 255, bool is_soft = false) const {
    const std::string extension = moeclip::file_extension(below);
    if (extension == ".bmp" || extension == ".jpg") return picture(below);
    moeclip::Image mask = plain(1, 0);
    for (moeclip::index_t i = 2; i < kSide; ++i) mask.row(i)[3] = mask.row(i)[4] = level;
    if (is_soft) mask.row(2)[3] = mask.row(2)[4] = 90;
    image(below, mask);
  }

  void image(const std::string& below, const moeclip::Image& image) const {
    moeclip::create_directories(moeclip::parent_directory(*this / below));
    moeclip::write_png(*this / below, image);
  }
  void text(const std::string& below, std::string_view text) const {
    moeclip::create_directories(moeclip::parent_directory(*this / below));
    folder_.write(below, text);
  }

  /// "a/b.png 1 CLASS mask.png" for each entry, without the tree's own path; sorted.
  [[nodiscard]] std::vector<std::string> lines(const moeclip::DatasetListing& listing) const {
    std::vector<std::string> lines;
    for (const moeclip::DatasetEntry& entry : listing.entries)
      lines.push_back(moeclip::concat(below(entry.image_path), " ", entry.label, " ", entry.class_name,
                                      entry.mask_path.empty() ? "" : " ", below(entry.mask_path)));
    std::ranges::sort(lines);
    return lines;
  }
  [[nodiscard]] std::vector<std::string> scan(const std::string& below_path = "",
                                              const moeclip::LayoutOptions& options = {}) const {
    return lines(moeclip::scan_dataset(below_path.empty() ? path() : *this / below_path, options));
  }

 private:
  static constexpr moeclip::index_t kSide = 6;
  inline static const std::string kGoldenJpeg = std::string(MOECLIP_TEST_GOLDEN_DIR) + "/jpeg/quality95.jpg";

  [[nodiscard]] std::string below(const std::string& whole) const {
    return whole.empty() ? "" : whole.substr(std::min(whole.size(), path().size() + 1));
  }

  static moeclip::Image plain(moeclip::index_t channels, std::uint8_t level) {
    moeclip::Image image(2 * kSide, 2 * kSide, channels);
    std::fill_n(image.data(), image.size(), level);
    return image;
  }

  static std::string bmp(moeclip::index_t width, moeclip::index_t height) {
    const moeclip::index_t row = (3 * width + 3) / 4 * 4;
    std::string file = "BM";
    const auto number = [&](moeclip::index_t value, int bytes) {
      for (int i = 0; i < bytes; ++i) file += static_cast<char>(value >> (8 * i) & 0xFF);
    };
    number(54 + row * height, 4), number(0, 4), number(54, 4);
    number(40, 4), number(width, 4), number(height, 4), number(1, 2), number(24, 2);
    for (int i = 0; i < 6; ++i) number(0, 4);
    return file + std::string(static_cast<std::size_t>(row * height), '\x40');
  }

  TemporaryFolder folder_;
};
