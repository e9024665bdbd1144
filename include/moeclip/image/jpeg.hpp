// SPDX-License-Identifier: MIT
#pragma once
// JPEG files to pixels and back.

#include "jpeg/decode.hpp"
#include "jpeg/encode.hpp"
