// SPDX-License-Identifier: MIT
// The same with the ordinary headers.
#include <moeclip/anomaly/seeded.hpp>
#include <moeclip/image/png.hpp>
#include <moeclip/image/read_image.hpp>
//
#include <cstdio>

#include "verdict.hpp"

int main() { std::puts(verdict().c_str()); }
