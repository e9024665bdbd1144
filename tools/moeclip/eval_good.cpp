// SPDX-License-Identifier: MIT
#include "eval_good.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <moeclip/base/rng.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/sha256.hpp>
#include <set>

#include "commands.hpp"
#include "good.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::fixed;
using moeclip::index_t;
using moeclip::Json;
using moeclip::Metric;

/// Good training pictures of each class of the data sets, in the order of their keys.
std::map<std::string, std::vector<std::string>> good_training_pictures(EvalSettings s) {
  s.split = "train";
  std::map<std::string, std::vector<std::string>> paths;
  for (const EvalPicture& picture : collect_pictures(s).pictures)
    if (picture.record.label == 0) paths[picture.record.class_name].push_back(picture.entry.image_path);
  return paths;
}

/// `shots.count` of `paths`, the same for every process.
std::vector<std::string> draw_shots(const std::vector<std::string>& paths, const Shots& shots,
                                    const std::string& class_name) {
  if (std::ssize(paths) < shots.count)
    moeclip::fail(moeclip::ErrorCode::missing,
                  concat("class ", class_name, " has ", moeclip::counted(paths.size(), "good picture"),
                         " in its training part; ", shots.count, " were wanted"));
  const moeclip::Rng order(shots.draw, concat("shots/", class_name));
  std::vector<std::pair<std::uint64_t, std::string>> drawn;
  for (index_t i = 0; i < std::ssize(paths); ++i) drawn.emplace_back(order.bits(i), paths[static_cast<std::size_t>(i)]);
  std::ranges::sort(drawn);
  std::vector<std::string> names;
  for (index_t i = 0; i < shots.count; ++i) names.push_back(drawn[static_cast<std::size_t>(i)].second);
  std::ranges::sort(names);
  return names;
}

/// Stands for memories in the identity of an evaluation.
std::string memory_hash(const std::map<std::string, moeclip::PatchMemory<float>>& memories) {
  moeclip::Sha256 sha;
  for (const auto& [name, memory] : memories) {
    sha.update(moeclip::as_bytes(name));
    sha.update(std::as_bytes(memory.patches.rows().values()));
    const auto& record = memory.record;
    sha.update(
        moeclip::as_bytes(concat(record.unit, " ", record.spread, " ", record.threshold, " ", record.text_weight)));
  }
  return moeclip::to_hex(sha.finish());
}

/// Stands for good pictures that were shown to a method.
std::string pictures_hash(const std::map<std::string, std::vector<DetectInput>>& good) {
  moeclip::Sha256 sha;
  for (const auto& [name, inputs] : good) {
    sha.update(moeclip::as_bytes(concat(name, ":")));
    for (const DetectInput& input : inputs)
      sha.update(moeclip::as_bytes(concat(" ", moeclip::picture_hash(input.path))));
  }
  return moeclip::to_hex(sha.finish());
}

struct ShotSpread {
  double mean = 0, deviation = 0;
  bool is_defined = true;
};

/// Over the draws of one number of shots.
ShotSpread shot_spread(const std::vector<const ShotResult*>& draws, const MetricColumn& column) {
  ShotSpread spread;
  for (const ShotResult* result : draws) {
    const Metric& metric = column.get(result->mean);
    if (!metric.is_defined()) return {0, 0, false};
    spread.mean += metric.value / static_cast<double>(draws.size());
  }
  if (draws.size() < 2) return spread;
  for (const ShotResult* result : draws) spread.deviation += std::pow(column.get(result->mean).value - spread.mean, 2);
  spread.deviation = std::sqrt(spread.deviation / static_cast<double>(draws.size() - 1));
  return spread;
}

Json shot_json(const ShotResult& result) {
  Json json = Json::object().set("shots", result.shots.count).set("draw", result.shots.draw);
  for (const MetricColumn& column : default_columns()) {
    const Metric& metric = column.get(result.mean);
    json.set(column.key, metric.is_defined() ? Json(metric.value) : Json());
  }
  return json.set("good", result.verdicts.good)
      .set("false_positives", result.verdicts.false_positives)
      .set("defective", result.verdicts.defective)
      .set("found", result.verdicts.found)
      .set("seconds", result.seconds);
}

}  // namespace

std::vector<Shots> parse_shots(const std::string& text, std::int64_t draws) {
  std::vector<Shots> all;
  std::set<index_t> known;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view word = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    index_t count = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
    if (error != std::errc{} || end != word.data() + word.size() || count < 0 || count > 1'000'000)
      throw UsageError(concat("--shots wants counts such as 1,2,4,8, not '", text, "'"));
    for (std::int64_t i = 0; i < draws && known.insert(count * draws + i).second; ++i)
      all.push_back({count, static_cast<std::uint64_t>(i)});
  }
  return all;
}

