// SPDX-License-Identifier: MIT
#include <moeclip/base/text.hpp>
#include <moeclip/image/read_image.hpp>
#include <moeclip/image/write_image.hpp>
#include <moeclip/io/file.hpp>

#include "commands.hpp"
#include "detect.hpp"
#include "picture_options.hpp"

namespace cli {

int run_decode(Words words) {
  std::string input, output;
  PictureOptions pictures;
  bool force = false;
  Options options("decode",
                  "Write an image as the model would see it before it is resized: 8-bit RGB, the same numbers as "
                  "Pillow's convert('RGB'), but for 16-bit gray unless --pillow-gray is given.");
  options.positional("IMAGE", input, "picture to read: PNG, JPEG, BMP, TIFF, WebP, GIF or Netpbm");
  options.positional("OUT", output, "file to write: .ppm or .png");
  pictures.declare(options);
  options.flag("force", force, "overwrite OUT if it exists");
  if (!options.parse(words)) return kOk;

  const std::string extension = moeclip::file_extension(output);
  const bool is_png = extension == ".png";
  if (!is_png && extension != ".ppm")
    throw UsageError(moeclip::concat("OUT ends in .ppm or .png, not in '", extension, "'"));
  expect_writable(output, force);
  moeclip::Image image;
  std::string remark;
  if (!attempt([&] { image = moeclip::read_image(input, pictures.image_options(), &remark); })) return kInputFailed;
  say_remark(input, remark);
  if (is_png)
    moeclip::write_png(output, image);
  else
    moeclip::write_pnm(output, image);
  return kOk;
}

}  // namespace cli
