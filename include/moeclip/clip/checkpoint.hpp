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

/// The same for a file of this library that holds an image tower alone: heads and activation stand in its metadata, and
/// no file beside it is asked. config.text has no sizes.
ClipFile recognise_vision(WeightFile file);

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
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../io/record.hpp"
#include "../io/weights.hpp"
#include "checkpoint/naming.hpp"
#include "checkpoint/sizes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

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

inline void take_sidecar(const ClipSidecar& sidecar, ClipFile& clip) {
  ClipConfig& config = clip.config;
  config.vision.heads = sidecar.vision_heads.value_or(config.vision.heads);
  config.text.heads = sidecar.text_heads.value_or(config.text.heads);
  config.activation = sidecar.activation.value_or(config.activation);
  clip.activation_source = sidecar.path;
}

/// Heads and activation from the file's own metadata.
inline bool take_metadata(ClipFile& clip) {
  const auto stated = read_clip_metadata(clip.file.metadata(), clip.file.path());
  if (stated) take_sidecar(*stated, clip);
  return stated.has_value();
}

/// The same from the configuration file, else from the published model of these sizes, else OpenAI's.
inline void complete_config(ClipFile& clip) {
  ClipConfig& config = clip.config;
  if (const auto sidecar = read_clip_sidecar(clip.file.path(), clip.naming.family)) {
    expect_width(*sidecar, "image", sidecar->vision_width, config.vision.width);
    expect_width(*sidecar, "text", sidecar->text_width, config.text.width);
    expect_agreement(*sidecar, config);
    take_sidecar(*sidecar, clip);
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
}

inline void expect_whole_heads(const ClipFile& clip) {
  const ClipConfig& config = clip.config;
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

/// Both towers; or the image tower alone, as files of ours hold it, which say all of it themselves.
template <bool has_text>
ClipFile recognise_towers(WeightFile file) {
  ClipFile clip{std::move(file), {}, {}, {}, {}, {}};
  if (has_text) expect_no_model_file(clip.file);  // a model's image tower is read without text
  clip.precision = stored_precision(clip.file);
  clip.naming = recognise_naming(clip.file);
  if (has_text) expect_text_tower(clip.file, clip.naming);
  take_vision_sizes(clip.file, clip.naming, clip.config);
  clip.config.text = {0, 0, 0, 0, 1, 0};
  if (has_text) take_text_sizes(clip.file, clip.naming, clip.config.text);
  expect_plausible(clip.file, clip.config);
  const bool is_stated = take_metadata(clip);
  if constexpr (has_text)
    if (!is_stated) complete_config(clip);
  expect_whole_heads(clip);
  clip.unused = unused_clip_tensors(clip.file, clip.naming, clip_tensor_names(clip));
  return clip;
}

}  // namespace detail

MOECLIP_FUNC ClipFile recognise_clip(WeightFile file) { return detail::recognise_towers<true>(std::move(file)); }

MOECLIP_FUNC ClipFile recognise_vision(WeightFile file) { return detail::recognise_towers<false>(std::move(file)); }

MOECLIP_FUNC ClipFile open_clip(const std::string& path) { return recognise_clip(WeightFile::open(path)); }

namespace detail {

/// The stored tensor `name`. Throws missing, or mismatch if it cannot have the shape `wanted`; extents of 1 may differ,
/// and a kernel (D, 3, p, p) is the matrix (D, 3 p p).
inline const WeightEntry& entry_of_shape(const WeightFile& file, const std::string& name, const Shape& wanted) {
  const WeightEntry& entry = file.entry(name);
  const bool is_quantized = find_metadata(file.metadata(), kPrecisionKey) != nullptr;
  if (!is_quantized || entry.dtype != DType::i8) expect_weights(file, entry);
  const bool is_same = entry.shape.size() == wanted.size() &&
                       (wanted.rank() == 0 || (entry.shape.rank() > 0 && entry.shape[0] == wanted[0]));
  if (!is_same)
    fail(ErrorCode::mismatch, concat(file.path(), ": tensor ", in_quotes(name), " is ", to_string(entry.dtype), " ",
                                     to_string(entry.shape), ", ", to_string(wanted), " was wanted"));
  return entry;
}

/// Fills `tensor` with the elements of a stored one.
template <class T>
void read_copy(const WeightFile& file, const std::string& name, Tensor<T>& tensor) {
  file.read_into<T>(name, std::span<T>(tensor.data(), static_cast<std::size_t>(tensor.size())));
  expect_numbers<T>(file, name, tensor.values());
  if (file.entry(name).dtype == DType::i8) scale_rows<T>(file, name, tensor);
}

/// Reads one stored tensor and gives it the wanted shape. What is packed next is copied, so that its pages go.
template <class T>
Tensor<T> read_stored(const WeightFile& file, const std::string& name, const Shape& wanted, ReadMode mode) {
  const WeightEntry& entry = entry_of_shape(file, name, wanted);
  if (mode == ReadMode::copy || entry.dtype == DType::i8) {
    auto tensor = Tensor<T>::uninitialised(wanted);
    read_copy<T>(file, name, tensor);
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

/// Fills every parameter of `object` that is not packed yet; they have the names below `prefix`.
template <class T, class Object>
void read_parameters(const ClipFile& clip, const std::string& prefix, Object& object, ReadMode mode) {
  visit_parameters(object, prefix, [&](const std::string& path, Tensor<T>& tensor) {
    if (!tensor.empty()) tensor = read_clip_tensor<T>(clip, path, tensor.shape(), mode);
  });
}

/// A matrix (N, K) that is stored as i8, packed as it is: one of floats would take four times the memory.
inline kernels::PackedWeight<float> pack_integers(Context& context, const WeightFile& file, const std::string& name,
                                                  const Shape& wanted) {
  const index_t rows = entry_of_shape(file, name, wanted).shape[0], columns = wanted.size() / rows;
  const Tensor<float> scales = scales_of_weight<float>(file, name, rows);
  Arena::Scope scratch(context.arena());
  auto* const integers = scratch.take<std::int8_t>(wanted.size());
  std::int8_t* end = integers;
  file.stored_bytes(name, [&](Bytes piece) {
    std::memcpy(end, piece.data(), piece.size());
    end += piece.size();
  });
  if (std::find(integers, end, std::int8_t{-128}) != end) fail_out_of_range(file, name);
  kernels::detail::NarrowPanels panels = kernels::detail::make_narrow(kernels::Precision::int8, columns, rows);
  context.share(rows, 8.0 * static_cast<double>(wanted.size()), [&](index_t row, int) {
    const std::int8_t* const values = integers + row * columns;
    kernels::detail::set_column(panels, row, scales[row], [values](index_t i) { return static_cast<int>(values[i]); });
  });
  return kernels::PackedWeight<float>(std::move(panels));
}

/// Reads and packs one matrix of a block. It is read into scratch, where the next one will lie too.
template <class T>
void read_matrix(Context& context, const ClipFile& clip, const std::string& matrix, kernels::Precision precision,
                 Linear<T>& layer) {
  const std::string name = weight_name(matrix);
  const Shape wanted = layer.weight.shape();
  const WeightEntry* const entry = clip.file.find(name);
  const bool is_stored_so = entry != nullptr && entry->dtype == DType::i8 && precision == kernels::Precision::int8;
  if constexpr (std::is_same_v<T, float>) {
    if (is_stored_so) {
      layer.packed = pack_integers(context, clip.file, name, wanted);
      layer.weight = Tensor<T>();
      return;
    }
  }
  const ClipTensorSource source = clip_tensor_source(clip.naming, name);
  Arena::Scope scratch(context.arena());
  if (source.names.size() == 1 && !source.is_transposed) {
    entry_of_shape(clip.file, source.names[0], wanted);
    layer.weight = Tensor<T>::borrow(wanted, scratch.take<T>(wanted.size()), nullptr);
    read_copy<T>(clip.file, source.names[0], layer.weight);
  } else {
    layer.weight = read_clip_tensor<T>(clip, name, wanted, ReadMode::copy);
  }
  pack(context, layer, precision);
}

/// Fills and packs a transformer, matrix by matrix, so that only one is ever held as it was read.
template <class T>
void read_blocks(Context& context, const ClipFile& clip, const std::string& prefix, const PrecisionPlan& plan,
                 Transformer<T>& transformer) {
  for (std::size_t i = 0; i < transformer.blocks.size(); ++i) {
    const std::string name = concat(prefix, ".resblocks.", i);
    visit_matrices(transformer.blocks[i], [&](const char* matrix, Linear<T>& layer) {
      const std::string full = concat(name, ".", matrix);
      read_matrix<T>(context, clip, full, plan.of(full), layer);
    });
    read_parameters<T>(clip, name, transformer.blocks[i], ReadMode::copy);  // biases and norms
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
