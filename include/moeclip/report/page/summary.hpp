// SPDX-License-Identifier: MIT
#pragma once
// The first things of a report: what happened at the threshold, and the table of metrics.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "../../base/lists.hpp"
#include "../contents.hpp"
#include "html.hpp"
#include "outcome.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A number with what it counts below.
inline void write_tile(HtmlWriter& page, std::string_view number, std::string_view name) {
  page.write("<li><b>", number, "</b><span>", name, "</span></li>\n");
}

inline std::string percent(double share) { return concat(fixed(100 * share, 1), "&#8239;%"); }

/// "3 of 40", as a link that shows these pictures in the table.
inline std::string outcome_link(const std::vector<ReportPicture>& pictures, Outcome outcome, index_t total) {
  const index_t count = count_outcomes(pictures)[static_cast<std::size_t>(outcome)];
  const std::string text = concat(count, " of ", total);
  if (count == 0) return text;
  return concat("<a href=\"#pictures\" data-show=\"", outcome_key(outcome), "\">", text, "</a>");
}

inline void write_tiles(HtmlWriter& page, const Report& report) {
  const auto counts = count_outcomes(report.pictures);
  const auto count = [&](Outcome outcome) { return counts[static_cast<std::size_t>(outcome)]; };
  const index_t defective = count(Outcome::found) + count(Outcome::missed);
  const index_t good = count(Outcome::false_alarm) + count(Outcome::passed);
  const index_t unknown = count(Outcome::flagged) + count(Outcome::not_flagged);
  page.write("<ul class=\"tiles\">\n");
  for (const auto& [number, name] : report.tiles) write_tile(page, escape_html(number), escape_html(name));
  if (defective > 0)
    write_tile(page, outcome_link(report.pictures, Outcome::missed, defective), "defective pictures missed");
  if (good > 0) write_tile(page, outcome_link(report.pictures, Outcome::false_alarm, good), "good pictures flagged");
  if (unknown > 0)
    write_tile(page, outcome_link(report.pictures, Outcome::flagged, unknown), "pictures of unknown truth flagged");
  if (!report.pictures.empty() && has_one_threshold(report))
    write_tile(page, fixed(one_threshold(report), 3), "threshold of the score");
  if (report.mean.image.auroc.is_defined())
    write_tile(page, percent(report.mean.image.auroc.value), "image AUROC, mean over classes");
  if (report.mean.pixel.auroc.is_defined())
    write_tile(page, percent(report.mean.pixel.auroc.value), "pixel AUROC, mean over classes");
  if (report.mean.pixel.aupro.is_defined())
    write_tile(page, percent(report.mean.pixel.aupro.value), "AUPRO, mean over classes");
  page.write("</ul>\n");
}

/// Writes cells of metrics and remembers why some of them are empty, and how exact the others are.
class MetricCells {
 public:
  /// `name`: of the table, for the addresses of its notes.
  explicit MetricCells(std::string_view name) : name_(name) {}

  /// `scale` makes percent of the value.
  void write(HtmlWriter& page, const Metric& metric, bool is_first, double scale = 100) {
    page.write("<td class=\"n", is_first ? " first" : "", "\">");
    if (metric.is_defined()) {
      error_ = (std::max)(error_, metric.error * scale);
      page.write(fixed(metric.value * scale, 1), "</td>");
      return;
    }
    const auto place = lists::find(reasons_, metric.undefined);
    const auto number = place - reasons_.begin() + 1;
    if (place == reasons_.end()) reasons_.push_back(metric.undefined);
    page.write("&#8211;<sup><a href=\"#", name_, "-note-", number, "\" aria-label=\"not defined, note ", number, "\">",
               number, "</a></sup></td>");
  }

  void write_notes(HtmlWriter& page) const {
    for (std::size_t i = 0; i < reasons_.size(); ++i)
      page.write("<p class=\"note\" id=\"", name_, "-note-", i + 1, "\">&#8211;<sup>", i + 1,
                 "</sup> Not defined: ", escape_html(reasons_[i]), ".</p>\n");
    if (error_ > 0)
      page.write("<p class=\"note\">Scores were counted in bins; no value is further than ",
                 fixed(std::ceil(error_ * 1e4) / 1e4, 4), " percentage points from the exact one.</p>\n");
  }

 private:
  std::string_view name_;
  std::vector<std::string> reasons_;
  double error_ = 0;
};

/// How the headings of a class are addressed.
inline std::string class_id(std::size_t index) { return concat("class-", index + 1); }

