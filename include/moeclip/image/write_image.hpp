// SPDX-License-Identifier: MIT
#pragma once
// Writes pictures to files, whole or not at all.

#include <string>

#include "pnm.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes `image` as PNG, 8-bit gray or RGB. Throws io.
void write_png(const std::string& path, ImageView image);
void write_png(const std::string& path, const Image& image);

/// Writes `image` as binary PPM (RGB) or PGM (gray). Throws io.
void write_pnm(const std::string& path, ImageView image);
void write_pnm(const std::string& path, const Image& image);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include "../io/file.hpp"
#include "png.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void write_png(const std::string& path, ImageView image) { write_file(path, encode_png(image)); }

MOECLIP_FUNC void write_png(const std::string& path, const Image& image) { write_png(path, image.view()); }

MOECLIP_FUNC void write_pnm(const std::string& path, ImageView image) { write_file(path, encode_pnm(image)); }

MOECLIP_FUNC void write_pnm(const std::string& path, const Image& image) { write_pnm(path, image.view()); }

}}  // namespace moeclip::abi_v0_1

#endif
