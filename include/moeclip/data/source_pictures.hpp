// SPDX-License-Identifier: MIT
#pragma once
// Lists the pictures of a source, for the record of an adapter that is trained on them (training_pictures.hpp).

#include "source.hpp"
#include "training_pictures.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The files of a source; pictures that are drawn have no file and are not listed. Reads every file once. Throws io.
TrainingPictures training_pictures(Context& context, const SampleSource& source);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <string>
#include <utility>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC TrainingPictures training_pictures(Context& context, const SampleSource& source) {
  TrainingPictures pictures;
  std::vector<std::string> paths;
  for (index_t i = 0; i < source.size(); ++i) {
    const DatasetEntry* const entry = source.entry(i);
    if (entry == nullptr) continue;
    paths.push_back(entry->image_path);
    pictures.classes.push_back(entry->class_name);
  }
  pictures.hashes = picture_hashes(context, paths);
  pictures.tidy();
  return pictures;
}

}}  // namespace moeclip::abi_v0_1

#endif
