// SPDX-License-Identifier: MIT
#pragma once
// What is kept of a finished run as a line of JSON, and whether it is to be believed.

#include <string>
#include <string_view>

#include "ablation.hpp"

namespace cli {

struct AblationRun {
  const AblationVariant* variant = nullptr;
  std::int64_t seed = 0;
  std::string key;
};

/// The line of a run.
moeclip::Json record_of(const AblationRun& run, const AblationResult& result);

/// Line `number`, from 1, of the file `path`. Throws format, missing, with both.
moeclip::Json read_record(std::string_view line, const std::string& path, std::int64_t number);

/// A score of a record; NaN: undefined.
double score_of(const moeclip::Json& scores, std::size_t metric);

/// Whether two records of a run say the same.
bool has_same_scores(const moeclip::Json& a, const moeclip::Json& b);

/// Throws mismatch, naming `place`, unless the scores of a record are those of its pictures.
void expect_agreement(const moeclip::Json& record, const moeclip::PictureTable& pictures, const std::string& place);

}  // namespace cli
