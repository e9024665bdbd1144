// SPDX-License-Identifier: MIT
// What a user of the library writes, as small as it gets. Prints the version and the instruction set in use.
#include <moeclip/moeclip.hpp>

#include <cstdio>

int main() {
  std::printf("moeclip %s %s\n", MOECLIP_VERSION_STRING, moeclip::kernels::to_string(moeclip::kernels::active_isa()));
  return 0;
}
