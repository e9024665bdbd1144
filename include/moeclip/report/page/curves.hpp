// SPDX-License-Identifier: MIT
#pragma once
// The curves and the score histogram of each class. Many classes stay readable because each is a line of figures that
// opens; the first of several is open.

#include <string>
#include <string_view>

#include "chart.hpp"
#include "summary.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// What the threshold does to the pictures of one class; its rates are points on the curves of the pictures.
struct OperatingPoint {
  double true_positives = 0, false_positives = 0, positives = 0, negatives = 0;

  /// True if the report has all pictures of the class, so that the point lies on its curves.
  [[nodiscard]] bool is_of(const ClassResult& row) const {
    return positives > 0 && negatives > 0 && positives == static_cast<double>(row.anomalous) &&
           positives + negatives == static_cast<double>(row.pictures);
  }
  [[nodiscard]] double recall() const { return true_positives / positives; }
};

inline OperatingPoint operating_point(const Report& report, std::string_view class_name) {
  OperatingPoint point;
  for (const ReportPicture& picture : report.pictures) {
    if (!picture.is_defective || picture.class_name != class_name) continue;
    (*picture.is_defective ? point.positives : point.negatives) += 1;
    if (picture.is_flagged) (*picture.is_defective ? point.true_positives : point.false_positives) += 1;
  }
  return point;
}

/// The height of a drawn curve at x.
inline double height_at(const Curve& curve, double x) {
  double height = curve.points.front().y;
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    const CurvePoint &a = curve.points[i - 1], &b = curve.points[i];
    if (a.x > x) break;
    height = b.x <= x ? b.y : a.y + (b.y - a.y) * (x - a.x) / (b.x - a.x);
  }
  return height;
}

inline std::string metric_text(const Metric& metric) { return fixed(metric.value * 100, 1); }

/// "area 95.3" below the name of a curve; nothing if the metric is not defined although there is a curve.
inline std::string area_text(const Metric& metric) {
  return metric.is_defined() ? concat("area ", metric_text(metric)) : std::string();
}

/// "ROC curve of bolt, pictures: area 0.953. Height 0.80 at 0.05, 0.91 at 0.10, ..."
inline std::string describe_curve(const Curve& curve, const CurveChart& chart, std::string_view of) {
  std::string text =
      concat(chart.title, " curve, ", of, chart.area.empty() ? "" : ": ", chart.area, ". ", chart.y_name, " is ");
  for (const double share : {0.1, 0.25, 0.5})
    text += concat(fixed(height_at(curve, share * chart.x_end), 2), " at ", chart.x_name, ' ',
                   fixed(share * chart.x_end, 3), share < 0.5 ? ", " : ".");
  return text;
}

inline void write_described(HtmlWriter& page, const Curve& curve, CurveChart chart, std::string_view of) {
  if (curve.points.empty()) return;
  chart.description = describe_curve(curve, chart, of);
  write_curve(page, curve, chart);
}

/// ROC and precision-recall of one level.
inline void write_level(HtmlWriter& page, const ClassCurves& curves, const Metrics& metrics, std::string_view of,
                        const OperatingPoint* point) {
  CurveChart roc{"ROC", "false positive rate", "true positive rate", 1, area_text(metrics.auroc), {}, {}, {}, true};
  CurveChart precision{
      "Precision-recall", "recall", "precision", 1, area_text(metrics.average_precision), {}, {}, {}, false};
  if (point != nullptr) {
    const double flagged = point->true_positives + point->false_positives;
    roc.marked = CurvePoint{point->false_positives / point->negatives, point->recall()};
    if (flagged > 0) precision.marked = CurvePoint{point->recall(), point->true_positives / flagged};
    precision.chance = point->positives / (point->positives + point->negatives);
  }
  write_described(page, curves.roc, roc, of);
  write_described(page, curves.precision_recall, precision, of);
}

inline std::string describe_histogram(const ScoreHistogram& scores, std::string_view of) {
  const auto sums = [](const auto& counts) {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts) sum += count;
    return sum;
  };
  return concat("Histogram of the scores of ", of, " between ", fixed(scores.lowest, 3), " and ",
                fixed(scores.highest, 3), ": ", sums(scores.good), " good pictures above the line, ",
                sums(scores.defective), " defective ones below it.");
}

inline void write_class_charts(HtmlWriter& page, const Report& report, const ReportClass& shown) {
  const ClassResult& row = shown.result;
  const OperatingPoint point = operating_point(report, row.name);
  const bool has_point = point.is_of(row);
  page.write("<h3>Image level</h3><div class=\"charts\">\n");
  write_level(page, shown.image, row.image, concat("pictures of ", row.name), has_point ? &point : nullptr);
  write_histogram(page, shown.scores, threshold_of(report, row.name), describe_histogram(shown.scores, row.name));
  page.write("</div>\n");
  if (shown.pixel.roc.points.empty() && shown.pixel.overlap.points.empty()) return;
  page.write("<h3>Pixel level</h3><div class=\"charts\">\n");
  write_level(page, shown.pixel, row.pixel, concat("pixels of ", row.name), nullptr);
  write_described(page, shown.pixel.overlap,
                  {"Overlap (PRO)",
                   "false positive rate",
                   "mean overlap",
                   shown.pixel.false_positive_limit,
                   area_text(row.pixel.aupro),
                   {},
                   {},
                   {},
                   false},
                  concat("regions of ", row.name));
  page.write("</div>\n");
}

/// The line that opens the charts of a class.
inline void write_class_line(HtmlWriter& page, const ClassResult& row) {
  page.write("<summary><b>", escape_html(row.name), "</b>");
  if (row.image.auroc.is_defined()) page.write("<span>image AUROC ", metric_text(row.image.auroc), "</span>");
  if (row.pixel.auroc.is_defined()) page.write("<span>pixel AUROC ", metric_text(row.pixel.auroc), "</span>");
  if (row.pixel.aupro.is_defined()) page.write("<span>AUPRO ", metric_text(row.pixel.aupro), "</span>");
  page.write("</summary>\n");
}

inline void write_curves(HtmlWriter& page, const Report& report) {
  if (report.classes.empty()) return;
  page.write(
      "<section id=\"curves\" aria-labelledby=\"h-curves\"><h2 id=\"h-curves\">Curves and scores</h2>\n<p "
      "class=\"note\">"
      "Drawn from the counts that make the numbers; areas are in percent. A ring marks the threshold, a dashed "
      "line what guessing would reach. Bars are pictures: good ones upwards, defective ones downwards.</p>\n");
  const bool is_alone = report.classes.size() == 1;
  for (std::size_t i = 0; i < report.classes.size(); ++i) {
    const ReportClass& shown = report.classes[i];
    page.write(is_alone ? "<div class=\"alone\" id=\""
               : i == 0 ? "<details open id=\""
                        : "<details id=\"",
               class_id(i), "\">");
    if (!is_alone) write_class_line(page, shown.result);
    write_class_charts(page, report, shown);
    page.write(is_alone ? "</div>\n" : "</details>\n");
  }
  page.write("</section>\n");
}

}}}  // namespace moeclip::abi_v0_1::detail
