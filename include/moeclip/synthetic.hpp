// SPDX-License-Identifier: MIT
#pragma once
// The drawn world: parts and materials with exact defects, sentences about them, and the tiny CLIP that
// is trained on both. Made by tools/dev/generate_umbrella.py from the headers that are there.

#include "synthetic/bpe_learner.hpp"
#include "synthetic/captions.hpp"
#include "synthetic/contrastive.hpp"
#include "synthetic/good_pictures.hpp"
#include "synthetic/kinds.hpp"
#include "synthetic/pairs.hpp"
#include "synthetic/pretrain.hpp"
#include "synthetic/source.hpp"
#include "synthetic/synthesize.hpp"
#include "synthetic/tiny_clip.hpp"
#include "synthetic/whitening.hpp"
#include "synthetic/write.hpp"
