// SPDX-License-Identifier: MIT
#pragma once
// A table of pictures on disk (picture_table.hpp): a safetensors file of about a kilobyte a picture, whole or not
// there. Its metadata name the classes; class, label, score, regions (N) and normal (N, bins) are a row per picture,
// and anomalous.picture, .bin, .count and .weight (M) one per bin in which a picture has anomalous pixels.

#include <string>

#include "picture_table.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes the table. Throws io; contract for counts that do not fit 31 bits.
void write_picture_table(const std::string& path, const PictureTable& table);

/// Reads what write_picture_table wrote. Throws io; missing or format for anything else.
PictureTable read_picture_table(const std::string& path);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <utility>
#include <vector>

#include "../base/lists.hpp"
#include "../io/format_version.hpp"
#include "../io/json.hpp"
#include "../io/json_writer.hpp"
#include "../io/safetensors_writer.hpp"
#include "../io/weight_file.hpp"
#include "../io/weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr std::string_view kPictureTableKey = "moeclip.pictures";

/// Whole numbers of a file, one by one: none below 0 or at `limit` or above.
class StoredNumbers {
 public:
  StoredNumbers(const WeightFile& file, std::string name, const Shape& shape, double limit)
      : path_(file.path()), name_(std::move(name)), limit_(limit) {
    if (!(file.entry(name_).shape == shape))
      fail(ErrorCode::format, concat(path_, ": tensor ", in_quotes(name_), " is ", to_string(file.entry(name_).shape),
                                     ", not ", to_string(shape)));
    values_ = file.read<double>(name_);
  }

  [[nodiscard]] std::uint32_t whole(index_t i) const {
    const double value = values_[i];
    if (!(value >= 0 && value < limit_) || value != static_cast<double>(static_cast<std::uint32_t>(value)))
      fail(ErrorCode::format, concat(path_, ": tensor ", in_quotes(name_), " holds ", value,
                                     ", which is no whole number from 0 to below ", limit_));
    return static_cast<std::uint32_t>(value);
  }
  [[nodiscard]] double number(index_t i) const {
    if (!(values_[i] > -limit_ && values_[i] < limit_))
      fail(ErrorCode::format, concat(path_, ": tensor ", in_quotes(name_), " holds ", values_[i]));
    return values_[i];
  }

 private:
  std::string path_, name_;
  double limit_;
  Tensor<double> values_;
};

/// The names of the classes, ascending. Throws format, missing, unsupported.
inline std::vector<std::string> stored_classes(const WeightFile& file) {
  const std::string* const text = find_metadata(file.metadata(), kPictureTableKey);
  if (text == nullptr) fail(ErrorCode::format, concat(file.path(), ": holds no table of pictures"));
  const std::string place = concat(file.path(), ": ", kPictureTableKey);
  const Json json = parse_json(*text, place, JsonNames::unique);
  expect_version(member(json, "format", place), {}, place, "a table of pictures", "evaluate again");
  if (const auto bins = member<index_t>(json, "bins", place); bins != kPictureBins)
    fail(ErrorCode::unsupported, concat(place, ": has ", counted(bins, "bin"), " where ", index_t{kPictureBins},
                                        " are read: evaluate again with this program"));
  std::vector<std::string> classes;
  const Json& names = member(json, "classes", place);
  if (!names.is_array()) fail(ErrorCode::format, concat(place, ": \"classes\" is no list"));
  for (const Json& name : names.items()) {
    classes.push_back(value_of<std::string>(name, "classes", place));
    if (classes.size() > 1 && !(classes[classes.size() - 2] < classes.back()))
      fail(ErrorCode::format, concat(place, ": the classes are not in order"));
  }
  return classes;
}

/// The rows without their anomalous bins.
inline PictureTable stored_rows(const WeightFile& file, index_t pictures) {
  constexpr double kCount = 0x1p31, kFloat = 0x1p128;
  PictureTable table{stored_classes(file), {}};
  const StoredNumbers classes(file, "class", {pictures}, static_cast<double>(table.classes.size())),
      labels(file, "label", {pictures}, 2), scores(file, "score", {pictures}, kFloat),
      regions(file, "regions", {pictures}, kCount), normal(file, "normal", {pictures, kPictureBins}, kCount);
  for (index_t i = 0; i < pictures; ++i) {
    PictureRow row{
        classes.whole(i), labels.whole(i) != 0, static_cast<float>(scores.number(i)), regions.whole(i), {}, {}};
    for (index_t b = 0; b < kPictureBins; ++b)
      row.normal[static_cast<std::size_t>(b)] = normal.whole(i * kPictureBins + b);
    table.pictures.push_back(std::move(row));
  }
  return table;
}

}  // namespace detail

