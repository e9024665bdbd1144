// SPDX-License-Identifier: MIT
#pragma once
// Reads the checkpoints of the official AA-CLIP. It saves its two parts apart: text_adapter.pth, and image_adapter.pth
// or image_adapter_N.pth after epoch N, in one folder. Names and shapes tell how many adapters and levels there are.

#include "../io/weight_file.hpp"
#include "aa_clip.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The model in `file`, which holds both parts, or one of them; the other one is then looked for beside it, as
/// text_adapter.pth or image_adapter.pth, and without the latter as the one image_adapter_N.pth. Sizes are those of the
/// file; of `wanted` the weights count, and the levels if there are as many. Throws missing if a part is not there, or
/// several may be meant; mismatch, with the shapes, if it was trained for another CLIP; unsupported if a part holds
/// more than AA-CLIP has; and as WeightFile.
template <class T>
AaClip<T> read_aa_clip(const WeightFile& file, const ClipConfig& clip, const AaClipConfig& wanted);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../base/lists.hpp"
#include "../io/file.hpp"
#include "../io/weight_use.hpp"
#include "../io/weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// One of the two parts of a model: a file, and what its names begin with.
struct AaClipPart {
  WeightFile file;
  std::string prefix;

  [[nodiscard]] bool has(const std::string& name) const { return file.find(prefix + name) != nullptr; }
  /// How many of before0after, before1after, ... there are.
  [[nodiscard]] index_t count(std::string_view before, std::string_view after) const {
    index_t number = 0;
    while (has(concat(before, number, after))) ++number;
    return number;
  }
};

inline constexpr std::string_view kAaClipText = "text_adapter", kAaClipImage = "image_adapter";

/// That part of `file`, if it is there.
inline std::optional<AaClipPart> find_aa_clip_part(const WeightFile& file, std::string_view part) {
  std::vector<std::string> prefixes;
  if (part == kAaClipText) {
    prefixes = prefixes_of(file, "0.fc.0.weight");
    std::erase_if(prefixes, [](const std::string& prefix) {  // of "10.fc.0.weight", and of lists of the other part
      return (!prefix.empty() && prefix.back() >= '0' && prefix.back() <= '9') || prefix.ends_with("layer_adapters.") ||
             prefix.ends_with("seg_proj.");
    });
  } else {
    for (const char* tail : {"det_proj.fc.weight", "det_proj.fc.0.weight"})
      for (std::string& prefix : prefixes_of(file, tail)) prefixes.push_back(std::move(prefix));
  }
  expect_one_model(file, prefixes);
  if (prefixes.empty()) return {};
  return AaClipPart{file, prefixes.front()};
}

/// The files in `folder` that hold that part by their names: image_adapter.pth or, without it, image_adapter_N.pth.
inline std::vector<std::string> aa_clip_files(const std::string& folder, std::string_view part) {
  const std::string last = join_path(folder, concat(part, ".pth"));
  if (file_exists(last)) return {last};
  constexpr std::string_view kDigits = "0123456789", kEnding = ".pth";
  const std::string start = concat(part, "_");
  std::vector<std::string> of_epochs;
  for (const std::string& path : list_files(folder)) {
    const std::string name = file_name(path);
    if (!name.starts_with(start) || !name.ends_with(kEnding) || name.size() <= start.size() + kEnding.size()) continue;
    if (name.find_first_not_of(kDigits, start.size()) == name.size() - kEnding.size()) of_epochs.push_back(path);
  }
  return of_epochs;
}

