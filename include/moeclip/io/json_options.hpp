// SPDX-License-Identifier: MIT
#pragma once
// A struct of options as a JSON object. The struct lists its options once, by a static function
// `visit(options, visitor)` that calls visitor(name, value) for each; further arguments, such as a help text, are let
// pass. A value is a bool, a number, a string, a list of integers, or an enumerator: an enumeration E has to have
// `const char* to_string(E)` and a specialisation of `kEnumerators<E>`.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../base/text.hpp"
#include "../base/types.hpp"
#include "json_value.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// All values of an enumeration that is an option, as a std::array.
template <class E>
inline constexpr std::array<E, 0> kEnumerators{};

namespace detail {

Json option_to_json(const std::vector<index_t>& values);

template <class Value>
Json option_to_json(const Value& value) {
  if constexpr (std::is_enum_v<Value>)
    return to_string(value);
  else
    return value;
}

// Each takes over `json` and returns "", or says what was wanted instead.
std::string take_option(const Json& json, bool& value);
std::string take_option(const Json& json, double& value);
std::string take_option(const Json& json, std::int64_t& value);
std::string take_option(const Json& json, std::uint64_t& value);
std::string take_option(const Json& json, std::string& value);
std::string take_option(const Json& json, std::vector<index_t>& values);

template <class E>
requires(std::is_enum_v<E>) std::string take_option(const Json& json, E& value) {
  std::string names;
  for (const E candidate : kEnumerators<E>) {
    if (json.is_string() && json.as_string() == to_string(candidate)) return value = candidate, "";
    names += concat(names.empty() ? "" : " or ", '"', to_string(candidate), '"');
  }
  return names;
}

[[noreturn]] void fail_unknown_option(std::string_view whose, std::string_view name, const Json& known);
[[noreturn]] void fail_option(std::string_view whose, std::string_view name, const Json& found,
                              const std::string& wanted);

}  // namespace detail

/// Sets the option `name` from `json`. Throws format, naming it and whose it is, for a value of the wrong kind.
template <class Value>
void option_from_json(const Json& json, std::string_view whose, std::string_view name, Value& value) {
  const std::string wanted = detail::take_option(json, value);
  if (!wanted.empty()) detail::fail_option(whose, name, json, wanted);
}

/// All options by name, in the order of their list.
template <class Options>
Json options_to_json(const Options& options) {
  Json json = Json::object();
  Options::visit(options, [&](const char* name, const auto& value, const auto&...) {
    json.set(name, detail::option_to_json(value));
  });
  return json;
}

/// Takes over the options that the object `json` has; the others keep their values. Throws as option_from_json, and
/// unsupported, with the nearest names, for an option that is not in the list; a member called `besides` is none.
template <class Options>
void options_from_json(const Json& json, std::string_view whose, Options& options, std::string_view besides = {}) {
  const Json known = options_to_json(options);
  for (const auto& [name, value] : json.members())
    if (name != besides && known.find(name) == nullptr) detail::fail_unknown_option(whose, name, known);
  Options::visit(options, [&](const char* name, auto& value, const auto&...) {
    if (const Json* found = json.find(name)) option_from_json(*found, whose, name, value);
  });
}

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include "json_writer.hpp"
#include "naming.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

MOECLIP_FUNC Json option_to_json(const std::vector<index_t>& values) {
  Json list = Json::array();
  for (const index_t value : values) list.push_back(value);
  return list;
}

MOECLIP_FUNC std::string take_option(const Json& json, bool& value) {
  if (!json.is_bool()) return "true or false";
  value = json.as_bool();
  return "";
}

MOECLIP_FUNC std::string take_option(const Json& json, double& value) {
  if (!json.is_number() || json.is_beyond()) return "a number";
  value = json.as_number();
  return "";
}

MOECLIP_FUNC std::string take_option(const Json& json, std::int64_t& value) {
  if (!json.is_integer() || json.as_number() >= 0x1p63) return "an integer";
  value = json.as_int64();
  return "";
}

MOECLIP_FUNC std::string take_option(const Json& json, std::uint64_t& value) {
  if (!json.is_integer() || json.as_number() < 0) return "an integer from 0 on";
  value = json.as_uint64();
  return "";
}

MOECLIP_FUNC std::string take_option(const Json& json, std::string& value) {
  if (!json.is_string()) return "a text";
  value = json.as_string();
  return "";
}

MOECLIP_FUNC std::string take_option(const Json& json, std::vector<index_t>& values) {
  constexpr const char* kWanted = "a list of integers";
  if (!json.is_array()) return kWanted;
  std::vector<index_t> taken;
  for (const Json& item : json.items())
    if (!take_option(item, taken.emplace_back()).empty()) return kWanted;
  values = std::move(taken);
  return "";
}

[[noreturn]] MOECLIP_COLD MOECLIP_FUNC void fail_unknown_option(std::string_view whose, std::string_view name,
                                                                const Json& known) {
  NearestNames nearest(name);
  for (const auto& [known_name, value] : known.members()) nearest.consider(known_name);
  fail(ErrorCode::unsupported, concat(whose, ": has the option ", in_quotes(name),
                                      ", which this version does not know; the nearest are ", nearest.text()));
}

[[noreturn]] MOECLIP_COLD MOECLIP_FUNC void fail_option(std::string_view whose, std::string_view name,
                                                        const Json& found, const std::string& wanted) {
  fail(ErrorCode::format,
       concat(whose, ": option ", in_quotes(name), " is ", in_quotes(dump_json(found)), ", wanted ", wanted));
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#endif
