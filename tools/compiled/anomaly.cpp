// SPDX-License-Identifier: MIT
// The definitions of anomaly/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_ANOMALY
#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/anomaly/adapter_record.hpp>
#include <moeclip/anomaly/anchors.hpp>
#include <moeclip/anomaly/conclude.hpp>
#include <moeclip/anomaly/detector.hpp>
#include <moeclip/anomaly/domain.hpp>
#include <moeclip/anomaly/features.hpp>
#include <moeclip/anomaly/fingerprint.hpp>
#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/anomaly/overlay.hpp>
#include <moeclip/anomaly/prompts.hpp>
#include <moeclip/anomaly/regions.hpp>
#include <moeclip/anomaly/score_map.hpp>
#include <moeclip/anomaly/seeded.hpp>
#include <moeclip/anomaly/tiles.hpp>
