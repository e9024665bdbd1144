// SPDX-License-Identifier: MIT
// The definitions of clip/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_CLIP
#include <moeclip/clip/checkpoint.hpp>
#include <moeclip/clip/clip.hpp>
#include <moeclip/clip/clip_metadata.hpp>
#include <moeclip/clip/clip_weights.hpp>
#include <moeclip/clip/config.hpp>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/clip/names.hpp>
#include <moeclip/clip/parameter_writer.hpp>
#include <moeclip/clip/preprocess.hpp>
#include <moeclip/clip/quantized_file.hpp>
#include <moeclip/clip/save.hpp>
#include <moeclip/clip/save_quantized.hpp>
#include <moeclip/clip/sidecar.hpp>
#include <moeclip/clip/tokenizer.hpp>
