// SPDX-License-Identifier: MIT
// The definitions of base/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_BASE
#include <moeclip/base/error.hpp>
#include <moeclip/base/float_scope.hpp>
#include <moeclip/base/lists.hpp>
#include <moeclip/base/read_number.hpp>
#include <moeclip/base/text.hpp>
#include <moeclip/base/thread_pool.hpp>
#include <moeclip/base/version.hpp>
