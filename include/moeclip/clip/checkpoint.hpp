// SPDX-License-Identifier: MIT
#pragma once
// Reads a CLIP from whatever file it comes in: from OpenAI, open_clip or Hugging Face (clip/names.hpp), in any
// container (io/weights.hpp). Sizes come from the tensors; heads and activation come from the file's metadata, from the
// configuration beside it, or from the published model of these sizes.

#include <string>
#include <vector>

#include "../base/lists.hpp"
#include "../io/weight_file.hpp"
#include "../io/weight_use.hpp"
#include "clip_metadata.hpp"
#include "quantized_file.hpp"
#include "text.hpp"
#include "vision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

template <class T>
Tensor<T> transpose(const Tensor<T>& matrix) {
  const index_t rows = matrix.extent(0), columns = matrix.extent(1);
  auto result = Tensor<T>::uninitialised({columns, rows});
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) result[j * rows + i] = matrix[i * columns + j];
  return result;
}

}  // namespace detail

/// An opened weight file that holds a CLIP. Nothing but its index has been read.
struct ClipFile {
  WeightFile file;                  ///< the opened weights
  ClipNaming naming;                ///< what it calls its tensors
  ClipConfig config;                ///< its sizes, heads and activation
  std::string activation_source;    ///< where config.activation comes from, for people
  std::vector<std::string> unused;  ///< tensors that nothing reads, but for an optimiser's state
  PrecisionPlan precision;          ///< in which its matrices are stored, if it was quantized (clip/quantized_file.hpp)
};

/// Finds out what CLIP an open weight file holds. Throws mismatch or missing if it holds no whole CLIP, or several;
/// unsupported if its towers have more than a CLIP has.
ClipFile recognise_clip(WeightFile file);

/// Opens the CLIP at `path`: a file, the index of a sharded model or a model folder. Throws io, format, unsupported or
/// limit for files that cannot be read, otherwise as recognise_clip.
ClipFile open_clip(const std::string& path);

namespace detail {
/// Whether a tensor may stay in the pages of its mapped file.
enum class ReadMode { borrow, copy };
}  // namespace detail

/// Reads the canonical tensor `name` with shape `wanted`, whatever the file calls it and however it stores it.
template <class T>
Tensor<T> read_clip_tensor(const ClipFile& clip, const std::string& name, const Shape& wanted,
                           detail::ReadMode mode = detail::ReadMode::borrow);

/// The image tower of `clip`, packed for inference as `plan` says. Throws contract for double in another precision than
/// f32.
template <class T>
VisionTower<T> load_vision(Context& context, const ClipFile& clip, kernels::Activation activation,
                           const PrecisionPlan& plan = {});

/// The text tower of `clip`, likewise.
template <class T>
TextTower<T> load_text(Context& context, const ClipFile& clip, kernels::Activation activation,
                       const PrecisionPlan& plan = {});

/// exp(logit_scale), what CLIP multiplies cosines with; 100 in OpenAI's models.
double read_logit_scale(const ClipFile& clip);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../io/weights.hpp"
#include "checkpoint/naming.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

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
                                     ", ", rank, " positive extents were wanted"));
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

/// Sizes as far as tensors tell them; heads of 64.
inline ClipConfig sizes_from_tensors(const WeightFile& file, const ClipNaming& naming) {
  const auto extent = [&](std::string_view name, int rank, int axis) {
    return clip_extent(file, naming, name, rank, axis);
  };
  ClipConfig config;
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
  TextConfig& text = config.text;
  text.vocabulary = extent("token_embedding.weight", 2, 0);
  text.width = extent("token_embedding.weight", 2, 1);
  text.context_length = extent("positional_embedding", 2, 0);
  text.layers = count_blocks(file, naming, "");
  text.hidden = extent("transformer.resblocks.0.mlp.c_fc.weight", 2, 0);
  vision.heads = std::max<index_t>(1, vision.width / 64);
  text.heads = std::max<index_t>(1, text.width / 64);
  return config;
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
    fail(ErrorCode::mismatch, concat(file.path(), ": the tensors contradict each other: widths ", config.vision.width,
                                     " and ", config.text.width, " with ", config.vision.layers, " and ",
                                     config.text.layers, " blocks", " need more elements than the whole file has"));
}

