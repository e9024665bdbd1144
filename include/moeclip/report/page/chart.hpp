// SPDX-License-Identifier: MIT
#pragma once
// Curves and histograms as inline SVG. Colours come from the page's style sheet, so that they follow light and dark;
// nothing is told by colour alone.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "../../eval/curves.hpp"
#include "html.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What is drawn around a curve.
struct CurveChart {
  std::string_view title;            ///< "ROC"
  std::string_view x_name, y_name;   ///< of the axes
  double x_end = 1;                  ///< the axes go from 0 to here, and from 0 to 1
  std::string area;                  ///< the number below the title, "area 0.953"
  std::string description;           ///< for those who cannot see it
  std::optional<CurvePoint> marked;  ///< where the threshold is
  std::optional<double> chance;      ///< the height of a curve by chance; on the ROC the diagonal is drawn instead
  bool has_diagonal = false;
};

namespace detail {

/// The plot inside of the picture, in SVG units.
struct PlotBox {
  static constexpr double kWidth = 260, kHeight = 250, kLeft = 46, kTop = 10, kSide = 200;
  double x_from = 0, x_to = 1, y_from = 0, y_to = 1;

  [[nodiscard]] std::string x(double value) const {
    return fixed(kLeft + (value - x_from) / (x_to - x_from) * kSide, 1);
  }
  [[nodiscard]] std::string y(double value) const { return fixed(kTop + (y_to - value) / (y_to - y_from) * kSide, 1); }
};

/// Distance of ticks whose labels do not run into each other.
inline double tick_step(double range) {
  const double step = round_step(range);
  return range / step > 6.5 ? 2 * step : step;
}

/// `value` with as many decimals as ticks `step` apart need.
inline std::string tick_text(double value, double step) {
  const int decimals = step >= 1 ? 0 : (std::min)(6, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return fixed(value == 0 ? 0.0 : value, decimals);  // never -0
}

inline void open_chart(HtmlWriter& page, std::string_view title, std::string_view note, std::string_view description) {
  page.write("<figure class=\"chart\"><figcaption><b>", escape_html(title), "</b> <span>", escape_html(note),
             "</span></figcaption><svg viewBox=\"0 0 ", PlotBox::kWidth, ' ', PlotBox::kHeight,
             "\" role=\"img\" aria-label=\"", escape_html(description), "\">");
}

inline void draw_x_axis(HtmlWriter& page, const PlotBox& box, double step, std::string_view name) {
  const std::string bottom = fixed(PlotBox::kTop + PlotBox::kSide, 1);
  for (double i = std::ceil(box.x_from / step - 1e-6); i * step <= box.x_to + step * 1e-6; ++i) {
    const std::string at = box.x(i * step);
    page.write("<path class=\"grid\" d=\"M", at, ' ', PlotBox::kTop, 'V', bottom, "\"/><text x=\"", at, "\" y=\"",
               PlotBox::kTop + PlotBox::kSide + 16, "\" class=\"mid\">", tick_text(i * step, step), "</text>");
  }
  page.write("<text class=\"mid name\" x=\"", PlotBox::kLeft + PlotBox::kSide / 2, "\" y=\"", PlotBox::kHeight - 6,
             "\">", escape_html(name), "</text>");
}

inline void draw_y_name(HtmlWriter& page, std::string_view name) {
  const double middle = PlotBox::kTop + PlotBox::kSide / 2;
  page.write("<text class=\"mid name\" transform=\"rotate(-90 7 ", middle, ")\" x=\"7\" y=\"", middle + 4, "\">",
             escape_html(name), "</text>");
}

inline void draw_y_axis(HtmlWriter& page, const PlotBox& box, double step, std::string_view name) {
  for (double i = std::ceil(box.y_from / step - 1e-6); i * step <= box.y_to + step * 1e-6; ++i) {
    const double height = PlotBox::kTop + (box.y_to - i * step) / (box.y_to - box.y_from) * PlotBox::kSide;
    page.write("<path class=\"grid\" d=\"M", PlotBox::kLeft, ' ', fixed(height, 1), 'h', PlotBox::kSide,
               "\"/><text class=\"end\" x=\"", PlotBox::kLeft - 6, "\" y=\"", fixed(height + 4, 1), "\">",
               tick_text(i * step, step), "</text>");
  }
  draw_y_name(page, name);
}

/// "M44 210L45 200...": tenths of a unit are finer than any screen shows.
inline std::string svg_path(const PlotBox& box, const Curve& curve) {
  std::string path, last;
  for (const CurvePoint& point : curve.points) {
    std::string next = concat(box.x(point.x), ' ', box.y(point.y));
    if (next == last) continue;
    path += concat(path.empty() ? 'M' : 'L', next);
    last = std::move(next);
  }
  return path;
}

/// One series of the histogram, growing from the middle by `direction` (-1 up, 1 down).
inline void draw_bars(HtmlWriter& page, const ScoreHistogram& histogram,
                      const std::array<std::uint64_t, ScoreHistogram::kBins>& counts, double most, double direction) {
  const double middle = PlotBox::kTop + PlotBox::kSide / 2, width = PlotBox::kSide / ScoreHistogram::kBins;
  const double bin = (histogram.highest - histogram.lowest) / static_cast<double>(ScoreHistogram::kBins);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    const auto index = static_cast<double>(i);
    const double height = (std::max)(static_cast<double>(counts[i]) / most * (PlotBox::kSide / 2 - 4), 1.0);
    page.write("<rect class=\"", direction < 0 ? "good" : "bad", "\" x=\"", fixed(PlotBox::kLeft + index * width, 1),
               "\" y=\"", fixed(direction < 0 ? middle - height : middle, 1), "\" width=\"", fixed(width - 1, 1),
               "\" height=\"", fixed(height, 1), "\"><title>", fixed(histogram.lowest + index * bin, 3), " to ",
               fixed(histogram.lowest + (index + 1) * bin, 3), ": ", counts[i], direction < 0 ? " good" : " defective",
               "</title></rect>");
  }
}

/// The threshold as a dashed line, or an arrow at the side where it lies outside.
inline void draw_threshold(HtmlWriter& page, const ScoreHistogram& histogram, double threshold) {
  const bool is_left = threshold < histogram.lowest, is_inside = !is_left && threshold <= histogram.highest;
  const double share = (threshold - histogram.lowest) / (histogram.highest - histogram.lowest);
  const double x = PlotBox::kLeft + PlotBox::kSide * std::clamp(share, 0.0, 1.0), y = PlotBox::kTop;
  if (is_inside)
    page.write("<path class=\"limit\" d=\"M", fixed(x, 1), ' ', y, 'v', PlotBox::kSide, "\"/>");
  else
    page.write("<path class=\"limit\" d=\"M", fixed(x, 1), ' ', y + 20,
               is_left ? "h14m-14 0l6 -4m-6 4l6 4" : "h-14m14 0l-6 -4m6 4l-6 4", "\"/>");
  const bool is_end = share > 0.5;
  page.write("<text class=\"", is_end ? "end" : "start", " name\" x=\"", fixed(x + (is_end ? -5 : 5), 1), "\" y=\"",
             y + 12, "\">threshold ", fixed(threshold, 3), "</text>");
}

}  // namespace detail

