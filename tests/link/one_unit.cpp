// SPDX-License-Identifier: MIT
// The one file of a program that defines the library for all others.
#define MOECLIP_SOURCE
#include <moeclip/moeclip.hpp>
#include <moeclip/synthetic.hpp>

#include "results.hpp"

std::string other_results();
std::string other_results() { return results(); }
