// SPDX-License-Identifier: MIT
#pragma once
// The settings of a detector, with their defaults.

#include <optional>
#include <string>

#include "../clip/precision_plan.hpp"
#include "../kernels/activation.hpp"
#include "adapter_options.hpp"
#include "detection.hpp"
#include "domain.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The settings of a detector. Only the thresholds can be changed after loading (with_thresholds).
struct DetectorOptions {
  index_t image_size = 0;  ///< side of the square the model sees, pixels; 0: that of the adapter's training if its file
                           ///< says, else that of default_image_size
  std::optional<kernels::Activation> activation;  ///< of the CLIP's blocks; unset: as the adapter was trained (GELU if
                                                  ///< it does not say: the released code's), else the CLIP's own
  Domain domain = Domain::industrial;             ///< blur of the reference map, and how the image score is made
  MapKind map = MapKind::probability;             ///< kind of Detection::map, from which the regions are cut
  bool makes_both_maps = false;                   ///< fill Detection::reference too, from the same run of the model
  float threshold = 0.5f;                         ///< of the image score
  std::optional<float> pixel_threshold;           ///< of the probability map; unset: `threshold`
  index_t smallest_region = 1;                    ///< pixels of the map
  std::string vocabulary;                         ///< tokenizer file; "": see ClipOptions
  bool truncate_prompts = false;  ///< cut sentences that are too long for the text tower instead of throwing
  int threads = 0;                ///< for loading; 0: one per core
  std::optional<PrecisionPlan> precision = {};  ///< of the CLIP: see ClipOptions
  AdapterOptions adapter = {};                  ///< what the adapter's file may leave open
};

}}  // namespace moeclip::abi_v0_1
