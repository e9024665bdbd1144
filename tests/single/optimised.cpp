// SPDX-License-Identifier: MIT
// Built with other flags than plain.cpp.
#include "moeclip_infer.hpp"
//
#include "other.hpp"
#include "verdict.hpp"

std::string other_verdict() { return verdict(); }
