// SPDX-License-Identifier: MIT
#pragma once
// A CLIP from files: Clip::load is defined here, apart from the rest, because it needs the readers of all weight
// formats. A program that has its weights in memory includes clip.hpp alone.

#include "checkpoint.hpp"
#include "clip.hpp"

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <string>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The tokenizer inside the weights, or in their folder, or "".
inline std::string own_vocabulary(const ClipFile& file, const std::string& weights) {
  if (find_metadata(file.file.metadata(), kMergesKey) != nullptr) return file.file.path();
  const std::string folder = is_directory(weights) ? weights : parent_directory(weights);
  for (const char* name : {"tokenizer.json", "vocab.json"})
    if (std::string path = join_path(folder, name); file_exists(path)) return path;
  return {};
}

}  // namespace detail

template <class T>
Clip<T> Clip<T>::load(const std::string& path, const ClipOptions& options) {
  Context context({.threads = options.threads});
  const ClipFile file = open_clip(path);
  ClipConfig config = file.config;
  config.activation = options.activation.value_or(config.activation);
  const PrecisionPlan plan = options.precision.value_or(file.precision);
  VisionTower<T> vision = load_vision<T>(context, file, config.activation, plan);
  TextTower<T> text = load_text<T>(context, file, config.activation, plan);
  Clip clip(config, std::move(vision), std::move(text),
            options.vocabulary.empty() ? detail::own_vocabulary(file, path) : options.vocabulary);
  clip.logit_scale_ = read_logit_scale(file);
  clip.unused_ = file.unused;
  clip.has_own_merges_ = options.vocabulary.empty() && find_metadata(file.file.metadata(), kMergesKey) != nullptr;
  return clip;
}

#if defined(MOECLIP_COMPILED)
template Clip<float> Clip<float>::load(const std::string&, const ClipOptions&);
template Clip<double> Clip<double>::load(const std::string&, const ClipOptions&);
#endif

}}  // namespace moeclip::abi_v0_1

#endif
