// SPDX-License-Identifier: MIT
// The definitions of synthetic/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_SYNTHETIC
#include <moeclip/synthetic/bpe_learner.hpp>
#include <moeclip/synthetic/captions.hpp>
#include <moeclip/synthetic/good_pictures.hpp>
#include <moeclip/synthetic/pairs.hpp>
#include <moeclip/synthetic/pretrain.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <moeclip/synthetic/tiny_clip.hpp>
#include <moeclip/synthetic/write.hpp>
