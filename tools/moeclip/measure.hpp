// SPDX-License-Identifier: MIT
#pragma once
// How fast this machine is at the two things that bound a model: multiplying matrices and reading memory.

#include <moeclip/base/context.hpp>
#include <moeclip/base/function_ref.hpp>

namespace cli {

/// The best amount of work per second that calls of `work` reach within about `seconds`; at least two are made. `work`
/// returns how much it did.
double best_rate(double seconds, moeclip::function_ref<double()> work);

/// Floating point operations per second of float32 matrix products with packed weights, in the active instruction set.
double matrix_flops(moeclip::Context& context, double seconds);

/// Bytes per second that all threads of `context` together read from memory.
double read_bandwidth(moeclip::Context& context, double seconds);

}  // namespace cli
