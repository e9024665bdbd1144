// SPDX-License-Identifier: MIT
// The one translation unit that defines the kernels of a program whose other units are compiled with
// MOECLIP_EXTERN_KERNELS: tests, tools, benchmarks and examples share it as one object library, so that the kernels of
// every instruction set are compiled once.
#ifndef MOECLIP_EXTERN_KERNELS
#define MOECLIP_EXTERN_KERNELS
#endif
#define MOECLIP_DEFINE_KERNELS

#include <moeclip/kernels/dispatch.hpp>