/// Throws mismatch if a size that the configuration says is not the one of the tensors.
inline void expect_agreement(const ClipSidecar& sidecar, const ClipConfig& config) {
  for (const auto& [key, size_of, said] : sidecar.sizes)
    if (size_of(config) != said)
      fail(ErrorCode::mismatch, concat(sidecar.path, ": \"", key, "\" is ", said, ", but the weights have ",
                                       size_of(config), "; it belongs to another model"));
}

/// Heads of 64 are the rule only up to the width of ViT-L; the larger published models have others.
inline void expect_known_heads(const ClipFile& clip) {
  constexpr index_t kWidest = 1024, kHead = 64;
  for (const index_t width : {clip.config.vision.width, clip.config.text.width})
    if (width > kWidest || (width > kHead && width % kHead != 0))
      fail(ErrorCode::missing,
           concat(clip.file.path(), ": how many heads a tower of width ", width,
                  " has is not in the weights, and is not guessed; put the model's configuration beside them (",
                  clip.naming.family == ClipFamily::openai ? "open_clip_config.json" : "config.json", ")"));
}

inline void expect_width(const ClipSidecar& sidecar, std::string_view tower, std::optional<index_t> said,
                         index_t found) {
  if (said && *said != found)
    fail(ErrorCode::mismatch, concat(sidecar.path, ": says that the ", tower, " tower has width ", *said,
                                     ", but the weights have ", found, "; it belongs to another model"));
}

/// Heads and activation from the file's own metadata, else from the configuration file, else from the published model
/// of these sizes, else OpenAI's.
inline void complete_config(ClipFile& clip) {
  ClipConfig& config = clip.config;
  auto sidecar = read_clip_metadata(clip.file.metadata(), clip.file.path());
  if (!sidecar) sidecar = read_clip_sidecar(clip.file.path(), clip.naming.family);
  if (sidecar) {
    expect_width(*sidecar, "image", sidecar->vision_width, config.vision.width);
    expect_width(*sidecar, "text", sidecar->text_width, config.text.width);
    expect_agreement(*sidecar, config);
    config.vision.heads = sidecar->vision_heads.value_or(config.vision.heads);
    config.text.heads = sidecar->text_heads.value_or(config.text.heads);
    config.activation = sidecar->activation.value_or(config.activation);
    clip.activation_source = sidecar->path;
  } else {
    const auto presets = clip_presets();
    const auto preset = lists::find_if(presets, [&](const ClipPreset& known) {
      return known.config.vision.width == config.vision.width && known.config.vision.layers == config.vision.layers;
    });
    if (preset == presets.end()) {
      expect_known_heads(clip);
      clip.activation_source = "OpenAI's models use it; no configuration file is beside the weights";
    } else {
      config.vision.heads = preset->config.vision.heads;
      config.activation = preset->config.activation;
      clip.activation_source = concat("the published ", preset->name, " uses it");
    }
  }
  if (config.vision.width % config.vision.heads != 0 || config.text.width % config.text.heads != 0)
    fail(ErrorCode::mismatch,
         concat(clip.file.path(), ": widths ", config.vision.width, " and ", config.text.width, " do not divide into ",
                config.vision.heads, " and ", counted(config.text.heads, "head")));
}