/// That part, of `file` or of the file beside it.
inline AaClipPart aa_clip_part(const WeightFile& file, std::string_view part) {
  if (std::optional<AaClipPart> own = find_aa_clip_part(file, part)) return *std::move(own);
  const std::string folder = parent_directory(file.path());
  const std::vector<std::string> others = aa_clip_files(folder, part);
  const auto fail_without = [&](const auto&... why) {
    fail(ErrorCode::missing, concat(file.path(), ": holds no ", part, " of AA-CLIP, ", why...));
  };
  constexpr std::string_view kBoth =
      "; the official code saves text_adapter.pth and image_adapter.pth (or image_adapter_N.pth) in one folder: put "
      "both there and give either";
  if (others.empty()) fail_without("and there is no ", join_path(folder, concat(part, ".pth")), kBoth);
  if (others.size() > 1)
    fail_without("and of the ", counted(others.size(), "epoch"), " in ", folder, ", ", file_name(others.front()),
                 " to ", file_name(others.back()), ", one is meant: give that file");
  const WeightFile beside = WeightFile::open(others.front());
  std::optional<AaClipPart> found = find_aa_clip_part(beside, part);
  if (!found) fail_without("nor does ", others.front(), kBoth);
  return *std::move(found);
}

/// The switches that the parts tell. Throws mismatch if a tower of `clip` has fewer blocks.
inline AaClipConfig recognise_aa_clip(const AaClipPart& text, const AaClipPart& image, const ClipConfig& clip,
                                      AaClipConfig config) {
  config.use_relu = image.has("det_proj.fc.0.weight");
  config.text_blocks = text.count("", ".fc.0.weight") - 1;  // the last is the projection
  config.image_blocks = image.count("layer_adapters.", ".fc.0.weight");
  const index_t levels = image.count("seg_proj.", config.use_relu ? ".fc.0.weight" : ".fc.weight");
  if (levels < 1 || levels > clip.vision.layers || config.image_blocks > clip.vision.layers ||
      config.text_blocks > clip.text.layers)
    fail(ErrorCode::mismatch, concat(image.file.path(), ": has adapters for ", config.text_blocks, " text and ",
                                     counted(config.image_blocks, "image block"), " and projections of ",
                                     counted(levels, "level"), "; this CLIP has ", clip.text.layers, " and ",
                                     counted(clip.vision.layers, "block"), "; use the CLIP that it was trained on"));
  if (levels != std::ssize(config.level_blocks)) config.level_blocks = evenly_spread(clip.vision.layers, levels);
  return config;
}

/// Throws unsupported if `part` holds tensors beside `used`: they would have changed the result.
inline void expect_aa_clip_used(const AaClipPart& part, const std::vector<std::string>& used) {
  std::vector<std::string> unused;
  for (const WeightEntry& entry : part.file.entries())
    if (entry.name.starts_with(part.prefix) && is_floating(entry.dtype) &&
        entry.name.find("optim") == std::string::npos && lists::find(used, entry.name) == used.end())
      unused.push_back(entry.name);
  if (!unused.empty())
    fail(ErrorCode::unsupported, concat(part.file.path(), ": has ", count_and_names(unused),
                                        " for which AA-CLIP has no place; without them the result would be another, "
                                        "so the file is not read"));
}

}  // namespace detail

template <class T>
AaClip<T> read_aa_clip(const WeightFile& file, const ClipConfig& clip, const AaClipConfig& wanted) {
  const detail::AaClipPart text = detail::aa_clip_part(file, detail::kAaClipText),
                           image = detail::aa_clip_part(file, detail::kAaClipImage);
  AaClip<T> model(detail::recognise_aa_clip(text, image, clip, wanted), clip);
  std::vector<std::string> used;
  visit_parameters(model, "", [&](const std::string& name, Tensor<T>& tensor) {
    const detail::AaClipPart& part = name.starts_with(detail::kAaClipText) ? text : image;
    used.push_back(part.prefix + name.substr(name.find('.') + 1));
    take_tensor<T>(part.file, used.back(), tensor);
  });
  for (const detail::AaClipPart* part : {&text, &image}) detail::expect_aa_clip_used(*part, used);
  return model;
}

MOECLIP_INSTANTIATE(read_aa_clip)

}}  // namespace moeclip::abi_v0_1

#endif
