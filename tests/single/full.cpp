// SPDX-License-Identifier: MIT
// Reads the larger header, which holds the smaller one too.
#include "moeclip.hpp"
//
#include "moeclip.hpp"
//
#include "moeclip_infer.hpp"
//
#include "other.hpp"

int largest_single_header() { return MOECLIP_SINGLE_HEADER; }
