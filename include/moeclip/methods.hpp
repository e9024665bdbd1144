// SPDX-License-Identifier: MIT
#pragma once
// The methods that MoECLIP is compared with, for training and for judging. Made by
// tools/dev/generate_umbrella.py from the headers that are there.

#include "methods/anomaly_clip.hpp"
#include "methods/anomaly_clip_file.hpp"
#include "methods/anomaly_clip_method.hpp"
#include "methods/anomaly_clip_step.hpp"
#include "methods/balanced_map_losses.hpp"
#include "methods/bayes_pfl.hpp"
#include "methods/bayes_pfl_file.hpp"
#include "methods/bayes_pfl_judge.hpp"
#include "methods/bayes_pfl_method.hpp"
#include "methods/bayes_pfl_samples.hpp"
#include "methods/bayes_pfl_step.hpp"
#include "methods/cross_attention.hpp"
#include "methods/fit.hpp"
#include "methods/make_method.hpp"
#include "methods/method.hpp"
#include "methods/method_file.hpp"
#include "methods/object_prompts.hpp"
#include "methods/patch_fusion.hpp"
#include "methods/picture_features.hpp"
#include "methods/planar_flow.hpp"
#include "methods/prompt_flow.hpp"
#include "methods/prompt_text.hpp"
#include "methods/softplus_mlp.hpp"
#include "methods/value_path.hpp"
