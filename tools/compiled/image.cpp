// SPDX-License-Identifier: MIT
// The definitions of image/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_IMAGE
#include <moeclip/image/blur.hpp>
#include <moeclip/image/bmp.hpp>
#include <moeclip/image/colormap.hpp>
#include <moeclip/image/draw.hpp>
#include <moeclip/image/exif.hpp>
#include <moeclip/image/gif.hpp>
#include <moeclip/image/image_format.hpp>
#include <moeclip/image/image_stream.hpp>
#include <moeclip/image/jpeg.hpp>
#include <moeclip/image/png.hpp>
#include <moeclip/image/pnm.hpp>
#include <moeclip/image/read_image.hpp>
#include <moeclip/image/resize.hpp>
#include <moeclip/image/tiff.hpp>
#include <moeclip/image/tile_grid.hpp>
#include <moeclip/image/webp.hpp>
#include <moeclip/image/write_image.hpp>
