// SPDX-License-Identifier: MIT
#include "adapter_flags.hpp"

#include <cmath>

#include "progress.hpp"

namespace cli {

using moeclip::concat;

void AdapterFlags::add_to(Options& options) {
  options.value("top-k", top_k, "K", "experts per token; default: what the adapter's file records, else 2");
  options.value("lora-alpha", alpha, "A",
                "alpha of the experts, whose outputs are multiplied with alpha/rank; default: what the adapter's file "
                "records, else twice the rank");
  options.flag("no-paa", is_plain, "the adapter was trained without patch aggregation");
}

void AdapterFlags::check(bool has_adapter) const {
  if (top_k && *top_k < 1) throw UsageError("--top-k is a count of 1 or more");
  if (alpha && !(*alpha > 0 && std::isfinite(*alpha))) throw UsageError("--lora-alpha is a number above 0");
  if (is_any() && !has_adapter)
    throw UsageError("--top-k, --lora-alpha and --no-paa say something about an adapter; give --adapter FILE");
}

void AdapterFlags::apply(moeclip::AdapterOptions& options) const {
  options.overrides_record = false;
  if (top_k) options.chosen = *top_k;
  if (alpha) options.alpha = *alpha;
  if (is_plain) options.use_aggregation = false;
}

void AdapterFlags::say_assumed(const std::string& path) const {
  if (path.empty() || (top_k && alpha)) return;
  moeclip::AdapterConfig config;
  try {
    const moeclip::WeightFile file = moeclip::WeightFile::open(path);
    if (moeclip::records_switches(file)) return;
    moeclip::AdapterOptions options;
    apply(options);
    config =
        moeclip::recognise_adapter(moeclip::recognise_adapter_file(file), moeclip::AdapterFile::kMostNumbered, options);
  } catch (const moeclip::Error&) {
    return;  // whoever loads the file says what is wrong with it
  }
  if (config.mixture_blocks.empty()) return;
  const double assumed = config.scale * static_cast<double>(config.rank);
  if (top_k)
    inform(concat(path, " does not say alpha; ", assumed, " is assumed (--lora-alpha)"));
  else if (alpha)
    inform(concat(path, " does not say how many experts a token gets; ", config.chosen, " is assumed (--top-k)"));
  else
    inform(concat(path, " says neither how many experts a token gets nor alpha; ", config.chosen, " and ", assumed,
                  " are assumed (--top-k, --lora-alpha)"));
}

}  // namespace cli
