// SPDX-License-Identifier: MIT
// The definitions of memory/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_MEMORY
#include <moeclip/memory/coreset.hpp>
#include <moeclip/memory/descriptor.hpp>
#include <moeclip/memory/evidence.hpp>
#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/memory_file.hpp>
#include <moeclip/memory/model.hpp>
#include <moeclip/memory/model_file.hpp>
#include <moeclip/memory/nearest.hpp>
#include <moeclip/memory/own_picture.hpp>
#include <moeclip/memory/patch_memory.hpp>
#include <moeclip/memory/save_model.hpp>
#include <moeclip/memory/texture.hpp>
#include <moeclip/memory/twins.hpp>
