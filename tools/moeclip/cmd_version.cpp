// SPDX-License-Identifier: MIT
#include <moeclip/base/version.hpp>

#include "commands.hpp"

namespace cli {

int run_version(Words words) {
  Options options("version", "Print the version.");
  if (!options.parse(words)) return kOk;
  print("moeclip " MOECLIP_VERSION_STRING "\n");
  return kOk;
}

}  // namespace cli
