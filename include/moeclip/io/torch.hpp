// SPDX-License-Identifier: MIT
#pragma once
// Files that torch.save writes.

#include "torch/legacy.hpp"
#include "torch/writer.hpp"
#include "torch/zip.hpp"
