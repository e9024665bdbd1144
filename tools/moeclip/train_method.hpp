// SPDX-License-Identifier: MIT
#pragma once
// `moeclip train --method NAME`: another method than MoECLIP is trained, with the same options about data and time.

#include "train_settings.hpp"

namespace cli {

/// Trains the method that `s` names. Returns the exit code. Throws UsageError if the method is not trained, and as
/// fit_method.
int train_method(const TrainSettings& s);

}  // namespace cli
