// SPDX-License-Identifier: MIT
// The definitions of methods/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_METHODS
#include <moeclip/methods/aa_clip.hpp>
#include <moeclip/methods/aa_clip_file.hpp>
#include <moeclip/methods/aa_clip_frozen.hpp>
#include <moeclip/methods/aa_clip_method.hpp>
#include <moeclip/methods/aa_clip_step.hpp>
#include <moeclip/methods/anomaly_clip.hpp>
#include <moeclip/methods/anomaly_clip_file.hpp>
#include <moeclip/methods/anomaly_clip_method.hpp>
#include <moeclip/methods/anomaly_clip_step.hpp>
#include <moeclip/methods/balanced_map_losses.hpp>
#include <moeclip/methods/bayes_pfl.hpp>
#include <moeclip/methods/bayes_pfl_file.hpp>
#include <moeclip/methods/bayes_pfl_judge.hpp>
#include <moeclip/methods/bayes_pfl_method.hpp>
#include <moeclip/methods/bayes_pfl_samples.hpp>
#include <moeclip/methods/bayes_pfl_step.hpp>
#include <moeclip/methods/cross_attention.hpp>
#include <moeclip/methods/fit.hpp>
#include <moeclip/methods/make_method.hpp>
#include <moeclip/methods/method.hpp>
#include <moeclip/methods/method_file.hpp>
#include <moeclip/methods/object_prompts.hpp>
#include <moeclip/methods/patch_fusion.hpp>
#include <moeclip/methods/picture_features.hpp>
#include <moeclip/methods/planar_flow.hpp>
#include <moeclip/methods/prompt_flow.hpp>
#include <moeclip/methods/prompt_text.hpp>
#include <moeclip/methods/softplus_mlp.hpp>
#include <moeclip/methods/winclip.hpp>
#include <moeclip/methods/winclip_prompts.hpp>
#include <moeclip/methods/winclip_steps.hpp>
#include <moeclip/methods/windows.hpp>
