// SPDX-License-Identifier: MIT
#pragma once
// A detector from files: BasicDetector::load is defined here, apart from the rest, because it needs the readers of all
// weight formats. A program that has its weights in memory includes detector.hpp alone.

#include "adapter_file.hpp"
#include "detector.hpp"

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <optional>
#include <string>
#include <utility>

#include "../clip/load_clip.hpp"
#include "../io/weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
BasicDetector<T> BasicDetector<T>::load(const std::string& clip, const std::string& adapter,
                                        const DetectorOptions& options) {
  DetectorOptions own = options;
  std::optional<WeightFile> file;  // opened once: training may put a new one in its place
  if (!adapter.empty()) {
    file = WeightFile::open(adapter);
    if (!own.activation) own.activation = trained_activation(*file);
    if (own.image_size == 0) own.image_size = trained_image_size(*file);
  }
  Context context({.threads = options.threads});
  Clip<T> model = Clip<T>::load(clip, {own.activation, own.vocabulary, own.threads, own.precision});
  Adapter<T> parts = file ? load_adapter<T>(context, *file, model.config(), options.adapter)
                          : plain_adapter<T>(context, model.vision(), model.text());
  return BasicDetector(std::move(model), std::move(parts), own);
}

#if defined(MOECLIP_COMPILED)
template Detector Detector::load(const std::string&, const std::string&, const DetectorOptions&);
template BasicDetector<double> BasicDetector<double>::load(const std::string&, const std::string&,
                                                           const DetectorOptions&);
#endif

}}  // namespace moeclip::abi_v0_1

#endif