/// Everything that read_clip_tensor is asked for, sorted; towers of width 1 have the names of all.
inline std::vector<std::string> clip_tensor_names(const ClipFile& clip) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name, const auto&) {
    for (std::string& stored : clip_tensor_source(clip.naming, name).names) names.push_back(std::move(stored));
  };
  const VisionTower<float> vision({1, 1, 1, clip.config.vision.layers, 1, 1}, 1, clip.config.activation);
  const TextTower<float> text({1, 1, 1, clip.config.text.layers, 1, 1}, 1, clip.config.activation);
  visit_parameters(vision, "visual", add);
  visit_parameters(text, "", add);
  add("logit_scale", 0);
  const std::string projection = clip_tensor_source(clip.naming, "text_projection").names[0];
  if (clip.file.find(projection) == nullptr) names.push_back(projection + ".weight");  // as a linear layer
  if (find_metadata(clip.file.metadata(), kPrecisionKey) != nullptr)
    for (std::size_t i = names.size(); i-- > 0;) names.push_back(concat(names[i], kScaleEnd));
  lists::sort(names);
  return names;
}

}  // namespace detail

MOECLIP_FUNC ClipFile recognise_clip(WeightFile file) {
  ClipFile clip{std::move(file), {}, {}, {}, {}, {}};
  clip.precision = stored_precision(clip.file);
  clip.naming = detail::recognise_naming(clip.file);
  clip.config = detail::sizes_from_tensors(clip.file, clip.naming);
  detail::expect_plausible(clip.file, clip.config);
  detail::complete_config(clip);
  clip.unused = detail::unused_clip_tensors(clip.file, clip.naming, detail::clip_tensor_names(clip));
  return clip;
}

MOECLIP_FUNC ClipFile open_clip(const std::string& path) { return recognise_clip(WeightFile::open(path)); }

namespace detail {

/// Whether a tensor may live in the pages of the mapped file. What is packed next is copied, so that those pages go.

/// Reads one stored tensor and gives it the wanted shape; extents of 1 may differ, and a kernel (D, 3, p, p) is the
/// matrix (D, 3 p p).
template <class T>
Tensor<T> read_stored(const WeightFile& file, const std::string& name, const Shape& wanted, ReadMode mode) {
  const WeightEntry& entry = file.entry(name);
  const bool is_quantized = find_metadata(file.metadata(), kPrecisionKey) != nullptr;
  if (!is_quantized || entry.dtype != DType::i8) expect_weights(file, entry);
  const bool is_same = entry.shape.size() == wanted.size() &&
                       (wanted.rank() == 0 || (entry.shape.rank() > 0 && entry.shape[0] == wanted[0]));
  if (!is_same)
    fail(ErrorCode::mismatch, concat(file.path(), ": tensor ", in_quotes(name), " is ", to_string(entry.dtype), " ",
                                     to_string(entry.shape), ", ", to_string(wanted), " was wanted"));
  if (mode == ReadMode::copy || entry.dtype == DType::i8) {
    auto tensor = Tensor<T>::uninitialised(wanted);
    file.read_into<T>(name, std::span<T>(tensor.data(), static_cast<std::size_t>(tensor.size())));
    expect_numbers<T>(file, name, tensor.values());
    if (entry.dtype == DType::i8) scale_rows<T>(file, name, tensor);
    return tensor;
  }
  Tensor<T> tensor = file.read<T>(name);
  expect_numbers<T>(file, name, tensor.values());
  tensor.reshape(wanted);
  return tensor;
}

/// Three equal parts stacked along the first axis.
template <class T>
Tensor<T> read_stacked(const WeightFile& file, const std::vector<std::string>& names, const Shape& wanted) {
  auto whole = Tensor<T>::uninitialised(wanted);
  const index_t parts = std::ssize(names), rows = wanted[0] / parts, size = wanted.size() / parts;
  const Shape part_shape = wanted.rank() == 2 ? Shape{rows, wanted[1]} : Shape{rows};
  for (index_t i = 0; i < parts; ++i) {
    const Tensor<T> part = read_stored<T>(file, names[static_cast<std::size_t>(i)], part_shape, ReadMode::copy);
    std::copy_n(part.data(), size, whole.data() + i * size);
  }
  return whole;
}

}  // namespace detail

