// SPDX-License-Identifier: MIT
#pragma once
// What the files of the official code do not say about an adapter, as options that all commands share which run one.

#include <cstdint>
#include <moeclip/anomaly/adapter_file.hpp>
#include <optional>
#include <string>

#include "options.hpp"

namespace cli {

struct AdapterFlags {
  std::optional<std::int64_t> top_k;
  std::optional<double> alpha;
  bool is_plain = false;

  /// Declares --top-k, --lora-alpha and --no-paa.
  void add_to(Options& options);

  /// Throws UsageError for values that are none, and for options about an adapter that is not there.
  void check(bool has_adapter) const;

  [[nodiscard]] bool is_any() const { return top_k || alpha || is_plain; }

  /// What was given. A file that records something else is refused when it is read.
  void apply(moeclip::AdapterOptions& options) const;

  /// Says on stderr what is taken for the number of experts per token and for alpha if the adapter at `path` records
  /// neither and they were not given.
  void say_assumed(const std::string& path) const;
};

}  // namespace cli