/// A curve in a square plot.
inline void write_curve(HtmlWriter& page, const Curve& curve, const CurveChart& chart) {
  using detail::PlotBox;
  const PlotBox box{0, chart.x_end, 0, 1};
  detail::open_chart(page, chart.title, chart.area, chart.description);
  detail::draw_x_axis(page, box, detail::tick_step(chart.x_end), chart.x_name);
  detail::draw_y_axis(page, box, 0.2, chart.y_name);
  if (chart.has_diagonal)
    page.write("<path class=\"chance\" d=\"M", box.x(0), ' ', box.y(0), 'L', box.x(1), ' ', box.y(1), "\"/>");
  if (chart.chance)
    page.write("<path class=\"chance\" d=\"M", box.x(0), ' ', box.y(*chart.chance), 'h', PlotBox::kSide, "\"/>");
  const std::string path = detail::svg_path(box, curve);
  page.write("<path class=\"area\" d=\"", path, 'V', box.y(0), 'H', box.x(curve.points.front().x),
             "Z\"/><path class=\"curve\" d=\"", path, "\"/>");
  if (chart.marked)
    page.write("<circle class=\"mark\" r=\"4.5\" cx=\"", box.x(chart.marked->x), "\" cy=\"", box.y(chart.marked->y),
               "\"><title>at the threshold</title></circle>");
  page.write("</svg></figure>\n");
}

/// Good pictures above the line, defective ones below.
inline void write_histogram(HtmlWriter& page, const ScoreHistogram& histogram, double threshold,
                            std::string_view description) {
  using detail::PlotBox;
  const detail::PlotBox box{histogram.lowest, histogram.highest, 0, 1};
  const double most =
      static_cast<double>((std::max)({std::uint64_t{1}, *std::max_element(histogram.good.begin(), histogram.good.end()),
                                      *std::max_element(histogram.defective.begin(), histogram.defective.end())}));
  const double middle = PlotBox::kTop + PlotBox::kSide / 2;
  detail::open_chart(page, "Scores", "pictures per score", description);
  detail::draw_x_axis(page, box, detail::tick_step(histogram.highest - histogram.lowest), "score");
  detail::draw_y_name(page, "defective     good");
  for (const double sign : {-1.0, 1.0})
    page.write("<text class=\"end\" x=\"", PlotBox::kLeft - 6, "\" y=\"",
               fixed(middle + sign * (PlotBox::kSide / 2 - 4) + 4, 1), "\">", most, "</text>");
  page.write("<text class=\"end\" x=\"", PlotBox::kLeft - 6, "\" y=\"", middle + 4, "\">0</text>");
  detail::draw_bars(page, histogram, histogram.good, most, -1);
  detail::draw_bars(page, histogram, histogram.defective, most, 1);
  page.write("<path class=\"axis\" d=\"M", PlotBox::kLeft, ' ', middle, 'h', PlotBox::kSide, "\"/>");
  detail::draw_threshold(page, histogram, threshold);
  page.write("</svg></figure>\n");
}

}}  // namespace moeclip::abi_v0_1
