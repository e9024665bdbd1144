// SPDX-License-Identifier: MIT
#include "../group.hpp"
#include "mpi_group.hpp"

#include <optional>

namespace cli {

namespace {

std::optional<MpiGroup> joined;

}  // namespace

moeclip::ProcessGroup* join_group() {
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
    moeclip::fail(moeclip::ErrorCode::io, "MPI does not start");
  joined.emplace();
  return joined->size() > 1 ? &*joined : nullptr;
}

void leave_group() {
  if (!joined) return;
  joined.reset();
  MPI_Finalize();
}

void abandon_group(int exit_code) {
  if (joined) MPI_Abort(MPI_COMM_WORLD, exit_code);
}

}  // namespace cli
