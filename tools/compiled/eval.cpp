// SPDX-License-Identifier: MIT
// The definitions of eval/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_EVAL
#include <moeclip/eval/binned_scores.hpp>
#include <moeclip/eval/calibrate.hpp>
#include <moeclip/eval/curves.hpp>
#include <moeclip/eval/evaluate.hpp>
#include <moeclip/eval/evaluation.hpp>
#include <moeclip/eval/evaluation_run.hpp>
#include <moeclip/eval/exact_scores.hpp>
#include <moeclip/eval/map_agreement.hpp>
#include <moeclip/eval/mask_regions.hpp>
#include <moeclip/eval/median_patch.hpp>
#include <moeclip/eval/metrics.hpp>
#include <moeclip/eval/paired_bootstrap.hpp>
#include <moeclip/eval/picture_table.hpp>
#include <moeclip/eval/picture_table_file.hpp>
#include <moeclip/eval/protocol.hpp>
#include <moeclip/eval/run_file.hpp>
#include <moeclip/eval/run_results.hpp>
#include <moeclip/eval/run_settings.hpp>
#include <moeclip/eval/score_table.hpp>
#include <moeclip/eval/score_table_file.hpp>
#include <moeclip/eval/variance_components.hpp>