MOECLIP_FUNC void write_picture_table(const std::string& path, const PictureTable& table) {
  const auto whole = [](std::uint32_t value) {
    MOECLIP_EXPECT(value < 0x80000000u, value, " is too large for a table of pictures");
    return static_cast<std::int32_t>(value);
  };
  std::map<std::string, std::vector<std::int32_t>> numbers;
  std::vector<float> scores;
  std::vector<double> weights;
  for (std::size_t i = 0; i < table.pictures.size(); ++i) {
    const PictureRow& row = table.pictures[i];
    numbers["class"].push_back(whole(row.class_index));
    numbers["label"].push_back(row.is_anomalous ? 1 : 0);
    numbers["regions"].push_back(whole(row.regions));
    scores.push_back(row.score);
    for (const std::uint32_t count : row.normal) numbers["normal"].push_back(whole(count));
    for (const AnomalousBin& bin : row.anomalous) {
      numbers["anomalous.picture"].push_back(whole(static_cast<std::uint32_t>(i)));
      numbers["anomalous.bin"].push_back(whole(bin.bin));
      numbers["anomalous.count"].push_back(whole(bin.count));
      weights.push_back(bin.weight);
    }
  }
  Json classes = Json::array();
  for (const std::string& name : table.classes) classes.push_back(name);
  SafetensorsWriter writer(path);
  writer.set_metadata(
      std::string(detail::kPictureTableKey),
      dump_json(Json::object().set("format", index_t{1}).set("bins", kPictureBins).set("classes", std::move(classes))));
  const index_t pictures = std::ssize(table.pictures);
  for (const char* name : {"class", "label", "regions"}) writer.announce(name, DType::i32, {pictures});
  writer.announce("score", DType::f32, {pictures});
  writer.announce("normal", DType::i32, {pictures, kPictureBins});
  for (const char* name : {"anomalous.picture", "anomalous.bin", "anomalous.count"})
    writer.announce(name, DType::i32, {std::ssize(weights)});
  writer.announce("anomalous.weight", DType::f64, {std::ssize(weights)});
  writer.begin();
  for (const std::string& name : writer.order()) {
    if (name == "score") {
      writer.write(std::span<const float>(scores));
    } else if (name == "anomalous.weight") {
      writer.write(std::span<const double>(weights));
    } else {
      writer.write(std::span<const std::int32_t>(numbers[name]));
    }
  }
  writer.commit();
}

MOECLIP_FUNC PictureTable read_picture_table(const std::string& path) {
  const WeightFile file = WeightFile::open(path);
  const auto length = [&](const char* name) {
    const Shape& shape = file.entry(name).shape;
    if (shape.rank() != 1) fail(ErrorCode::format, concat(path, ": tensor ", in_quotes(name), " is no list"));
    return shape[0];
  };
  PictureTable table = detail::stored_rows(file, length("class"));
  constexpr double kCount = 0x1p31;
  const index_t bins = length("anomalous.bin");
  const detail::StoredNumbers pictures(file, "anomalous.picture", {bins}, static_cast<double>(table.pictures.size())),
      places(file, "anomalous.bin", {bins}, static_cast<double>(kPictureBins)),
      counts(file, "anomalous.count", {bins}, kCount), weights(file, "anomalous.weight", {bins}, kCount);
  for (index_t i = 0; i < bins; ++i) {
    std::vector<AnomalousBin>& of_picture = table.pictures[pictures.whole(i)].anomalous;
    const AnomalousBin bin{places.whole(i), counts.whole(i), weights.number(i)};
    if ((!of_picture.empty() && of_picture.back().bin >= bin.bin) || bin.weight < 0)
      fail(ErrorCode::format, concat(path, ": the anomalous bins of a picture are not in order"));
    of_picture.push_back(bin);
  }
  return table;
}

}}  // namespace moeclip::abi_v0_1

#endif
