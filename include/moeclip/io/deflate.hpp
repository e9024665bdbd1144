// SPDX-License-Identifier: MIT
#pragma once
// Compressing with deflate, and undoing it.

#include "deflate/compress.hpp"
#include "deflate/inflate.hpp"
