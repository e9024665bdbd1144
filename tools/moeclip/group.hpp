// SPDX-License-Identifier: MIT
#pragma once
// The processes that mpirun or srun started together. There are two ways to have this file's functions:
// group/alone.cpp, of the program `moeclip`, which is always by itself and needs no library, and group/mpi.cpp, of
// `moeclip-mpi`.

#include <moeclip/base/process_group.hpp>
#include <type_traits>

namespace cli {

/// The group of this process; null if it is the only one. Throws moeclip::Error.
moeclip::ProcessGroup* join_group();

/// Before the process ends, all being well.
void leave_group();

/// Before the process ends with an error: the others, which would wait for it, end too.
void abandon_group(int exit_code);

/// Whether this process speaks and writes for the group.
inline bool is_first(const moeclip::ProcessGroup* group) { return group == nullptr || group->rank() == 0; }

/// What the first process has, for all.
template <class Value>
Value agree(moeclip::ProcessGroup* group, Value value) {
  static_assert(std::is_trivially_copyable_v<Value>);
  if (group != nullptr) group->broadcast(0, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

}  // namespace cli
