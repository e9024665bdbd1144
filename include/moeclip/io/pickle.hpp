// SPDX-License-Identifier: MIT
#pragma once
// Python's pickle format, as far as tensors need it.

#include "pickle/machine.hpp"
#include "pickle/writer.hpp"
