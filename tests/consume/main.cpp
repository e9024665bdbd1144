// SPDX-License-Identifier: MIT
// A user of the library, as small as it gets: three headers instead of the umbrella, which consume.readme compiles.
// Prints the version, where the library's code is and the instruction set in use, and the tokens of a sentence, for
// which the vocabulary must be found.
#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/kernels/isa.hpp>

#include <cstdio>

#if defined(MOECLIP_COMPILED)
constexpr const char* kMode = "compiled";
#else
constexpr const char* kMode = "header-only";
#endif

int main() {
  std::printf("moeclip %s %s %s\n", MOECLIP_VERSION_STRING, kMode,
              moeclip::kernels::to_string(moeclip::kernels::active_isa()));
  try {
    const auto tokenizer = moeclip::Tokenizer::open(moeclip::find_vocabulary());
    std::printf("%s\n", tokenizer.source().c_str());
    for (const auto id : tokenizer.encode("a photo of a cat.")) std::printf("%d ", static_cast<int>(id));
    std::printf("\n%s\n", moeclip::load_class_words().words("macaroni1").c_str());
  } catch (const moeclip::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