void remember(const EvalSettings& s, const std::optional<Shots>& shots, const EvalData& data, EvalModel& model) {
  std::set<std::string> classes;
  for (const EvalPicture& picture : data.pictures) classes.insert(picture.record.class_name);
  if (!shots && classes.size() > 1)
    throw UsageError(concat("--good knows one part, but the data have ", moeclip::counted(classes.size(), "class"),
                            "; --shots K learns each from its own training pictures"));
  std::map<std::string, std::vector<std::string>> training;
  if (shots && shots->count > 0) training = good_training_pictures(s);
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  model.memories.clear();
  model.shown.clear();
  model.good.clear();
  for (const std::string& name : classes) {
    if (!shots && is_learned(s.good)) {
      const auto file = moeclip::WeightFile::open(s.good.front());
      const auto& memory =
          model.memories.emplace(name, load_good(context, file, &*model.detector, !s.clip.empty())).first->second;
      model.settings.tiles = s.tiles.tiles_like(memory.record.tiles, file.path());
      model.add_trained_on(moeclip::trained_on(file));
      continue;
    }
    const bool takes_textures = s.learning.takes_textures(!s.clip.empty() || !s.adapter.empty());
    const bool has_none = shots && shots->count == 0;
    if (has_none && !(takes_textures && model.method == nullptr))
      throw UsageError("--shots 0 compares pictures with themselves, by textures alone: leave --clip and --method out");
    const GoodInputs good =
        has_none ? GoodInputs()
                 : collect_good(shots ? draw_shots(training[name], *shots, name) : s.good, model.settings.images);
    model.good.emplace(name, good.pictures);
    if (!has_none) model.add_trained_on(pictures_of(good.pictures));
    if (model.method != nullptr) {
      model.shown.emplace(name, show_good(context, *model.method, good, model.settings.images, model.settings.tiles));
      continue;
    }
    const double weight = s.learning.weight(!s.adapter.empty());
    std::optional<moeclip::TextAnchors<float>> anchors;
    if (weight > 0) anchors = model.detector->anchors(name, model.words.prompts(name));
    model.memories.emplace(name, learn_good(context,
                                            {takes_textures ? nullptr : &*model.detector, anchors ? &*anchors : nullptr,
                                             name, weight, model.settings.tiles},
                                            good, s.learning, model.settings.images));
  }
  model.settings.memory = model.method != nullptr ? pictures_hash(model.good) : memory_hash(model.memories);
}

void print_shots(const std::vector<ShotResult>& results, bool is_json) {
  if (is_json) {
    Json list = Json::array();
    for (const ShotResult& result : results) list.push_back(shot_json(result));
    print(moeclip::dump_json(Json::object().set("runs", std::move(list))) + "\n");
    return;
  }
  TableRows rows{{"shots", "draws"}};
  for (const MetricColumn& column : default_columns()) rows.front().emplace_back(column.title);
  rows.front().insert(rows.front().end(), {"false alarms", "found"});
  std::map<index_t, std::vector<const ShotResult*>> by_count;
  for (const ShotResult& result : results) by_count[result.shots.count].push_back(&result);
  for (const auto& [count, draws] : by_count) {
    std::vector<std::string>& row = rows.emplace_back();
    row = {concat(count), concat(draws.size())};
    for (const MetricColumn& column : default_columns()) {
      const ShotSpread spread = shot_spread(draws, column);
      const std::string mean = spread.is_defined ? fixed(100 * spread.mean, 1) : "-";
      row.push_back(spread.is_defined && draws.size() > 1 ? concat(mean, " +- ", fixed(100 * spread.deviation, 1))
                                                          : mean);
    }
    Verdicts all;
    for (const ShotResult* result : draws) {
      all.good += result->verdicts.good;
      all.false_positives += result->verdicts.false_positives;
      all.defective += result->verdicts.defective;
      all.found += result->verdicts.found;
    }
    const auto share = [](index_t part, index_t of) {
      return of == 0 ? std::string("-") : fixed(100 * static_cast<double>(part) / static_cast<double>(of), 1) + " %";
    };
    row.push_back(share(all.false_positives, all.good));
    row.push_back(share(all.found, all.defective));
  }
  print("Mean of the classes, percent; +- is the standard deviation over the draws\n" + in_columns(rows));
}

}  // namespace cli
