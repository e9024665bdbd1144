// SPDX-License-Identifier: MIT
#pragma once
// A read-out of words as a file: a safetensors file with the tensor "weights" (1 + W, F + 1), which one of plain CLIP's
// cosines has not, and in its record the words, temperature, threshold, and what it was fitted on.

#include <string>

#include "../anomaly/detector.hpp"
#include "../io/record.hpp"
#include "word_readout.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes a read-out, replacing the file that was there only when the new one is whole. Throws io.
void save_words(const std::string& path, const WordReadout& readout);

/// Reads one. Throws missing for a file without, format for values that make no sense, naming the file.
WordReadout read_words(const WeightFile& file);

/// Throws mismatch, naming `source`, if the read-out was fitted with other weights than those of `detector`.
template <class T>
void expect_words_of(const WordReadout& readout, const BasicDetector<T>& detector, const std::string& source);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <cmath>

#include "../anomaly/fingerprint.hpp"
#include "../io/json_writer.hpp"
#include "../io/safetensors_writer.hpp"
#include "../io/weight_use.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr const char* kWordsKey = "words";           // in the record
inline constexpr const char* kWordWeightsName = "weights";  // of the tensor
inline constexpr index_t kMostWords = 10000, kMostWordPictures = 1000000000;

inline Json to_json(const std::vector<std::string>& names) {
  Json list = Json::array();
  for (const std::string& name : names) list.push_back(name);
  return list;
}

/// The member `name`, a list of names.
inline std::vector<std::string> word_names(const Json& json, const char* name, const std::string& source) {
  std::vector<std::string> names;
  for (const Json& item : member(json, name, source).items())
    names.push_back(value_of<std::string>(item, name, source));
  return names;
}

inline Json to_json(const WordReadout& readout) {
  const WordFitRecord& record = readout.record;
  Json bins = Json::array();
  for (const ReliabilityBin& bin : record.reliability.bins)
    bins.push_back(Json::object().set("answers", bin.answers).set("right", bin.right).set("claimed", bin.claimed));
  return Json::object()
      .set("words", to_json(readout.words))
      .set("temperature", readout.temperature)
      .set("threshold", readout.threshold)
      .set("clip", record.clip)
      .set("adapter", record.adapter)
      .set("categories", to_json(record.categories))
      .set("judged", to_json(record.judged))
      .set("pictures", record.pictures)
      .set("promise", record.promise)
      .set("certain", record.certain)
      .set("certain_right", record.certain_right)
      .set("named", record.named)
      .set("named_right", record.named_right)
      .set("plain_right", record.plain_right)
      .set("reliability", std::move(bins));
}

/// The member `name`, a number in [low, high].
inline double word_number(const Json& json, const char* name, double low, double high, const std::string& source) {
  const auto value = member<double>(json, name, source);
  if (!(value >= low && value <= high))
    fail(ErrorCode::format, concat(source, ": \"", name, "\" of the words is ", value, "; from ", low, " to ", high,
                                   " was wanted; fit them anew with `moeclip explain --calibrate-words`"));
  return value;
}

inline WordFitRecord word_record(const Json& json, const std::string& source) {
  const auto count = [&](const Json& from, const char* name, index_t most) {
    return static_cast<index_t>(word_number(from, name, 0, static_cast<double>(most), source));
  };
  WordFitRecord record;
  record.clip = member<std::string>(json, "clip", source);
  record.adapter = member<std::string>(json, "adapter", source);
  record.categories = word_names(json, "categories", source);
  record.judged = json.find("judged") != nullptr ? word_names(json, "judged", source) : record.categories;
  record.pictures = count(json, "pictures", kMostWordPictures);
  record.promise = word_number(json, "promise", 0, 1, source);
  record.certain = count(json, "certain", record.pictures);
  record.certain_right = count(json, "certain_right", record.certain);
  record.named = count(json, "named", record.pictures);
  record.named_right = count(json, "named_right", record.named);
  record.plain_right = count(json, "plain_right", record.named);
  const Json& bins = member(json, "reliability", source);
  if (!bins.is_array() || bins.size() != Reliability::kBins)
    fail(ErrorCode::format, concat(source, ": \"reliability\" is no list of ", Reliability::kBins, " bins"));
  for (std::size_t i = 0; i < Reliability::kBins; ++i) {
    ReliabilityBin& bin = record.reliability.bins[i];
    const Json& from = bins.items()[i];
    bin.answers = count(from, "answers", record.pictures);
    bin.right = count(from, "right", bin.answers);
    bin.claimed = word_number(from, "claimed", 0, static_cast<double>(bin.answers), source);
  }
  return record;
}

}  // namespace detail

MOECLIP_FUNC void save_words(const std::string& path, const WordReadout& readout) {
  SafetensorsWriter writer(path);
  if (readout.reads_features()) writer.announce(detail::kWordWeightsName, DType::f32, readout.weights.shape());
  writer.set_metadata(
      std::string(kRecordKey),
      dump_json(
          Json::object().set("version", MOECLIP_VERSION_STRING).set(detail::kWordsKey, detail::to_json(readout))));
  writer.begin();
  if (readout.reads_features()) writer.write(readout.weights.values());
  writer.commit();
}

MOECLIP_FUNC WordReadout read_words(const WeightFile& file) {
  const std::string& source = file.path();
  const Json record = detail::recorded(file);
  const Json* const json = record.is_object() ? record.find(detail::kWordsKey) : nullptr;
  if (json == nullptr || !json->is_object())
    fail(ErrorCode::missing, concat(source, ": holds no fitted words; `moeclip explain --calibrate-words` makes them"));
  WordReadout readout;
  readout.words = detail::word_names(*json, "words", source);
  const index_t rows = 1 + std::ssize(readout.words);
  if (rows < 3 || rows > detail::kMostWords)
    fail(ErrorCode::format, concat(source, ": is about ", counted(rows - 1, "word"), "; from 2 to ",
                                   detail::kMostWords - 1, " were wanted"));
  readout.temperature = detail::word_number(*json, "temperature", 1e-4, 1e4, source);
  readout.threshold = detail::word_number(*json, "threshold", 0, 2, source);
  readout.record = detail::word_record(*json, source);
  if (const WeightEntry* const entry = file.find(detail::kWordWeightsName); entry != nullptr) {
    if (entry->shape.rank() != 2 || entry->shape[0] != rows || entry->shape[1] < 2)
      fail(ErrorCode::mismatch, concat(source, ": tensor ", in_quotes(detail::kWordWeightsName), " has the shape ",
                                       to_string(entry->shape), "; (", rows, ", F + 1) was wanted"));
    readout.weights = file.read<float>(detail::kWordWeightsName);
    expect_numbers<float>(file, detail::kWordWeightsName, readout.weights.values());
  }
  return readout;
}

template <class T>
void expect_words_of(const WordReadout& readout, const BasicDetector<T>& detector, const std::string& source) {
  const bool is_clip = readout.record.clip == clip_fingerprint(detector.clip().vision(), detector.clip().text());
  if (!is_clip || readout.record.adapter != adapter_fingerprint(detector.adapter()))
    fail(ErrorCode::mismatch, concat(source, ": was fitted with another ", is_clip ? "adapter" : "CLIP",
                                     "; fit it anew with `moeclip explain --calibrate-words`"));
}

MOECLIP_INSTANTIATE(expect_words_of)

}}  // namespace moeclip::abi_v0_1

#endif
