// SPDX-License-Identifier: MIT
#pragma once
// Where the recorded data lives. MOECLIP_TEST_GOLDEN_DIR comes from the build; the environment may override it.

#include <cstdlib>
#include <string>

#ifndef MOECLIP_TEST_GOLDEN_DIR
#define MOECLIP_TEST_GOLDEN_DIR "tests/golden"
#endif

/// Path of a file below tests/golden.
inline std::string golden_path(const std::string& name) {
  const char* set = std::getenv("MOECLIP_TEST_GOLDEN_DIR");
  return std::string(set != nullptr ? set : MOECLIP_TEST_GOLDEN_DIR) + "/" + name;
}
