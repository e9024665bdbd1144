// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <moeclip/io/json.hpp>
#include <moeclip/io/json_writer.hpp>
#include <numeric>
#include <system_error>
#include <type_traits>

#include "progress.hpp"
#include "tiny_model.hpp"
#include "train.hpp"

namespace cli {

using moeclip::concat;
using moeclip::index_t;
using moeclip::Json;

namespace {

Json list_json(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(value);
  return list;
}

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// "25 25 30 20": percent of the tokens' choices.
std::string load_of(const std::vector<index_t>& tokens) {
  const auto all = static_cast<double>(std::max<index_t>(1, std::accumulate(tokens.begin(), tokens.end(), index_t{0})));
  std::string text;
  for (const index_t count : tokens)
    text += concat(text.empty() ? "" : " ", moeclip::fixed(100 * static_cast<double>(count) / all, 0));
  return text;
}

/// Lines of a log that a run at `step` keeps; their steps become its history.
std::string kept_lines(const std::string& path, index_t step, TrainHistory& history) {
  constexpr std::uint64_t kLargestLog = std::uint64_t{1} << 32;
  const auto bytes = moeclip::read_file(path, kLargestLog);
  std::string_view text = moeclip::as_text(bytes);
  std::string kept;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    try {
      const Json json = moeclip::parse_json(line, path);
      if (json.at("step").as_int64() > step) continue;
      history.add(json);
      kept += line;
    } catch (const moeclip::Error&) {
      continue;  // cut short when the run was killed
    }
  }
  return kept;
}

/// The option as it is typed: "keeps_schedule" is --keeps-schedule.
std::string typed(std::string name) {
  std::ranges::replace(name, '_', '-');
  return name;
}

/// The value of option `name` in one of the recipes, as it is typed.
std::string value_text(const moeclip::Recipe& recipe, std::string_view name) {
  const Json value = to_json(recipe).at(name);
  if (value.is_bool()) return value.as_bool() ? "on" : "off";
  if (value.is_number()) return concat(value.as_number());
  std::string text;
  for (const Json& item : value.items()) text += concat(text.empty() ? "" : ",", item.as_int64());
  return text.empty() ? "none" : text;
}

}  // namespace

void RecipeOptions::declare(Options& options) {
  const moeclip::Recipe released = moeclip::Recipe::released(), paper = moeclip::Recipe::paper(),
                        own = moeclip::Recipe::moeclip();
  moeclip::Recipe::visit(released, [&]<class Value>(const char* name, const Value&, const char* help) {
    const char* const placeholder = std::is_same_v<Value, bool>      ? "on|off"
                                    : std::is_same_v<Value, double>  ? "X"
                                    : std::is_same_v<Value, index_t> ? "N"
                                                                     : "N,N";
    texts_.emplace_back(name, "");
    kinds_.emplace_back(std::is_same_v<Value, bool>      ? "on or off"
                        : std::is_same_v<Value, double>  ? "a number"
                        : std::is_same_v<Value, index_t> ? "a whole number"
                                                         : "whole numbers with commas, or none");
    options.value(typed(name), texts_.back().second, placeholder,
                  concat(help, " [", value_text(released, name), " | ", value_text(paper, name), " | ",
                         value_text(own, name), "]"));
  });
}

void RecipeOptions::apply(moeclip::Recipe& recipe) const {
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    const auto& [name, text] = texts_[i];
    if (text.empty()) continue;
    try {
      moeclip::set_option(recipe, name, text);
    } catch (const moeclip::Error&) {
      throw UsageError(concat("--", typed(name), " wants ", kinds_[i], ", not '", text, "'"));
    }
  }
}

void RecipeOptions::expect_sound(const moeclip::Recipe& recipe) const {
  try {
    moeclip::expect_sound(recipe);
  } catch (const moeclip::Error& error) {
    std::string given;
    for (const auto& [name, text] : texts_)
      if (!text.empty()) given += concat(given.empty() ? "" : " ", "--", typed(name), " ", text);
    throw UsageError(given.empty() ? error.what() : concat(given, ": ", error.what()));
  }
}

bool RecipeOptions::has(std::string_view name) const {
  return std::ranges::any_of(texts_, [&](const auto& text) { return text.first == name && !text.second.empty(); });
}

