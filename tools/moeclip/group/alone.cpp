// SPDX-License-Identifier: MIT
#include "../group.hpp"

namespace cli {

moeclip::ProcessGroup* join_group() { return nullptr; }
void leave_group() {}
void abandon_group(int /*exit_code*/) {}

}  // namespace cli
