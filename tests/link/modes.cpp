// SPDX-License-Identifier: MIT
// Built with MOECLIP_COMPILED: this file declares the library and contains next to nothing of it. It is linked with
// another file that does the same, or that has a library of its own, and both must find the same.
#include <cstdio>

#include "results.hpp"

std::string other_results();

int main() {
  const std::string own = results(), other = other_results();
  std::puts(own.c_str());
  if (own == other) return 0;
  std::printf("BITS DIFFER in the other file:\n%s\n", other.c_str());
  return 1;
}
