// SPDX-License-Identifier: MIT
#include "train_page.hpp"

#include <algorithm>
#include <moeclip/report/report.hpp>

#include "train_budget.hpp"

namespace cli {

using moeclip::concat;
using moeclip::index_t;

namespace {

bool is_worth_drawing(const moeclip::ReportLine& line) {
  return std::ranges::any_of(line.points, [](const moeclip::ReportPoint& point) { return point.y != 0; });
}

moeclip::ReportChart validation_chart(std::span<const Judgement> judgements) {
  moeclip::ReportChart chart{
      "Validation", "percent, mean over classes", "step", {{"image AUROC", {}}, {"pixel AP", {}}}};
  const auto add = [&](std::size_t line, index_t step, const std::optional<double>& value) {
    if (value) chart.lines[line].points.push_back({static_cast<double>(step), 100 * *value});
  };
  for (const Judgement& judgement : judgements) {
    add(0, judgement.step, judgement.image_auroc);
    add(1, judgement.step, judgement.pixel_ap);
  }
  return chart;
}

moeclip::ReportSection curves_of(const TrainHistory& history, std::span<const Judgement> judgements) {
  using Part = TrainHistory::Part;
  moeclip::ReportSection section{"Training", "", {}, {}, {}};
  section.text = history.stride() == 1 ? "Each step is a point."
                                       : concat("A point is the mean of ", moeclip::counted(history.stride(), "step"),
                                                ", and stands at the last of them.");
  moeclip::ReportChart total{
      "Loss", "what is minimised: the weighted sum", "step", {history.line("total", Part::kTotal)}};
  moeclip::ReportChart parts{"Parts of the loss", "before they are weighted; sums over maps or mixtures", "step", {}};
  for (const auto& [name, part] :
       {std::pair("class", Part::kClass), std::pair("focal", Part::kFocal), std::pair("dice", Part::kDice),
        std::pair("ETF", Part::kEtf), std::pair("balance", Part::kBalance)})
    if (moeclip::ReportLine line = history.line(name, part); is_worth_drawing(line))
      parts.lines.push_back(std::move(line));
  section.charts = {std::move(total), std::move(parts), validation_chart(judgements)};
  section.charts.push_back(
      {"Length of the gradient", "before it is limited", "step", {history.line("gradient", Part::kGradient)}});
  section.charts.push_back({"Learning rate", "", "step", {history.line("rate", Part::kRate)}});
  return section;
}

moeclip::ReportSection judgements_of(std::span<const Judgement> judgements) {
  moeclip::ReportTable table{"Judgements", "in percent", {"Step", "Image AUROC", "Pixel AP"}, {}};
  const auto percent = [](const std::optional<double>& value) { return value ? moeclip::fixed(100 * *value, 2) : "-"; };
  for (const Judgement& judgement : judgements)
    table.rows.push_back({concat(judgement.step), percent(judgement.image_auroc), percent(judgement.pixel_ap)});
  return {"Validation", "", {}, {std::move(table)}};
}

}  // namespace

void write_train_page(const std::string& path, const TrainPage& page, const TrainHistory& history,
                      std::span<const Judgement> judgements) {
  moeclip::Report report;
  report.title = "Training";
  report.summary = concat(page.seconds_left < 0 ? "Ended" : "Running", ": ", page.state);
  report.summary += page.seconds_left < 0 ? "." : concat("; about ", describe_duration(page.seconds_left), " left.");
  const auto best = std::ranges::max_element(judgements, {}, &Judgement::measure);
  if (best != judgements.end())
    report.summary += concat(" The best so far is step ", best->step, ": ", best->text(), ".");
  report.tiles.emplace_back(concat(history.steps()), "steps");
  if (history.steps() > 0) {
    const auto loss = history.line("", TrainHistory::kTotal).points.back();
    report.tiles.emplace_back(moeclip::fixed(loss.y, 3), "loss, latest point");
  }
  if (best != judgements.end() && best->image_auroc)
    report.tiles.emplace_back(moeclip::fixed(100 * *best->image_auroc, 1) + " %", "image AUROC, the best");
  if (best != judgements.end() && best->pixel_ap)
    report.tiles.emplace_back(moeclip::fixed(100 * *best->pixel_ap, 1) + " %", "pixel AP, of the same step");
  report.sections.push_back(curves_of(history, judgements));
  if (!judgements.empty()) report.sections.push_back(judgements_of(judgements));
  moeclip::ReportTable settings{"Settings", "", {"Name", "Value"}, {}};
  for (const auto& [name, value] : page.settings) settings.rows.push_back({name, value});
  report.sections.push_back({"Settings", "", {}, {std::move(settings)}});
  report.provenance = page.provenance;
  moeclip::write_report(path, report);
}

}  // namespace cli
