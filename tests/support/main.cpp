// SPDX-License-Identifier: MIT
// The one main of every test binary. MOECLIP_ISA pins the instruction set; one that this machine lacks is no failure
// but a skipped run, which CTest and Meson know by the exit code 77.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <moeclip/kernels/isa.hpp>
#include <string_view>

namespace {

constexpr int kSkipped = 77;

/// True if MOECLIP_ISA names an instruction set that exists, but not here. A name that nobody knows is left to fail.
bool lacks_wanted_isa() {
  using moeclip::kernels::Isa;
  const char* wanted = std::getenv("MOECLIP_ISA");
  if (wanted == nullptr) return false;
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::neon, Isa::simd128})
    if (std::string_view(wanted) == moeclip::kernels::to_string(isa)) return !moeclip::kernels::supported(isa);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (lacks_wanted_isa()) {
    std::puts("skipped: this machine or this build lacks the instruction set that MOECLIP_ISA names");
    return kSkipped;
  }
  return doctest::Context(argc, argv).run();
}
