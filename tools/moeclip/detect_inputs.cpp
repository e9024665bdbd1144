// SPDX-License-Identifier: MIT
// Where the pictures of `moeclip detect` come from.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <moeclip/base/rng.hpp>
#include <moeclip/data/picture_files.hpp>
#include <moeclip/image/draw.hpp>
#include <moeclip/image/read_image.hpp>
#include <set>

#include "commands.hpp"
#include "detect.hpp"

namespace cli {
namespace {

using moeclip::index_t;

/// The last part of a path without its extension.
std::string stem_of(const std::string& path) {
  const std::string name = moeclip::file_name(path);
  return name.substr(0, name.size() - moeclip::file_extension(name).size());
}

std::vector<std::byte> read_standard_input() {
  constexpr std::size_t kMost = std::size_t{1} << 30;
  std::vector<std::byte> bytes;
  std::array<std::byte, 65536> piece;
  while (const std::size_t count = std::fread(piece.data(), 1, piece.size(), stdin)) {
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    if (bytes.size() > kMost) moeclip::fail(moeclip::ErrorCode::limit, "standard input: more than 1 GiB");
  }
  if (std::ferror(stdin) != 0) moeclip::fail(moeclip::ErrorCode::io, "standard input cannot be read");
  return bytes;
}

}  // namespace

bool is_input_name(std::string_view name) {
  return !name.ends_with(".overlay.png") && !name.ends_with(".map.png") && moeclip::is_picture_name(name);
}

DetectInputs collect_inputs(const std::vector<std::string>& arguments) {
  DetectInputs inputs;
  std::set<std::string> taken;
  std::size_t at = 0;
  const auto add = [&](const std::string& path, const std::string& stem) {
    std::string name = stem;
    for (int number = 2; !taken.insert(name).second; ++number) name = moeclip::concat(stem, "-", number);
    inputs.pictures.push_back({path, name, 0, -1, at});
  };
  for (; at < arguments.size(); ++at) {
    const std::string& argument = arguments[at];
    if (argument == "-") {
      add(argument, "stdin");
      continue;
    }
    if (!moeclip::is_directory(argument)) {
      add(argument, stem_of(argument));
      continue;
    }
    const moeclip::FolderTree tree = moeclip::read_folder_tree(argument);
    for (const std::string& trouble : tree.troubles) say(trouble);
    inputs.unread += static_cast<std::size_t>(tree.unread);
    const std::size_t before = inputs.pictures.size();
    std::vector<std::string> paths = moeclip::pictures_in(tree);
    std::ranges::sort(paths);
    for (const std::string& path : paths)
      if (is_input_name(path))
        add(moeclip::join_path(argument, path), path.substr(0, path.size() - moeclip::file_extension(path).size()));
    if (inputs.pictures.size() == before) add(argument, stem_of(argument));
  }
  return inputs;
}

InputPicture read_input(const DetectInput& input, const moeclip::ImageOptions& options) {
  if (input.path == kDrawnPicture) return {draw_picture(1)};
  const bool is_piped = input.path == "-";
  if (moeclip::is_directory(input.path))
    moeclip::fail(moeclip::ErrorCode::missing, input.path + ": no pictures are in this folder");
  const std::vector<std::byte> bytes = is_piped ? read_standard_input() : moeclip::read_image_file(input.path);
  const std::string name = is_piped ? "standard input" : input.path;
  InputPicture read;
  read.image = moeclip::decode_image(bytes, name, options, &read.remark);
  if (options.apply_exif_orientation) read.turned = moeclip::describe_image(bytes, name).orientation;
  return read;
}

void say_remark(const std::string& name, const std::string& remark) {
  if (!remark.empty()) say(moeclip::concat(name, ": the picture is not whole: ", remark));
}

moeclip::Image draw_picture(std::uint64_t seed) {
  constexpr index_t kSide = 480;
  const moeclip::Rng grain(seed, "grain"), place(seed, "scratch");
  moeclip::Image image(kSide, kSide, 3);
  for (index_t y = 0; y < kSide; ++y) {
    const int stripe = static_cast<int>(grain.integer(y, -14, 15));  // brushed along x
    for (index_t x = 0; x < kSide; ++x) {
      const int noise = static_cast<int>(grain.integer(kSide + y * kSide + x, -6, 7));
      const int light = static_cast<int>(30 * x / kSide);
      const int gray = 140 + stripe + noise + light;
      for (int c = 0; c < 3; ++c) image.row(y)[3 * x + c] = static_cast<std::uint8_t>(gray + 3 * c);
    }
  }
  for (const index_t corner : {index_t{60}, kSide - 60})  // screw holes
    for (index_t y = -22; y <= 22; ++y) {
      const auto half = static_cast<index_t>(std::sqrt(static_cast<double>(22 * 22 - y * y)));
      for (const index_t other : {index_t{60}, kSide - 60})
        moeclip::fill_box(image, {corner - half, other + y, 2 * half + 1, 1}, {38, 40, 46});
    }
  const index_t x0 = place.integer(0, 120, 200), y0 = place.integer(1, 140, 220);
  const index_t x1 = place.integer(2, 280, 380), y1 = place.integer(3, 250, 340);
  for (index_t offset = 0; offset < 3; ++offset)
    moeclip::draw_line(image, x0, y0 + offset, x1, y1 + offset,
                       offset == 1 ? moeclip::Rgb{235, 238, 240} : moeclip::Rgb{70, 72, 78});
  return image;
}

}  // namespace cli
