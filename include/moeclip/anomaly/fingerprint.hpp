// SPDX-License-Identifier: MIT
#pragma once
// Hashes that stand for weights, one for a CLIP and one for an adapter, so that a run is never resumed, merged or
// judged with weights other than its own.

#include <string>

#include "../clip/text.hpp"
#include "../clip/vision.hpp"
#include "../io/json_writer.hpp"
#include "../io/sha256.hpp"
#include "../nn/attention.hpp"
#include "../tensor/visit.hpp"
#include "adapter_record.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// 64 hexadecimal digits: SHA-256 over activation, names, sizes and up to 1024 elements of every tensor of both towers.
/// The same for plain and packed weights, on any instruction set.
template <class T>
std::string clip_fingerprint(const VisionTower<T>& vision, const TextTower<T>& text);

/// The same of an adapter: its switches and up to 1024 elements of every tensor, plain or packed.
template <class T>
std::string adapter_fingerprint(const Adapter<T>& adapter);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Walks the lists of a model, packed layers too, and hashes names, sizes and a part of the elements.
template <class T>
class ModelHasher {
 public:
  template <class Member>
  void operator()(std::string_view name, const Member& member) {
    sha_.update(as_bytes(name));
    if constexpr (is_tensor<Member>) {
      feed(member.size(), [&](index_t i) { return member[i]; });
    } else if constexpr (std::is_same_v<Member, Linear<T>>) {
      const index_t inputs = member.inputs();
      feed(inputs * member.outputs(),
           [&](index_t i) { return member.packed.empty() ? member.weight[i] : member.packed(i % inputs, i / inputs); });
      feed(member.bias.size(), [&](index_t i) { return member.bias[i]; });
    } else if constexpr (std::is_same_v<Member, SelfAttention<T>>) {  // lists its tensors, which a packed layer lacks
      (*this)("in_proj", member.in_proj);
      (*this)("out_proj", member.out_proj);
    } else if constexpr (is_vector<Member>) {
      for (const auto& item : member) (*this)("", item);
    } else {
      Member::visit(member, *this);
    }
  }

  std::array<std::uint8_t, 32> finish() { return sha_.finish(); }

 private:
  static constexpr index_t kMostElements = 1024;  // of each tensor, evenly spread: a large model in milliseconds

  template <class Element>
  void feed(index_t size, const Element& element) {
    number(static_cast<std::uint64_t>(size));
    const index_t count = (std::min)(size, kMostElements);
    for (index_t i = 0; i < count; ++i)
      number(std::bit_cast<std::uint32_t>(static_cast<float>(element(i * size / count))));
  }

  void number(std::uint64_t value) {
    std::array<std::byte, 8> bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i) & 0xFF);
    sha_.update(bytes);
  }

  Sha256 sha_;
};

}  // namespace detail

template <class T>
std::string clip_fingerprint(const VisionTower<T>& vision, const TextTower<T>& text) {
  detail::ModelHasher<T> hasher;
  hasher(concat("visual ", to_string(vision.activation)), vision);
  hasher(concat("text ", to_string(text.activation)), text);
  return to_hex(hasher.finish());
}

template <class T>
std::string adapter_fingerprint(const Adapter<T>& adapter) {
  detail::ModelHasher<T> hasher;
  hasher(dump_json(adapter_record(adapter.config, adapter.text_activation)), adapter);
  return to_hex(hasher.finish());
}

MOECLIP_INSTANTIATE(clip_fingerprint)
MOECLIP_INSTANTIATE(adapter_fingerprint)

}}  // namespace moeclip::abi_v0_1

#endif