inline void write_metric_row(HtmlWriter& page, const ClassResult& row, std::string_view name, MetricCells& cells) {
  page.write("<th scope=\"row\">", name, "</th><td class=\"n\">", row.pictures, "</td><td class=\"n\">", row.anomalous,
             "</td>");
  const Metrics &image = row.image, &pixel = row.pixel;
  cells.write(page, image.auroc, true);
  cells.write(page, image.average_precision, false);
  cells.write(page, image.f1_max, false);
  cells.write(page, pixel.auroc, true);
  cells.write(page, pixel.average_precision, false);
  cells.write(page, pixel.f1_max, false);
  cells.write(page, pixel.aupro, false);
}

/// A row per class, and their mean. `write_cells(row, name)` writes the cells.
template <class WriteCells>
void write_class_rows(HtmlWriter& page, const Report& report, WriteCells&& write_cells) {
  page.write("<tbody>\n");
  for (std::size_t i = 0; i < report.classes.size(); ++i) {
    const ClassResult& row = report.classes[i].result;
    page.write("<tr>");
    write_cells(row, concat("<a href=\"#", class_id(i), "\">", escape_html(row.name), "</a>"));
    page.write("</tr>\n");
  }
  if (report.classes.size() > 1) {
    page.write("<tr class=\"mean\">");
    write_cells(report.mean, "mean");
    page.write("</tr>\n");
  }
  page.write("</tbody></table></div>\n");
}

inline void open_metric_table(HtmlWriter& page, std::string_view name, std::string_view note) {
  page.write("<div class=\"scroll metrics\" role=\"region\" tabindex=\"0\" aria-label=\"", name,
             "\"><table><caption><b>", name, "</b> ", note, "</caption>\n<thead>");
}

inline void write_metric_table(HtmlWriter& page, const Report& report) {
  open_metric_table(page, "Metrics of each class", "in percent");
  page.write(
      "<tr><td rowspan=\"2\"></td><th class=\"n\" rowspan=\"2\" scope=\"col\">Pictures</th>"
      "<th class=\"n\" rowspan=\"2\" scope=\"col\">Defective</th>"
      "<th class=\"group\" colspan=\"3\" scope=\"colgroup\">Image level</th>"
      "<th class=\"group\" colspan=\"4\" scope=\"colgroup\">Pixel level</th></tr>\n<tr>");
  for (const std::string_view name : {"AUROC", "AP", "F1-max"})
    page.write("<th class=\"n", name == "AUROC" ? " first" : "", "\" scope=\"col\">", name, "</th>");
  for (const std::string_view name : {"AUROC", "AP", "F1-max", "AUPRO"})
    page.write("<th class=\"n", name == "AUROC" ? " first" : "", "\" scope=\"col\">", name, "</th>");
  page.write("</tr></thead>\n");
  MetricCells cells("metrics");
  write_class_rows(page, report,
                   [&](const ClassResult& row, std::string_view name) { write_metric_row(page, row, name, cells); });
  cells.write_notes(page);
}

/// The four figures of the released protocol, if they were made.
inline void write_released_table(HtmlWriter& page, const Report& report) {
  if (!report.mean.released && (report.classes.empty() || !report.classes.front().result.released)) return;
  open_metric_table(page, "Released protocol", "in percent, rounded as the published figures are");
  page.write("<tr><td></td>");
  for (const std::string_view name : {"Pixel AUROC", "Pixel AP", "Image AUROC", "Image AP"})
    page.write("<th class=\"n\" scope=\"col\">", name, "</th>");
  page.write("</tr></thead>\n");
  MetricCells cells("released");
  write_class_rows(page, report, [&](const ClassResult& row, std::string_view name) {
    page.write("<th scope=\"row\">", name, "</th>");
    const ReleasedRow released = row.released.value_or(ReleasedRow{});
    for (const Metric* metric : {&released.pixel_auroc, &released.pixel_average_precision, &released.image_auroc,
                                 &released.image_average_precision})
      cells.write(page, *metric, false, 1);
  });
  cells.write_notes(page);
}

inline void write_summary(HtmlWriter& page, const Report& report) {
  page.write("<section id=\"summary\" aria-labelledby=\"h-summary\"><h2 id=\"h-summary\">Summary</h2>\n");
  write_tiles(page, report);
  if (!report.classes.empty()) {
    write_metric_table(page, report);
    write_released_table(page, report);
  }
  page.write("</section>\n");
}

}}}  // namespace moeclip::abi_v0_1::detail
