// SPDX-License-Identifier: MIT
#pragma once
// What the other files of the program find.
#include <string>

std::string other_verdict();
int largest_single_header();