template <class T>
Tensor<T> read_clip_tensor(const ClipFile& clip, const std::string& name, const Shape& wanted, detail::ReadMode mode) {
  ClipTensorSource source = clip_tensor_source(clip.naming, name);
  if (name == "text_projection" && clip.file.find(source.names[0]) == nullptr &&
      clip.file.find(source.names[0] + ".weight") != nullptr) {  // open_clip can make it a linear layer
    if (clip.file.find(source.names[0] + ".bias") != nullptr)
      fail(ErrorCode::unsupported,
           concat(clip.file.path(), ": its text projection has a bias, ", source.names[0], ".bias"));
    source = {{source.names[0] + ".weight"}, true};
  }
  if (source.names.size() > 1) return detail::read_stacked<T>(clip.file, source.names, wanted);
  if (!source.is_transposed) return detail::read_stored<T>(clip.file, source.names[0], wanted, mode);
  const Shape stored{wanted[1], wanted[0]};
  return detail::transpose(detail::read_stored<T>(clip.file, source.names[0], stored, detail::ReadMode::copy));
}

namespace detail {

/// Fills every parameter of `object`, which has the names below `prefix`.
template <class T, class Object>
void read_parameters(const ClipFile& clip, const std::string& prefix, Object& object, ReadMode mode) {
  visit_parameters(object, prefix, [&](const std::string& path, Tensor<T>& tensor) {
    tensor = read_clip_tensor<T>(clip, path, tensor.shape(), mode);
  });
}

/// Fills and packs a transformer block by block, so that only one block is ever held as it was read.
template <class T>
void read_blocks(Context& context, const ClipFile& clip, const std::string& prefix, const PrecisionPlan& plan,
                 Transformer<T>& transformer) {
  for (std::size_t i = 0; i < transformer.blocks.size(); ++i) {
    const std::string name = concat(prefix, ".resblocks.", i);
    read_parameters<T>(clip, name, transformer.blocks[i], ReadMode::copy);
    visit_matrices(transformer.blocks[i], [&](const std::string& matrix, Linear<T>& layer) {
      const kernels::Precision precision = plan.of(concat(name, ".", matrix));
      const bool is_int8 = precision == kernels::Precision::int8;
      pack(context, layer, precision, is_int8 ? read_scales<T>(clip.file, concat(name, ".", matrix)) : Tensor<T>());
    });
  }
}

}  // namespace detail

template <class T>
VisionTower<T> load_vision(Context& context, const ClipFile& clip, kernels::Activation activation,
                           const PrecisionPlan& plan) {
  const FloatScope floats;
  VisionTower<T> tower(clip.config.vision, clip.config.embed, activation);
  detail::read_blocks<T>(context, clip, "visual.transformer", plan, tower.transformer);
  Transformer<T> blocks = std::exchange(tower.transformer, {});  // read: the rest of the list follows
  detail::read_parameters<T>(clip, "visual", tower, detail::ReadMode::borrow);
  tower.transformer = std::move(blocks);
  pack(context, tower.patch_embed);
  return tower;
}

template <class T>
TextTower<T> load_text(Context& context, const ClipFile& clip, kernels::Activation activation,
                       const PrecisionPlan& plan) {
  const FloatScope floats;
  TextTower<T> tower(clip.config.text, clip.config.embed, activation);
  detail::read_blocks<T>(context, clip, "transformer", plan, tower.transformer);
  Transformer<T> blocks = std::exchange(tower.transformer, {});
  detail::read_parameters<T>(clip, "", tower, detail::ReadMode::borrow);
  tower.transformer = std::move(blocks);
  return tower;
}

MOECLIP_FUNC double read_logit_scale(const ClipFile& clip) {
  return std::exp(static_cast<double>(read_clip_tensor<float>(clip, "logit_scale", {})[0]));
}

MOECLIP_INSTANTIATE(read_clip_tensor)
MOECLIP_INSTANTIATE(load_vision)
MOECLIP_INSTANTIATE(load_text)

}}  // namespace moeclip::abi_v0_1

#endif
