// SPDX-License-Identifier: MIT
#pragma once
// Where the files that come with the program lie: vocabulary, word lists, the built-in model.

#include <string>
#include <vector>

#include "file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Folders to look in, in this order: the program's, ../share/moeclip from there, /usr/local/share/moeclip,
/// /usr/share/moeclip. The last two are always there.
std::vector<std::string> data_directories();

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)


namespace moeclip { inline namespace abi_v0_1 {


MOECLIP_FUNC std::vector<std::string> data_directories() {
  std::vector<std::string> folders{"/usr/local/share/moeclip", "/usr/share/moeclip"};
  if (const std::string program = executable_directory(); !program.empty())
    folders.insert(folders.begin(), {program, join_path(parent_directory(program), "share/moeclip")});
  return folders;
}

}}  // namespace moeclip::abi_v0_1

#endif
