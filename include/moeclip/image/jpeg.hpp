// SPDX-License-Identifier: MIT
#pragma once
// Turns JPEG files into pixels and back.

#include "jpeg/decode.hpp"
#include "jpeg/encode.hpp"
