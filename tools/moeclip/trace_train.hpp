// SPDX-License-Identifier: MIT
#pragma once
// The training part of a trace: losses, gradients and Adam's steps on a fixed batch.

#include <moeclip/io/weights.hpp>

#include "trace.hpp"
#include "trace_recorder.hpp"

namespace cli {

/// Trains task.train_steps steps on the first images of the input, one class of task.train each, from the adapter as
/// it is in its file, and records what the golden data records. The model must be the one of the task.
template <class T>
void trace_training(moeclip::Context& context, const TraceTask& task, const moeclip::WeightFile& input,
                    const TraceModel<T>& model, Recorder<T>& record);

extern template void trace_training<float>(moeclip::Context&, const TraceTask&, const moeclip::WeightFile&,
                                           const TraceModel<float>&, Recorder<float>&);
extern template void trace_training<double>(moeclip::Context&, const TraceTask&, const moeclip::WeightFile&,
                                            const TraceModel<double>&, Recorder<double>&);

}  // namespace cli
