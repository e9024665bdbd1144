// SPDX-License-Identifier: MIT
#pragma once
// Lists the pictures of a source, for the record of an adapter that is trained on them (training_pictures.hpp).

#include "../base/lists.hpp"
#include "source.hpp"
#include "training_pictures.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The files of a source, those that samples are drawn onto included; what is drawn from nothing has no file and is not
/// listed. Reads every file once. Throws io.
TrainingPictures training_pictures(Context& context, const SampleSource& source);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <algorithm>
#include <string>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC TrainingPictures training_pictures(Context& context, const SampleSource& source) {
  TrainingPictures pictures;
  std::vector<std::string> paths;
  for (index_t i = 0; i < source.size(); ++i) {
    if (source.file(i).empty()) continue;
    paths.push_back(source.file(i));
    pictures.classes.push_back(source.class_name(i));
  }
  lists::sort(paths);  // a picture may be drawn onto often, and is read once
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  pictures.hashes = picture_hashes(context, paths);
  pictures.tidy();
  return pictures;
}

}}  // namespace moeclip::abi_v0_1

#endif
