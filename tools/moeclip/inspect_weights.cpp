// SPDX-License-Identifier: MIT
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <moeclip/base/read_number.hpp>
#include <moeclip/base/text.hpp>
#include <moeclip/io/sha256.hpp>
#include <moeclip/io/weights.hpp>
#include <vector>

#include "describe.hpp"
#include "inspect.hpp"
#include "progress.hpp"

namespace cli {

namespace {

using moeclip::Bytes;
using moeclip::concat;
using moeclip::DType;
using moeclip::index_t;
using moeclip::Json;
using moeclip::WeightEntry;
using moeclip::WeightFile;
using moeclip::WeightValue;

constexpr index_t kConvertedAtOnce = index_t{1} << 14;

/// Adds `piece`, elements of `type`, to `sha` as float32 in little endian.
void update_as_f32(moeclip::Sha256& sha, DType type, Bytes piece) {
  const auto size = static_cast<index_t>(moeclip::size_of(type)), count = std::ssize(piece) / size;
  std::vector<float> values(static_cast<std::size_t>(std::min(count, kConvertedAtOnce)));
  std::vector<std::byte> bytes(values.size() * 4);
  for (index_t done = 0; done < count; done += kConvertedAtOnce) {
    const index_t now = std::min(kConvertedAtOnce, count - done);
    moeclip::convert_elements(piece.data() + done * size, type, now, values.data());
    std::byte* to = bytes.data();
    for (index_t i = 0; i < now; ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(values[static_cast<std::size_t>(i)]);
      for (unsigned shift = 0; shift < 32; shift += 8) *to++ = static_cast<std::byte>(bits >> shift & 0xFF);
    }
    sha.update(Bytes(bytes).first(static_cast<std::size_t>(now) * 4));
  }
}

/// SHA-256 of the row-major little-endian elements of a tensor, as they are stored or as float32.
std::string hash_tensor(const WeightFile& file, const WeightEntry& entry, bool is_f32) {
  moeclip::Sha256 sha;
  file.stored_bytes(entry.name, [&](Bytes piece) {
    if (is_f32)
      update_as_f32(sha, entry.dtype, piece);
    else
      sha.update(piece);
  });
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : sha.finish()) text += concat(kDigits[byte >> 4], kDigits[byte & 15]);
  return text;
}

/// A value as JSON; what JSON cannot express (huge integers, infinities, things of torch) stays text.
Json to_json(const WeightValue& value) {
  const std::string& text = value.text;
  const char* const end = text.data() + text.size();
  switch (value.kind) {
    case WeightValue::Kind::null: return nullptr;
    case WeightValue::Kind::boolean: return text == "true";
    case WeightValue::Kind::number: {
      std::int64_t integer = 0;
      const auto whole = std::from_chars(text.data(), end, integer);
      if (whole.ptr == end && whole.ec == std::errc{}) return integer;
      double real = 0;
      const auto read = moeclip::read_number(text.data(), end, real);
      const bool is_real = text.find_first_of(".e") != std::string::npos && std::isfinite(real);
      return read.ptr == end && read.ec == std::errc{} && is_real ? Json(real) : Json(text);
    }
    default: return text;
  }
}

/// "123,456"
std::string grouped(std::uint64_t number) {
  std::string text = concat(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

struct Totals {
  std::uint64_t parameters = 0, bytes = 0;
};

Totals count(const WeightFile& file) {
  Totals totals;
  for (const WeightEntry& entry : file.entries()) {
    totals.parameters += static_cast<std::uint64_t>(entry.shape.size());
    totals.bytes += entry.byte_size();
  }
  return totals;
}

void list_tensors(const WeightFile& file, const InspectOptions& options, JsonLine& json) {
  constexpr std::size_t kWidestName = 72, kWidestShape = 20;  // a few long ones do not push all others aside
  std::size_t name_column = 0, shape_column = 0;
  for (const WeightEntry& entry : file.entries()) {
    name_column = std::max(name_column, std::min(entry.name.size(), kWidestName));
    if (options.has_hash) shape_column = std::max(shape_column, std::min(to_string(entry.shape).size(), kWidestShape));
  }
  json.begin_array("tensors");
  for (const WeightEntry& entry : file.entries()) {
    const std::string hash = options.has_hash ? hash_tensor(file, entry, options.is_hash_of_f32) : "";
    if (options.is_json) {
      Json shape = Json::array();
      for (const index_t extent : entry.shape.extents()) shape.push_back(extent);
      Json tensor = Json::object().set("name", entry.name).set("dtype", to_string(entry.dtype)).set("shape", shape);
      if (options.has_hash) tensor.set("sha256", hash);
      json.item(tensor);
    } else {
      const std::string name = padded(printable(entry.name), name_column), type = padded(to_string(entry.dtype), 4);
      const std::string shape = padded(to_string(entry.shape), shape_column);
      print(concat("  ", name, "  ", type, "  ", shape, options.has_hash ? "  " : "", hash, "\n"));
    }
  }
  json.end();
}

void list_values(const WeightFile& file, const InspectOptions& options, JsonLine& json) {
  constexpr std::size_t kLongest = 200;  // of a text, where a person reads it
  if (!options.is_json && !file.values().empty()) print("values\n");
  json.begin_object("values");
  for (const WeightValue& value : file.values()) {
    json.member(value.name, to_json(value));
    const char* const more = value.text.size() > kLongest ? "..." : "";
    if (!options.is_json)
      print(concat("  ", printable(value.name), " = ", printable(value.text.substr(0, kLongest)), more, "\n"));
  }
  json.end();
  if (!options.is_json && !file.metadata().empty()) print("metadata\n");
  json.begin_object("metadata");
  for (const auto& [key, text] : file.metadata()) {
    json.member(key, text);
    if (!options.is_json) print(concat("  ", printable(key), " = ", printable(text), "\n"));
  }
  json.end();
}

}  // namespace

void inspect_weights(const std::string& path, const InspectOptions& options, JsonLine& json) {
  const WeightFile file = WeightFile::open(path);
  const Totals totals = count(file);
  const ModelDescription model = describe_model(file);
  json.member("kind", "weights");
  json.member("format", to_string(file.kind()));
  json.member("parameters", totals.parameters);
  json.member("bytes", totals.bytes);
  json.member("model", model.facts);
  if (options.has_hash) json.member("hash_of", options.is_hash_of_f32 ? "f32" : "stored");
  if (!options.is_json) {
    print(concat(printable(path), ": ", to_string(file.kind()), ", ", moeclip::counted(file.entries().size(), "tensor"),
                 ", ", grouped(totals.parameters), " parameters, ", grouped(totals.bytes), " bytes\n"));
    if (!model.text.empty()) print(concat(printable(model.text), "\n"));
    if (!file.entries().empty())
      print(concat("tensors", options.has_hash ? " (SHA-256 of the elements " : "",
                   !options.has_hash        ? ""
                   : options.is_hash_of_f32 ? "as float32)"
                                            : "as stored)",
                   "\n"));
  }
  list_tensors(file, options, json);
  list_values(file, options, json);
}

}  // namespace cli
