// SPDX-License-Identifier: MIT
#pragma once
// Methods by their names, for programs that let people choose one.

#include <optional>
#include <span>

#include "aa_clip_method.hpp"
#include "anomaly_clip_method.hpp"
#include "bayes_pfl_method.hpp"
#include "method_file.hpp"
#include "winclip.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What is known of a method before there is one.
struct MethodKind {
  std::string_view name;   ///< "winclip"
  std::string_view about;  ///< a line for people
  /// Of the CLIP's blocks, as the official code has it; unset: the CLIP's own.
  std::optional<kernels::Activation> activation;
  bool takes_good = false;  ///< whether good pictures help it (Method::with_good)
};

/// All methods that make_method makes.
std::span<const MethodKind> method_kinds();

/// The one called `name`. Throws missing, naming all.
const MethodKind& method_kind(std::string_view name);

/// The method whose official code wrote `file`, by the names of its tensors; "": none of these.
std::string_view official_method(const WeightFile& file);

/// A method with its first values. Throws missing for a name of none, contract for settings that make no sense.
template <class T>
std::unique_ptr<Method<T>> make_method(std::string_view name, std::shared_ptr<const Clip<T>> clip,
                                       const MethodOptions& options = {});

/// A method from a file of write_method, or, where `name` says which, of its official code. `options` counts where the
/// file does not say it. Throws mismatch if the file is of another method than `name` ("": any), or of a CLIP of other
/// sizes; whether the weights are those it was trained with, MethodRecord::clip tells.
template <class T>
std::unique_ptr<Method<T>> load_method(const WeightFile& file, std::string_view name,
                                       std::shared_ptr<const Clip<T>> clip, MethodOptions options = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <utility>

#include "../base/lists.hpp"
#include "../io/weight_use.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::span<const MethodKind> method_kinds() {
  static constexpr MethodKind kKinds[] = {
      {"aa-clip", "AA-CLIP: adapters in both towers, trained in two stages", kernels::Activation::gelu},
      {"anomalyclip",
       "AnomalyCLIP: two learned sentences for objects of any kind, patches that attend to their like",
       {}},
      {"bayes-pfl", "Bayes-PFL: prompts drawn from learned distributions, sentences that look at patches",
       kernels::Activation::gelu},
      {"winclip", "WinCLIP: words and windows, and good pictures if there are any; nothing is trained", {}, true},
  };
  return kKinds;
}

MOECLIP_FUNC const MethodKind& method_kind(std::string_view name) {
  std::string names;
  for (const MethodKind& kind : method_kinds()) {
    if (kind.name == name) return kind;
    names += concat(names.empty() ? "" : ", ", kind.name);
  }
  fail(ErrorCode::missing, concat("there is no method ", in_quotes(name), "; there are ", names));
}

MOECLIP_FUNC std::string_view official_method(const WeightFile& file) {
  if (is_method_file(file)) return {};
  if (!detail::prefixes_of(file, "ctx_pos").empty()) return "anomalyclip";
  if (!detail::prefixes_of(file, "prompt_state_abnormal").empty()) return "bayes-pfl";
  const auto has = [&](std::string_view part) {
    return lists::any_of(file.entries(), [&](const WeightEntry& entry) {
      return entry.name.find(part) != std::string::npos && !is_optimizer_state(entry.name);
    });
  };
  if (has("moe_adapters.")) return {};  // MoECLIP's, which has both parts in one file
  return has("text_adapter") != has("image_adapter") ? "aa-clip" : "";
}

template <class T>
std::unique_ptr<Method<T>> make_method(std::string_view name, std::shared_ptr<const Clip<T>> clip,
                                       const MethodOptions& options) {
  static_cast<void>(method_kind(name));  // tells the names
  if (name == "aa-clip") return std::make_unique<AaClipMethod<T>>(std::move(clip), options);
  if (name == "anomalyclip") return std::make_unique<AnomalyClip<T>>(std::move(clip), options);
  if (name == "bayes-pfl") return std::make_unique<BayesPflMethod<T>>(std::move(clip), options);
  if (name == "winclip") return std::make_unique<WinClip<T>>(std::move(clip), WinClipOptions{options.image_size});
  return nullptr;
}

template <class T>
std::unique_ptr<Method<T>> load_method(const WeightFile& file, std::string_view name,
                                       std::shared_ptr<const Clip<T>> clip, MethodOptions options) {
  std::string found(name);
  if (name.empty() || is_method_file(file)) {
    const MethodRecord record = read_method_record(file);
    if (!name.empty() && record.method != name)
      fail(ErrorCode::mismatch, concat(file.path(), ": is of the method ", record.method, ", not ", name));
    found = record.method;
    options.settings = record.settings;
    if (options.image_size == 0) options.image_size = record.image_size;
  }
  std::unique_ptr<Method<T>> method = make_method<T>(found, std::move(clip), options);
  TrainedMethod<T>* const trained = method->trained();
  if (trained == nullptr)
    fail(ErrorCode::mismatch, concat(file.path(), ": ", found, " is not trained, so there is nothing to load"));
  trained->load(file);
  return method;
}

#if defined(MOECLIP_COMPILED)
template std::unique_ptr<Method<float>> make_method(std::string_view, std::shared_ptr<const Clip<float>>,
                                                    const MethodOptions&);
template std::unique_ptr<Method<double>> make_method(std::string_view, std::shared_ptr<const Clip<double>>,
                                                     const MethodOptions&);
template std::unique_ptr<Method<float>> load_method(const WeightFile&, std::string_view,
                                                    std::shared_ptr<const Clip<float>>, MethodOptions);
template std::unique_ptr<Method<double>> load_method(const WeightFile&, std::string_view,
                                                     std::shared_ptr<const Clip<double>>, MethodOptions);
#endif

}}  // namespace moeclip::abi_v0_1

#endif
