// SPDX-License-Identifier: MIT
#pragma once
// Turns PNG files into pixels and back.

#include "png/chunks.hpp"
#include "png/decode.hpp"
#include "png/encode.hpp"
