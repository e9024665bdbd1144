// SPDX-License-Identifier: MIT
// A second file of the same program that includes everything: the two must link.
#include <moeclip/moeclip.hpp>

moeclip::index_t packed_columns(moeclip::Context& context, const float* b);
moeclip::index_t packed_columns(moeclip::Context& context, const float* b) {
  return moeclip::kernels::pack<float>(context, 3, 5, moeclip::kernels::row_major(b, 5)).columns();
}
