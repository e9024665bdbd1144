// SPDX-License-Identifier: MIT
// The definitions of train/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_TRAIN
#include <moeclip/train/adam.hpp>
#include <moeclip/train/adapter_step.hpp>
#include <moeclip/train/checkpoint.hpp>
#include <moeclip/train/class_text.hpp>
#include <moeclip/train/initialize_adapter.hpp>
#include <moeclip/train/losses.hpp>
#include <moeclip/train/moments.hpp>
#include <moeclip/train/official_checkpoint.hpp>
#include <moeclip/train/recipe.hpp>
#include <moeclip/train/same_in_group.hpp>
#include <moeclip/train/schedule.hpp>
#include <moeclip/train/trainer.hpp>
