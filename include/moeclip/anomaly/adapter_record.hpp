// SPDX-License-Identifier: MIT
#pragma once
// What the files of this library record of an adapter besides its tensors: the switches, and how it was trained.

#include "../io/record.hpp"
#include "adapter.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// True if the file records top-k, alpha and the other settings that its tensors do not tell, as those of this library
/// do; false for those of the official code.
bool records_switches(const WeightFile& file);

/// What a reader looks for (adapter_file.hpp): the switches of an adapter and the activation of the CLIP's blocks in
/// its training.
Json adapter_record(const AdapterConfig& config, kernels::Activation activation);

/// The activation that the CLIP's blocks had when this adapter was trained: as recorded, else the GELU of the released
/// code.
kernels::Activation trained_activation(const WeightFile& file);

/// The side of the pictures that this adapter was trained on; 0 if it does not say.
index_t trained_image_size(const WeightFile& file);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Member "adapter" of what is recorded; null if there is none.
inline Json recorded_switches(const WeightFile& file) {
  const Json record = recorded(file);
  const Json* const adapter = record.is_object() ? record.find("adapter") : nullptr;
  return adapter != nullptr && adapter->is_object() ? *adapter : Json();
}

}  // namespace detail

MOECLIP_FUNC bool records_switches(const WeightFile& file) { return !detail::recorded_switches(file).is_null(); }

MOECLIP_FUNC Json adapter_record(const AdapterConfig& config, kernels::Activation activation) {
  const auto list = [](const std::vector<index_t>& blocks) {
    Json json = Json::array();
    for (const index_t block : blocks) json.push_back(block);
    return json;
  };
  return Json::object()
      .set("mixture_blocks", list(config.mixture_blocks))
      .set("level_blocks", list(config.level_blocks))
      .set("use_aggregation", config.windows.size() > 1)
      .set("chosen", config.chosen)
      .set("scale", config.scale)
      .set("mix_weight", config.mix_weight)
      .set("similarity_scale", config.similarity_scale)
      .set("activation", to_string(activation));
}

MOECLIP_FUNC kernels::Activation trained_activation(const WeightFile& file) {
  const Json record = detail::recorded_switches(file);
  if (record.is_null() || record.at("activation").as_string() == "gelu") return kernels::Activation::gelu;
  if (record.at("activation").as_string() == "quick_gelu") return kernels::Activation::quick_gelu;
  fail(ErrorCode::unsupported, concat(file.path(), ": was trained with the unknown activation ",
                                      in_quotes(record.at("activation").as_string())));
}

MOECLIP_FUNC index_t trained_image_size(const WeightFile& file) {
  const Json record = detail::recorded(file);
  const Json* const size = record.is_object() ? record.find("image_size") : nullptr;
  const index_t side = size != nullptr ? size->as_int64() : 0;
  constexpr index_t kMost = 8192;  // pixels; beyond it the tokens alone fill a machine
  if (side < 0 || side > kMost)
    fail(ErrorCode::format, concat(file.path(), ": its record says pictures of ", counted(side, "pixel"),
                                   " a side; at most ", index_t{kMost}, " were wanted"));
  return side;
}

}}  // namespace moeclip::abi_v0_1

#endif
