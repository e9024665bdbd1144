// SPDX-License-Identifier: MIT
// The definitions of kernels/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_KERNELS
#include <moeclip/kernels/dispatch.hpp>
