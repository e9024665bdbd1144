// SPDX-License-Identifier: MIT
#pragma once
// A CLIP whose matrices were rounded once, as a file: OpenAI's names in safetensors, matrices of the blocks as bf16 or
// as i8 with a scale per row beside them (QUA-1 in this folder's README). The __metadata__ says so, with a version and
// what was measured. save_quantized.hpp writes such a file; every reader of CLIPs reads it.

#include <string>
#include <string_view>

#include "../io/weight_file.hpp"
#include "precision_plan.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr std::string_view kPrecisionKey = "moeclip.precision";                 // "bf16" or "int8"
inline constexpr std::string_view kQuantizedVersionKey = "moeclip.quantized.version";  // kQuantizedVersion
inline constexpr std::string_view kQuantizedFromKey = "moeclip.quantized.from";        // provenance, as JSON
inline constexpr std::string_view kQuantizedVersion = "1";  ///< of the format; others are refused by name

/// How the matrices of `file` are stored, by its metadata: f32 unless it was quantized. Throws unsupported for another
/// version, format for metadata that make no sense, missing for integers without their scales.
PrecisionPlan stored_precision(const WeightFile& file);

/// The tensor of the weight of the matrix called `matrix`: "....mlp.c_fc.weight", "....attn.in_proj_weight".
std::string weight_name(const std::string& matrix);

namespace detail {

/// Multiplies row n of a weight (N, K) that was read from i8 by scale n. Throws missing, mismatch or format if the
/// scales are not there or no N positive numbers, format for integers out of range.
template <class T>
void scale_rows(const WeightFile& file, const std::string& name, Tensor<T>& weight);

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <cmath>

#include "../io/format_version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::string weight_name(const std::string& matrix) {
  return matrix + (matrix.ends_with("in_proj") ? "_weight" : ".weight");
}

namespace detail {

inline constexpr std::string_view kScaleEnd = "_scale";

[[noreturn]] MOECLIP_COLD inline void fail_out_of_range(const WeightFile& file, const std::string& name) {
  fail(ErrorCode::format,
       concat(file.path(), ": tensor ", in_quotes(name), " holds -128; weights of 8 bits run from -127 to 127"));
}

/// The scales of the weight tensor `name` of N rows.
template <class T>
Tensor<T> scales_of_weight(const WeightFile& file, const std::string& name, index_t rows) {
  const WeightEntry& entry = file.entry(concat(name, kScaleEnd));
  if (entry.shape.rank() != 1 || entry.shape[0] != rows)
    fail(ErrorCode::mismatch, concat(file.path(), ": tensor ", in_quotes(entry.name), " is ", to_string(entry.shape),
                                     ", a scale for each of ", counted(rows, "row"), " was wanted"));
  Tensor<T> scales({rows});
  file.read_into<T>(entry.name, std::span<T>(scales.data(), static_cast<std::size_t>(rows)));
  for (const T scale : scales)
    if (!(scale >= 0) || !std::isfinite(scale))
      fail(ErrorCode::format, concat(file.path(), ": tensor ", in_quotes(entry.name), " holds ", scale,
                                     "; a scale is a positive number, or 0 for a row of zeros"));
  return scales;
}

}  // namespace detail

MOECLIP_FUNC PrecisionPlan stored_precision(const WeightFile& file) {
  const std::string* name = find_metadata(file.metadata(), kPrecisionKey);
  if (name == nullptr) return {};
  const std::string* version = find_metadata(file.metadata(), kQuantizedVersionKey);
  detail::expect_version(version == nullptr ? Json() : Json(*version), {}, file.path(), "a quantized CLIP",
                         "quantize the weights again");
  const auto precision = kernels::find_precision(*name);
  if (!precision)
    fail(ErrorCode::format, concat(file.path(), ": __metadata__ \"", kPrecisionKey, "\" should be bf16 or int8"));
  PrecisionPlan plan{*precision, {}};
  if (*precision != kernels::Precision::int8) return plan;
  for (const WeightEntry& entry : file.entries())  // those that were spared
    for (const std::string_view end : {"attn.in_proj", "attn.out_proj", "mlp.c_fc", "mlp.c_proj"}) {
      const std::size_t at = entry.name.find(end);
      if (at == std::string::npos) continue;
      if (entry.dtype == DType::i8) {
        static_cast<void>(file.entry(concat(entry.name, detail::kScaleEnd)));
        continue;
      }
      const std::string matrix = entry.name.substr(0, at + end.size());
      if (entry.name == weight_name(matrix) && matrix.starts_with("visual."))
        plan.exceptions[matrix] = kernels::Precision::bf16;
    }
  return plan;
}

template <class T>
void detail::scale_rows(const WeightFile& file, const std::string& name, Tensor<T>& weight) {
  const index_t rows = weight.extent(0), columns = weight.size() / rows;
  const Tensor<T> scales = scales_of_weight<T>(file, name, rows);
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) {
      T& value = weight[i * columns + j];
      if (value < -127) fail_out_of_range(file, name);
      value *= scales[i];
    }
}

#if defined(MOECLIP_COMPILED)
template void detail::scale_rows(const WeightFile&, const std::string&, Tensor<float>&);
template void detail::scale_rows(const WeightFile&, const std::string&, Tensor<double>&);
#endif

}}  // namespace moeclip::abi_v0_1

#endif
