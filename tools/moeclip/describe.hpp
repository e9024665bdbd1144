// SPDX-License-Identifier: MIT
#pragma once
// What the tensors of a weight file make together, as far as names and shapes tell.

#include <moeclip/io/json_value.hpp>
#include <moeclip/io/weights.hpp>
#include <string>

namespace cli {

struct ModelDescription {
  std::string text;     ///< one line for people; empty if nothing is recognised
  moeclip::Json facts;  ///< the same for programs: an object, or null
};

/// Recognises a CLIP, a MoECLIP adapter, weights of another method, a model and a memory of ours in `file`. Never
/// throws for a file that is neither, or is broken: then the text says what is wrong.
ModelDescription describe_model(const moeclip::WeightFile& file);

}  // namespace cli
