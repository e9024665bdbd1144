// SPDX-License-Identifier: MIT
// The definitions of explain/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_EXPLAIN
#include <moeclip/explain/defect_words.hpp>
#include <moeclip/explain/encode_words.hpp>
#include <moeclip/explain/expert_figures.hpp>
#include <moeclip/explain/expert_statistics.hpp>
#include <moeclip/explain/explain.hpp>
#include <moeclip/explain/fit_words.hpp>
#include <moeclip/explain/inspect.hpp>
#include <moeclip/explain/inspection_figures.hpp>
#include <moeclip/explain/panels.hpp>
#include <moeclip/explain/shape_evidence.hpp>
#include <moeclip/explain/word_evidence.hpp>
#include <moeclip/explain/word_file.hpp>
#include <moeclip/explain/word_readout.hpp>
