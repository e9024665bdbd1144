// SPDX-License-Identifier: MIT
#include "picture_report.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <moeclip/explain/encode_words.hpp>
#include <moeclip/explain/explain.hpp>
#include <moeclip/explain/inspect.hpp>
#include <moeclip/explain/inspection_figures.hpp>

#include "explain.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::index_t;

namespace {

/// The largest amount of memory that this process had, as Linux says it; "" elsewhere.
std::string peak_memory() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> status(std::fopen("/proc/self/status", "r"), &std::fclose);
  if (!status) return "";
  constexpr int kLongestLine = 256;
  constexpr std::string_view kName = "VmHWM:";
  char line[kLongestLine];
  while (std::fgets(line, kLongestLine, status.get()) != nullptr)
    if (std::string_view(line).starts_with(kName))
      return concat(std::atol(line + kName.size()) / 1024, " MiB");  // the line is in KiB
  return "";
}

/// A word as a shell takes it.
std::string shell_word(std::string_view word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+%@";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

CloseLooks::CloseLooks(moeclip::Context& context, const moeclip::Detector& detector)
    : context_(context), detector_(detector), readout_(find_words("", detector)) {}

const moeclip::DefectWords<float>& CloseLooks::words_of(const std::string& noun) {
  const auto known = words_.find(noun);
  if (known != words_.end()) return known->second;
  return words_.emplace(noun, moeclip::encode_words<float>(context_, detector_.clip(), noun)).first->second;
}

void CloseLooks::look(const CloseLook& at, moeclip::ReportPicture& picture) {
  const auto seen = moeclip::inspect(context_, detector_, at.sample.picture.view(), at.anchors, {}, trace_);
  statistics_.add(seen);
  moeclip::InspectionFigureOptions options;
  if (at.sample.mask.width() > 0) options.truth = at.sample.mask.view();
  options.pixel_threshold = at.pixel_threshold;
  picture.figures = moeclip::inspection_figures(seen, options);
  const moeclip::WordReadout* const readout = readout_ ? &*readout_ : nullptr;
  picture.sentences.push_back(moeclip::explain(context_, detector_, seen, words_of(at.noun), readout).sentence);
}

void CloseLooks::count(const moeclip::Sample& sample, const moeclip::TextAnchors<float>& anchors) {
  const moeclip::InspectOptions options{.has_grad_cam = false};
  statistics_.add(moeclip::inspect(context_, detector_, sample.picture.view(), anchors, options, trace_));
}

moeclip::ReportTable expert_table(std::span<const moeclip::MixtureStatistics> blocks) {
  moeclip::ReportTable table{"Experts in numbers",
                             "Load: share of all choices that fell on the expert. Cosine: mean over pairs of different "
                             "experts and tokens; the ETF loss wants the target.",
                             {"block", "load of the experts", "mean cosine", "target", "ETF loss"},
                             {}};
  for (const moeclip::MixtureStatistics& block : blocks) {
    std::string load;
    for (index_t e = 0; e < block.experts(); ++e)
      load += concat(load.empty() ? "" : " | ", fixed(100 * block.load(e), 0), "%");
    table.rows.push_back({concat(block.block), load, fixed(block.mean_cosine(), 3), fixed(block.target(), 3),
                          fixed(block.etf_loss(), 4)});
  }
  return table;
}

void CloseLooks::add_section(moeclip::Report& report, const std::string& title, const std::string& about) const {
  const auto blocks = statistics_.blocks();
  if (blocks.empty()) return;
  moeclip::ReportSection section{title, about, {}, {}};
  section.figures = {moeclip::load_figure(blocks), moeclip::cosine_figure(blocks),
                     moeclip::fofs_figure(detector_.adapter())};
  section.tables.push_back(expert_table(blocks));
  report.sections.push_back(std::move(section));
  if (!readout_) return;
  moeclip::ReportSection& names = report.sections.emplace_back();
  names.title = "Names of defects";
  names.text =
      "How far the probabilities of names in the sentences can be trusted, on categories that were left out of their "
      "fit. Bars: share of right names; lines across: what they claimed; whiskers: 95 % intervals; above: how many.";
  names.reliabilities = {{"Reliability", readout_->record.reliability}};
}

void add_provenance(moeclip::Report& report, const std::string& command, Words words, double seconds) {
  std::string line = "moeclip " + command;
  for (const auto& word : words) line += " " + shell_word(word);
  report.provenance.insert(report.provenance.begin(), {"command", line});
  const auto add = [&](const char* name, std::string value) {
    if (!value.empty()) report.provenance.emplace_back(name, std::move(value));
  };
  add("version", concat("moeclip ", MOECLIP_VERSION_STRING));
  add("instructions", moeclip::kernels::to_string(moeclip::kernels::active_isa()));
  add("seconds", fixed(seconds, 1));
  add("peak memory", peak_memory());
}

moeclip::ReportClass report_class(const moeclip::ClassResult& result, moeclip::ScoreTable images,
                                  moeclip::ScoreTable& pixels) {
  return {result, moeclip::curves_of(images), moeclip::curves_of(pixels), moeclip::histogram_of(images)};
}

std::string metric_percent(const moeclip::Metric& metric) {
  return metric.is_defined() ? concat(fixed(100 * metric.value, 1), " %") : "undefined";
}

}  // namespace cli
