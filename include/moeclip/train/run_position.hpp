// SPDX-License-Identifier: MIT
#pragma once
// Where a training run stands, which its checkpoints say and a resumed run goes on from.

#include "../base/types.hpp"
#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How far a run has come.
struct RunPosition {
  index_t step = 0;            ///< updates so far
  index_t epoch = 0;           ///< epochs finished
  index_t batch = 0;           ///< batches of the current epoch that were used
  index_t schedule_start = 0;  ///< step from which milestones are counted

  friend bool operator==(const RunPosition&, const RunPosition&) = default;
};

}}  // namespace moeclip::abi_v0_1
