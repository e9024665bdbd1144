// SPDX-License-Identifier: MIT
#pragma once
// Writing pictures to files, whole or not at all.

#include <string>

#include "../io/file.hpp"
#include "png.hpp"
#include "pnm.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes `image` as PNG, 8-bit gray or RGB. Throws io.
inline void write_png(const std::string& path, ImageView image) { write_file(path, encode_png(image)); }
inline void write_png(const std::string& path, const Image& image) { write_png(path, image.view()); }

/// Writes `image` as binary PPM (RGB) or PGM (gray). Throws io.
inline void write_pnm(const std::string& path, ImageView image) { write_file(path, encode_pnm(image)); }
inline void write_pnm(const std::string& path, const Image& image) { write_pnm(path, image.view()); }

}}  // namespace moeclip::abi_v0_1
