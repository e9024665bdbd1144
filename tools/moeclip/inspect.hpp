// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip inspect`, one per kind of file. Each prints text, or fills the JSON object of the file.

#include <string>

#include "output.hpp"

namespace cli {

struct InspectOptions {
  bool is_json = false;
  bool has_hash = false;        ///< also the SHA-256 of each tensor
  bool is_hash_of_f32 = false;  ///< of its elements as float32 instead of as they are stored
};

/// Weights in any format: tensors, other values, what model they are. Elements are read only to hash them, piece by
/// piece.
void inspect_weights(const std::string& path, const InspectOptions& options, JsonLine& json);

void inspect_image(const std::string& path, const InspectOptions& options, JsonLine& json);

void inspect_tokenizer(const std::string& path, const InspectOptions& options, JsonLine& json);

}  // namespace cli
