// SPDX-License-Identifier: MIT
#include <moeclip.h>
#include <moeclip.h>  // NOLINT

static_assert(MOECLIP_ERROR_UNEXPECTED == 9, "the values of statuses are part of the ABI");
static_assert(sizeof(moeclip_pixels) == 7 * 8 && sizeof(moeclip_region) == 8 * 8, "and so are structs");
