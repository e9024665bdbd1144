// SPDX-License-Identifier: MIT
// Built for the plain machine.
#include <cstdio>

#include "product.hpp"

std::vector<float> wide_product();

int main() {
#if defined(__x86_64__)
  if (!moeclip::kernels::supported(moeclip::kernels::Isa::avx2)) {
    std::puts("skipped: this machine cannot run the file that is built for AVX2");
    return 77;
  }
#endif
  const bool same = product() == wide_product();
  std::printf("%s: %s\n", moeclip::kernels::to_string(moeclip::kernels::active_isa()),
              same ? "the same bits" : "BITS DIFFER");
  return same ? 0 : 1;
}
