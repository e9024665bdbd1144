// SPDX-License-Identifier: MIT
#pragma once
// The methods that MoECLIP is compared with, for training and for judging. Made by
// tools/dev/generate_umbrella.py from the headers that are there.

#include "methods/aa_clip.hpp"
#include "methods/aa_clip_file.hpp"
#include "methods/aa_clip_frozen.hpp"
#include "methods/aa_clip_method.hpp"
#include "methods/aa_clip_step.hpp"
#include "methods/anomaly_clip.hpp"
#include "methods/anomaly_clip_file.hpp"
#include "methods/anomaly_clip_method.hpp"
#include "methods/anomaly_clip_step.hpp"
#include "methods/fit.hpp"
#include "methods/make_method.hpp"
#include "methods/method.hpp"
#include "methods/method_file.hpp"
#include "methods/object_prompts.hpp"
#include "methods/residual_adapter.hpp"
#include "methods/value_path.hpp"
#include "methods/winclip.hpp"
#include "methods/winclip_prompts.hpp"
#include "methods/winclip_steps.hpp"
#include "methods/windows.hpp"
