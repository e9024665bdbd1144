// SPDX-License-Identifier: MIT
#pragma once
// PNG files to pixels and back.

#include "png/chunks.hpp"
#include "png/decode.hpp"
#include "png/encode.hpp"
