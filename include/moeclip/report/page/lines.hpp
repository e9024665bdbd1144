// SPDX-License-Identifier: MIT
#pragma once
// Several lines over one axis, such as the losses of a training over its steps, as inline SVG. Lines differ by colour
// and by dashes, and a list below says which is which and where each ends.

#include <algorithm>
#include <cmath>
#include <string>

#include "chart.hpp"

namespace moeclip { inline namespace abi_v0_1 {
namespace detail {

/// The plot of a line chart inside of its picture, in SVG units, and what its axes reach to.
struct LineBox {
  static constexpr double kWidth = 720, kHeight = 280, kLeft = 56, kTop = 10, kAcross = 650, kDown = 220;
  double x_from = 0, x_to = 1, y_from = 0, y_to = 1;

  [[nodiscard]] double x(double value) const { return kLeft + (value - x_from) / (x_to - x_from) * kAcross; }
  [[nodiscard]] double y(double value) const { return kTop + (y_to - value) / (y_to - y_from) * kDown; }
};

/// The axes that hold all points: y from 0, or from below it where there are such points. Numbers that are none are
/// left out, here and in the lines.
inline LineBox line_box(const ReportChart& chart) {
  LineBox box{0, 0, 0, 0};
  bool is_first = true;
  for (const ReportLine& line : chart.lines)
    for (const ReportPoint& point : line.points) {
      if (!std::isfinite(point.y)) continue;
      box.x_from = is_first ? point.x : (std::min)(box.x_from, point.x);
      box.x_to = is_first ? point.x : (std::max)(box.x_to, point.x);
      box.y_from = (std::min)(box.y_from, point.y);
      box.y_to = (std::max)(box.y_to, point.y);
      is_first = false;
    }
  if (!(box.x_to > box.x_from)) box.x_to = box.x_from + 1;
  if (!(box.y_to > box.y_from)) box.y_to = box.y_from + 1;
  return box;
}

/// A number of four digits or so, of any size.
inline std::string short_number(double value) {
  if (value == 0 || !std::isfinite(value)) return value == 0 ? "0" : "none";
  const int digits = static_cast<int>(std::floor(std::log10(std::fabs(value))));
  return fixed(value, std::clamp(3 - digits, 0, 12));
}

inline void draw_line_axes(HtmlWriter& page, const LineBox& box, const ReportChart& chart) {
  const double across = tick_step(box.x_to - box.x_from), up = tick_step(box.y_to - box.y_from);
  for (double i = std::ceil(box.x_from / across - 1e-6); i * across <= box.x_to + across * 1e-6; ++i)
    page.write("<path class=\"grid\" d=\"M", fixed(box.x(i * across), 1), ' ', LineBox::kTop, 'v', LineBox::kDown,
               "\"/><text class=\"mid\" x=\"", fixed(box.x(i * across), 1), "\" y=\"",
               LineBox::kTop + LineBox::kDown + 16, "\">", tick_text(i * across, across), "</text>");
  for (double i = std::ceil(box.y_from / up - 1e-6); i * up <= box.y_to + up * 1e-6; ++i)
    page.write("<path class=\"grid\" d=\"M", LineBox::kLeft, ' ', fixed(box.y(i * up), 1), 'h', LineBox::kAcross,
               "\"/><text class=\"end\" x=\"", LineBox::kLeft - 6, "\" y=\"", fixed(box.y(i * up) + 4, 1), "\">",
               tick_text(i * up, up), "</text>");
  page.write("<text class=\"mid name\" x=\"", LineBox::kLeft + LineBox::kAcross / 2, "\" y=\"", LineBox::kHeight - 8,
             "\">", escape_html(chart.x_name), "</text>");
}

/// The line as a path, broken where a number is none; a lone point becomes a short stroke.
inline std::string line_path(const LineBox& box, const ReportLine& line) {
  std::string path;
  bool is_open = false;
  for (const ReportPoint& point : line.points) {
    if (std::isfinite(point.y))
      path += concat(is_open ? 'L' : 'M', fixed(box.x(point.x), 1), ' ', fixed(box.y(point.y), 1));
    if (std::isfinite(point.y) && !is_open) path += "h.1";
    is_open = std::isfinite(point.y);
  }
  return path;
}

}  // namespace detail

/// The chart, with a list of its lines below. Nothing is written if there are no points.
inline void write_lines(HtmlWriter& page, const ReportChart& chart) {
  constexpr std::size_t kStyles = 6;  // of the style sheet; a seventh line looks like the first
  std::string description = concat(chart.title, ", over ", chart.x_name, ".");
  bool is_empty = true;
  for (const ReportLine& line : chart.lines) {
    if (line.points.empty()) continue;
    is_empty = false;
    description +=
        concat(' ', line.name, ": from ", detail::short_number(line.points.front().y), " at ", line.points.front().x,
               " to ", detail::short_number(line.points.back().y), " at ", line.points.back().x, '.');
  }
  if (is_empty) return;
  const detail::LineBox box = detail::line_box(chart);
  page.write("<figure class=\"chart lines\"><figcaption><b>", escape_html(chart.title), "</b> <span>",
             escape_html(chart.note), "</span></figcaption><svg viewBox=\"0 0 ", detail::LineBox::kWidth, ' ',
             detail::LineBox::kHeight, "\" role=\"img\" aria-label=\"", escape_html(description), "\">");
  detail::draw_line_axes(page, box, chart);
  for (std::size_t i = 0; i < chart.lines.size(); ++i)
    if (!chart.lines[i].points.empty())
      page.write("<path class=\"line l", i % kStyles, "\" d=\"", detail::line_path(box, chart.lines[i]), "\"/>");
  page.write("</svg>\n<ul class=\"keys\">\n");
  for (std::size_t i = 0; i < chart.lines.size(); ++i)
    if (!chart.lines[i].points.empty())
      page.write("<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line l", i % kStyles,
                 "\" d=\"M0 5h28\"/></svg>", escape_html(chart.lines[i].name), ' ',
                 detail::short_number(chart.lines[i].points.back().y), "</li>\n");
  page.write("</ul></figure>\n");
}

}}  // namespace moeclip::abi_v0_1
