// SPDX-License-Identifier: MIT
#pragma once
// Compression with deflate, and decompression.

#include "deflate/compress.hpp"
#include "deflate/inflate.hpp"
