// SPDX-License-Identifier: MIT
// Contains all of the library that it uses, in a program of which other files are linked with the compiled library.
#undef MOECLIP_COMPILED
#include "results.hpp"

std::string other_results();
std::string other_results() { return results(); }