void say_start(const std::string& path, const AdapterFlags& flags, const moeclip::Recipe& recipe) {
  const moeclip::WeightFile file = moeclip::WeightFile::open(path);
  moeclip::AdapterOptions options;
  flags.apply(options);
  const moeclip::AdapterConfig found =
      moeclip::recognise_adapter(moeclip::recognise_adapter_file(file), moeclip::AdapterFile::kMostNumbered, options);
  if (!moeclip::records_switches(file)) {
    AdapterFlags told = flags;
    if (recipe.chosen != found.chosen) told.top_k = recipe.chosen;
    if (recipe.scale != found.scale) told.alpha = recipe.scale * static_cast<double>(recipe.rank);
    return told.say_assumed(path);
  }
  constexpr auto kActivation = moeclip::kernels::Activation::gelu;  // another one would be another CLIP
  const Json there = moeclip::adapter_record(found, kActivation),
             here = moeclip::adapter_record(moeclip::adapter_config(recipe, moeclip::AdapterFile::kMostNumbered),
                                            kActivation);
  std::string text;
  for (const char* name : {"chosen", "scale", "mix_weight", "similarity_scale", "use_aggregation"})
    if (!(there.at(name) == here.at(name)))
      text +=
          concat(text.empty() ? "" : ", ", name, " (", dump_json(there.at(name)), ", ", dump_json(here.at(name)), ")");
  if (!text.empty()) inform(concat(path, ": goes on with settings that it was not trained with (there, here): ", text));
}

std::string start_of(const std::string& start, bool is_built_in, const moeclip::Recipe& recipe, index_t layers) {
  if (start == "none") return "";
  if (!start.empty() || !is_built_in) return start;
  const std::string path = find_tiny(kTinyAdapter);
  const moeclip::AdapterConfig found =
      moeclip::recognise_adapter(moeclip::recognise_adapter_file(moeclip::WeightFile::open(path)), layers, {});
  const moeclip::AdapterConfig wanted = moeclip::adapter_config(recipe, layers);
  constexpr auto kActivation = moeclip::kernels::Activation::gelu;
  const bool is_same = found.experts == wanted.experts && found.rank == wanted.rank &&
                       found.levels() == wanted.levels() &&
                       moeclip::adapter_record(found, kActivation) == moeclip::adapter_record(wanted, kActivation);
  inform(is_same ? "begins with the built-in adapter; --start none begins with nothing"
                 : "begins with nothing: the built-in adapter has other options");
  return is_same ? path : "";
}

TrainLog::TrainLog(const std::string& path, index_t step) : path_(path) {
  const std::string kept = step > 0 && moeclip::file_exists(path) ? kept_lines(path, step, history_) : "";
  moeclip::write_file(path, moeclip::as_bytes(kept));
  file_.reset(std::fopen(path.c_str(), "ab"));
  if (file_ == nullptr)
    moeclip::fail(moeclip::ErrorCode::io,
                  concat(path, ": cannot be written: ", std::error_code(errno, std::generic_category()).message()));
}

Json step_json(const moeclip::StepReport& report) {
  const moeclip::LossReport& loss = report.loss;
  Json experts = Json::array();
  for (const auto& tokens : loss.expert_tokens) {
    Json layer = Json::array();
    for (const index_t count : tokens) layer.push_back(count);
    experts.push_back(std::move(layer));
  }
  return Json::object()
      .set("step", report.step)
      .set("epoch", report.epoch)
      .set("batch", report.batch)
      .set("loss", loss.total)
      .set("cross_entropy", loss.cross_entropy)
      .set("focal", list_json(loss.focal))
      .set("dice_normal", list_json(loss.dice_normal))
      .set("dice_abnormal", list_json(loss.dice_abnormal))
      .set("etf", list_json(loss.etf))
      .set("balance", list_json(loss.balance))
      .set("expert_tokens", std::move(experts))
      .set("gradient_norm", report.gradient_norm)
      .set("lr", report.lr);
}

void TrainLog::write(const moeclip::StepReport& report) {
  write(step_json(report).set("images_per_second", report.images_per_second).set("seconds_left", report.seconds_left));
}

void TrainLog::write(const Json& line) {
  history_.add(line);
  const std::string text = dump_json(line) + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() || std::fflush(file_.get()) != 0)
    moeclip::fail(moeclip::ErrorCode::io,
                  concat(path_, ": cannot be written: ", std::error_code(errno, std::generic_category()).message()));
}

std::string describe_step(const moeclip::StepReport& report) {
  const moeclip::LossReport& loss = report.loss;
  const auto number = [](double value) { return moeclip::fixed(value, 3); };
  std::string text =
      concat("epoch ", report.epoch, "/", report.epochs, ", loss ", number(loss.total), " (class ",
             number(loss.cross_entropy), ", focal ", number(sum(loss.focal)), ", dice ", number(sum(loss.dice_normal)),
             " + ", number(sum(loss.dice_abnormal)), ", etf ", number(sum(loss.etf)), ", balance ",
             number(sum(loss.balance)), "), gradient ", moeclip::fixed(report.gradient_norm, 2), ", ",
             moeclip::fixed(report.images_per_second, 2), " images/s, experts %");
  for (const auto& tokens : loss.expert_tokens) text += concat(" [", load_of(tokens), "]");
  return text;
}

}  // namespace cli
