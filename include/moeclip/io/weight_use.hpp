// SPDX-License-Identifier: MIT
#pragma once
// What a model uses of a weight file: floating-point tensors, and of those that are left over some belong to an
// optimiser, some to nothing, and some would have changed the result.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weight_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Whether a tensor of this name is part of an optimiser's state, which may lie deeper than the model
/// ("optimizer/state/0/exp_avg", "trainer/image_optimizer/state/0/step", "adam.m.proj.weight"), or of a callback's.
bool is_optimizer_state(std::string_view name);

/// "3 tensors (a, b, c)", with the first five names.
std::string count_and_names(const std::vector<std::string>& names);

/// Throws mismatch if `entry` of `file` holds integers, which are no weights.
void expect_weights(const WeightFile& file, const WeightEntry& entry);

/// Throws format, naming file, tensor and place, if one of `values`, the tensor `name` of `file` as it was read, is NaN
/// or infinite: whatever is computed with it would be, too.
template <class T>
void expect_numbers(const WeightFile& file, std::string_view name, std::span<const T> values);

/// Fills `tensor` with the tensor `stored` of a file, converted. Throws missing; mismatch if it has another shape or
/// holds integers; format if it holds what is no number.
template <class T>
void take_tensor(const WeightFile& file, const std::string& stored, Tensor<T>& tensor);

namespace detail {

/// What comes before `tail` in the names that end in it, each once, but for those of an optimiser's state. A callback
/// may keep an average of the model, which counts.
std::vector<std::string> prefixes_of(const WeightFile& file, std::string_view tail);

/// Throws mismatch if a file holds several models, one behind each of `prefixes`.
void expect_one_model(const WeightFile& file, const std::vector<std::string>& prefixes);

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "../base/lists.hpp"
#include "naming.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
inline constexpr std::string_view kCallbacks = "callbacks/";  // of a Lightning checkpoint
}

MOECLIP_FUNC bool is_optimizer_state(std::string_view name) {
  if (name.starts_with("adam.") || name.starts_with(detail::kCallbacks)) return true;
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    rest.remove_prefix((std::min)(part.size() + 1, rest.size()));
    if (part.starts_with("optim") || part.find("_optim") != part.npos) return true;
    if (rest.empty() && (part == "exp_avg" || part == "exp_avg_sq")) return true;
  }
  return false;
}

MOECLIP_FUNC std::string count_and_names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::string text = counted(names.size(), "tensor") + " (";
  for (std::size_t i = 0; i < (std::min)(kShown, names.size()); ++i) text += concat(i == 0 ? "" : ", ", names[i]);
  return text + (names.size() > kShown ? ", ...)" : ")");
}

MOECLIP_FUNC void expect_weights(const WeightFile& file, const WeightEntry& entry) {
  if (!is_floating(entry.dtype))
    fail(ErrorCode::mismatch,
         concat(file.path(), ": tensor ", in_quotes(entry.name), " holds integers (", to_string(entry.dtype),
                "), which are no weights; quantised models are not read: save it as float32, float16 or bfloat16"));
}

namespace detail {

/// By its bits, which no compiler's option for fast arithmetic touches.
template <class T>
bool is_number(T value) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits kExponent = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
  return (std::bit_cast<Bits>(value) & kExponent) != kExponent;
}

MOECLIP_FUNC std::vector<std::string> prefixes_of(const WeightFile& file, std::string_view tail) {
  std::vector<std::string> prefixes;
  for (const WeightEntry& entry : file.entries())
    if (entry.name.ends_with(tail) && (entry.name.starts_with(kCallbacks) || !is_optimizer_state(entry.name)))
      prefixes.push_back(entry.name.substr(0, entry.name.size() - tail.size()));
  return prefixes;
}

MOECLIP_FUNC void expect_one_model(const WeightFile& file, const std::vector<std::string>& prefixes) {
  if (prefixes.size() <= 1) return;
  std::string places;
  for (const std::string& prefix : prefixes)
    places += concat(places.empty() ? "" : ", ", prefix.empty() ? "at the top" : in_quotes(prefix));
  fail(ErrorCode::mismatch, concat(file.path(), ": holds ", counted(prefixes.size(), "model"), " (", places,
                                   "), such as the trained weights and their average (EMA); which one is meant is not "
                                   "guessed: save the one to be used in a file of its own"));
}

}  // namespace detail

template <class T>
void expect_numbers(const WeightFile& file, std::string_view name, std::span<const T> values) {
  bool are_numbers = true;
  for (const T value : values) are_numbers &= detail::is_number(value);
  if (are_numbers) return;
  const auto wrong = std::find_if_not(values.begin(), values.end(), detail::is_number<T>);
  fail(ErrorCode::format, concat(file.path(), ": tensor ", in_quotes(name), " holds ", *wrong, " (element ",
                                 wrong - values.begin(), "), which is no finite number; get the file again"));
}

template <class T>
void take_tensor(const WeightFile& file, const std::string& stored, Tensor<T>& tensor) {
  const WeightEntry& entry = file.entry(stored);
  expect_weights(file, entry);
  if (!(entry.shape == tensor.shape()))
    fail(ErrorCode::mismatch, concat(file.path(), ": tensor ", in_quotes(stored), " is ", to_string(entry.shape),
                                     ", this CLIP and these settings want ", to_string(tensor.shape()),
                                     "; use the CLIP that it was trained on"));
  file.read_into<T>(stored, std::span<T>(tensor.data(), static_cast<std::size_t>(tensor.size())));
  expect_numbers<T>(file, stored, std::as_const(tensor).values());
}

#if defined(MOECLIP_COMPILED)
template void take_tensor<float>(const WeightFile&, const std::string&, Tensor<float>&);
template void take_tensor<double>(const WeightFile&, const std::string&, Tensor<double>&);
template void expect_numbers<float>(const WeightFile&, std::string_view, std::span<const float>);
template void expect_numbers<double>(const WeightFile&, std::string_view, std::span<const double>);
#endif

}}  // namespace moeclip::abi_v0_1

#endif
