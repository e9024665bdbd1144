// SPDX-License-Identifier: MIT
// The definitions of data/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_DATA
#include <moeclip/data/augment.hpp>
#include <moeclip/data/check_dataset.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/data/dataset.hpp>
#include <moeclip/data/hold_out.hpp>
#include <moeclip/data/loader.hpp>
#include <moeclip/data/picture_files.hpp>
#include <moeclip/data/prepare.hpp>
#include <moeclip/data/scan_dataset.hpp>
#include <moeclip/data/source.hpp>
#include <moeclip/data/source_pictures.hpp>
#include <moeclip/data/tile_source.hpp>
#include <moeclip/data/training_pictures.hpp>
