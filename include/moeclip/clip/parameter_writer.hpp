// SPDX-License-Identifier: MIT
#pragma once
// Writes the parameters of a model that is ready for use, packed layers too, as safetensors: what a packed matrix holds
// is written as it is, float, bf16, or i8 with a scale per row beside it (QUA-1 in this folder's README), so that who
// loads the file multiplies with the same numbers.

#include <map>
#include <string>
#include <string_view>
#include <type_traits>

#include "../nn/attention.hpp"
#include "../tensor/visit.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A list of named parameters, which must outlive it, and the file that it becomes.
class ParameterWriter {
 public:
  /// Lists all parameters of `object`, with the names that it has for them below `prefix`; empty ones are left out.
  template <class Object>
  void add_all(std::string_view prefix, const Object& object) {
    Visitor visitor{*this, std::string(prefix)};
    Object::visit(object, visitor);
  }

  /// Lists one tensor.
  void add(const std::string& name, const Tensor<float>& tensor);

  /// Takes one off the list.
  void leave_out(const std::string& name) { parts_.erase(name); }

  /// Gives a parameter that was listed another shape of as many elements.
  void reshape(const std::string& name, const Shape& shape);

  /// Writes the file. Throws io.
  void save(const std::string& path, const std::map<std::string, std::string>& metadata) const;

 private:
  /// Walks the lists of a model, down to its layers.
  struct Visitor {
    ParameterWriter& writer;
    std::string prefix;

    template <class Member>
    void operator()(std::string_view name, const Member& member) {
      const std::string path = prefix.empty() ? std::string(name) : concat(prefix, ".", name);
      if constexpr (std::is_same_v<Member, Tensor<float>>) {
        writer.add(path, member);
      } else if constexpr (std::is_same_v<Member, Linear<float>>) {
        writer.add_layer(path + ".weight", path + ".bias", member);
      } else if constexpr (std::is_same_v<Member, SelfAttention<float>>) {  // lists its tensors, which may be packed
        writer.add_layer(path + ".in_proj_weight", path + ".in_proj_bias", member.in_proj);
        Visitor{writer, path}("out_proj", member.out_proj);
      } else if constexpr (detail::is_vector<Member>) {
        for (std::size_t i = 0; i < member.size(); ++i) Visitor{writer, path}(concat(i), member[i]);
      } else {
        writer.add_all(path, member);
      }
    }
  };

  /// One tensor of the file: plain, or a packed weight, or the scales of one.
  struct Part {
    Shape shape;
    const Tensor<float>* plain = nullptr;
    const kernels::PackedWeight<float>* packed = nullptr;
    bool is_scale = false;
  };

  void add_layer(const std::string& weight, const std::string& bias, const Linear<float>& layer);

  std::map<std::string, Part> parts_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <cstdint>
#include <span>
#include <vector>

#include "../base/half.hpp"
#include "../io/safetensors_writer.hpp"
#include "quantized_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline DType dtype_of(kernels::Precision precision) {
  return precision == kernels::Precision::int8   ? DType::i8
         : precision == kernels::Precision::bf16 ? DType::bf16
                                                 : DType::f32;
}

/// The elements of a packed weight as it holds them, row by row (N, K).
inline void write_packed(SafetensorsWriter& writer, const kernels::PackedWeight<float>& weight) {
  const index_t rows = weight.columns(), columns = weight.rows();
  std::vector<std::int8_t> integers(static_cast<std::size_t>(columns));
  std::vector<std::uint16_t> halves(static_cast<std::size_t>(columns));
  std::vector<float> floats(static_cast<std::size_t>(columns));
  for (index_t n = 0; n < rows; ++n) {
    for (index_t k = 0; k < columns; ++k) {
      const auto at = static_cast<std::size_t>(k);
      switch (weight.precision()) {
        case kernels::Precision::int8: integers[at] = static_cast<std::int8_t>(weight.narrow().integer_at(k, n)); break;
        case kernels::Precision::bf16: halves[at] = float_to_bfloat16(weight(k, n)); break;
        case kernels::Precision::f32: floats[at] = weight(k, n); break;
      }
    }
    switch (weight.precision()) {
      case kernels::Precision::int8: writer.write(std::span<const std::int8_t>(integers)); break;
      case kernels::Precision::bf16: writer.write(std::span<const std::uint16_t>(halves)); break;
      case kernels::Precision::f32: writer.write(std::span<const float>(floats)); break;
    }
  }
}

}  // namespace detail

MOECLIP_FUNC void ParameterWriter::add(const std::string& name, const Tensor<float>& tensor) {
  if (!tensor.empty()) parts_[name] = {tensor.shape(), &tensor, nullptr, false};
}

MOECLIP_FUNC void ParameterWriter::add_layer(const std::string& weight, const std::string& bias,
                                             const Linear<float>& layer) {
  add(weight, layer.weight);
  add(bias, layer.bias);
  if (layer.packed.empty()) return;
  parts_[weight] = {{layer.outputs(), layer.inputs()}, nullptr, &layer.packed, false};
  if (layer.packed.precision() == kernels::Precision::int8)
    parts_[concat(weight, detail::kScaleEnd)] = {{layer.outputs()}, nullptr, &layer.packed, true};
}

MOECLIP_FUNC void ParameterWriter::reshape(const std::string& name, const Shape& shape) {
  Part& part = parts_.at(name);
  MOECLIP_EXPECT(part.shape.size() == shape.size(), name, " of shape ", to_string(part.shape), " cannot become ",
                 to_string(shape));
  part.shape = shape;
}

MOECLIP_FUNC void ParameterWriter::save(const std::string& path,
                                        const std::map<std::string, std::string>& metadata) const {
  SafetensorsWriter writer(path);
  for (const auto& [name, part] : parts_) {
    const bool is_float = part.packed == nullptr || part.is_scale;
    writer.announce(name, is_float ? DType::f32 : detail::dtype_of(part.packed->precision()), part.shape);
  }
  for (const auto& [key, text] : metadata) writer.set_metadata(key, text);
  writer.begin();
  for (const auto& [name, part] : parts_) {  // sorted by their bytes, as the writer wants them
    if (part.plain != nullptr)
      writer.write(part.plain->values());
    else if (part.is_scale)
      writer.write(
          std::span<const float>(part.packed->narrow().scales.data(), static_cast<std::size_t>(part.shape[0])));
    else
      detail::write_packed(writer, *part.packed);
  }
  writer.commit();
}

}}  // namespace moeclip::abi_v0_1

#endif
