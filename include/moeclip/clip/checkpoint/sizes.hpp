// SPDX-License-Identifier: MIT
#pragma once
// The sizes of a CLIP, from the shapes of its tensors.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "../../base/lists.hpp"
#include "../../io/weight_file.hpp"
#include "../config.hpp"
#include "../names.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// The entry of a canonical tensor, the first of three where it is stored in parts. Throws missing.
inline const WeightEntry& clip_entry(const WeightFile& file, const ClipNaming& naming, std::string_view name) {
  return file.entry(clip_tensor_source(naming, name).names.front());
}

/// Extent of one axis of a canonical tensor of the given rank.
inline index_t clip_extent(const WeightFile& file, const ClipNaming& naming, std::string_view name, int rank,
                           int axis) {
  const WeightEntry& entry = clip_entry(file, naming, name);
  if (entry.shape.rank() != rank || entry.shape.size() < 1)
    fail(ErrorCode::mismatch, concat(file.path(), ": tensor ", in_quotes(entry.name), " is ", to_string(entry.shape),
                                     ", ", counted(rank, "positive extent"), " were wanted"));
  return entry.shape[axis];
}

/// True if `name` is "<stem>N..." with N >= number.
inline bool is_block_from(std::string_view name, std::string_view stem, index_t number) {
  if (!name.starts_with(stem)) return false;
  index_t found = 0;
  const auto end = std::from_chars(name.data() + stem.size(), name.data() + name.size(), found);
  return end.ec == std::errc::result_out_of_range || (end.ec == std::errc() && found >= number);
}

/// Number of blocks of a tower: those whose first norm is in the file, from 0 on. Throws missing if there is none, or
/// if the file has tensors of a later block.
inline index_t count_blocks(const WeightFile& file, const ClipNaming& naming, std::string_view tower) {
  const auto first_norm = [&](index_t block) {
    return clip_tensor_source(naming, concat(tower, "transformer.resblocks.", block, ".ln_1.weight")).names[0];
  };
  index_t blocks = 0;
  while (file.find(first_norm(blocks)) != nullptr) ++blocks;
  const std::string next = first_norm(blocks), stem = next.substr(0, next.rfind(concat(".", blocks, ".")) + 1);
  const bool has_later =
      lists::any_of(file.entries(), [&](const WeightEntry& entry) { return is_block_from(entry.name, stem, blocks); });
  if (blocks == 0 || has_later) static_cast<void>(file.entry(next));  // says that it is missing, and what is there
  return blocks;
}

/// Sizes of the image tower and of the joint space as far as tensors tell them; heads of 64.
inline void take_vision_sizes(const WeightFile& file, const ClipNaming& naming, ClipConfig& config) {
  const auto extent = [&](std::string_view name, int rank, int axis) {
    return clip_extent(file, naming, name, rank, axis);
  };
  VisionConfig& vision = config.vision;
  vision.width = extent("visual.conv1.weight", 4, 0);
  vision.patch_size = extent("visual.conv1.weight", 4, 3);
  const index_t positions = extent("visual.positional_embedding", 2, 0);
  const auto grid = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(positions - 1))));
  if (grid < 1 || grid * grid + 1 != positions)
    fail(ErrorCode::mismatch, concat(file.path(), ": the position embedding has ", counted(positions, "row"),
                                     "; one more than a square was wanted"));
  vision.image_size = grid * vision.patch_size;
  vision.layers = count_blocks(file, naming, "visual.");
  vision.hidden = extent("visual.transformer.resblocks.0.mlp.c_fc.weight", 2, 0);
  const bool is_transposed = naming.family == ClipFamily::hugging_face;
  config.embed = extent("visual.proj", 2, is_transposed ? 0 : 1);
  vision.heads = std::max<index_t>(1, vision.width / 64);
}

/// Those of the text tower.
inline void take_text_sizes(const WeightFile& file, const ClipNaming& naming, TextConfig& text) {
  const auto extent = [&](std::string_view name, int rank, int axis) {
    return clip_extent(file, naming, name, rank, axis);
  };
  text.vocabulary = extent("token_embedding.weight", 2, 0);
  text.width = extent("token_embedding.weight", 2, 1);
  text.context_length = extent("positional_embedding", 2, 0);
  text.layers = count_blocks(file, naming, "");
  text.hidden = extent("transformer.resblocks.0.mlp.c_fc.weight", 2, 0);
  text.heads = std::max<index_t>(1, text.width / 64);
}

/// Elements of all tensors of a file.
inline double element_count(const WeightFile& file) {
  double count = 0;
  for (const WeightEntry& entry : file.entries()) count += static_cast<double>(entry.shape.size());
  return count;
}

/// Throws mismatch if the matrices that `config` implies have more elements than the file: its sizes contradict each
/// other, and room for such towers shall not even be asked for.
inline void expect_plausible(const WeightFile& file, const ClipConfig& config) {
  const auto blocks = [](const auto& tower) {
    const auto width = static_cast<double>(tower.width);
    return static_cast<double>(tower.layers) * width * (4 * width + 2 * static_cast<double>(tower.hidden));
  };
  const auto projections =
      static_cast<double>(config.embed) * static_cast<double>(config.vision.width + config.text.width);
  if (blocks(config.vision) + blocks(config.text) + projections > element_count(file))
    fail(ErrorCode::mismatch,
         concat(file.path(), ": the tensors contradict each other: widths ", config.vision.width, " and ",
                config.text.width, " with ", config.vision.layers, " and ", counted(config.text.layers, "block"),
                " need more elements than the whole file has"));
}

}}}  // namespace moeclip::abi_v0_1::detail
