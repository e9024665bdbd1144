// SPDX-License-Identifier: MIT
#pragma once
// Intervals below each other over one axis, as inline SVG: a forest plot. An interval on one side of zero is thicker,
// and has a square in its middle instead of a disc, so that nothing is told by colour alone.

#include <algorithm>
#include <cmath>
#include <string>

#include "lines.hpp"

namespace moeclip { inline namespace abi_v0_1 {
namespace detail {

/// The plot of intervals inside of its picture, in SVG units. Zero is always on the axis.
struct ForestBox {
  static constexpr double kWidth = 720, kLeft = 200, kAcross = 500, kRow = 22, kTop = 6, kBelow = 40;
  double from = 0, to = 0;

  explicit ForestBox(const ReportForest& forest) {
    for (const ReportInterval& row : forest.rows)
      for (const double value : {row.middle, row.low, row.high}) {
        if (!std::isfinite(value)) continue;
        from = (std::min)(from, value);
        to = (std::max)(to, value);
      }
    const double margin = to > from ? 0.04 * (to - from) : 1;
    from -= margin;
    to += margin;
  }
  [[nodiscard]] double x(double value) const { return kLeft + (value - from) / (to - from) * kAcross; }
};

/// The beginning of a name that fits beside the plot; the whole is in the title of the row.
inline std::string name_beside(std::string_view name) {
  constexpr std::size_t kLetters = 30;
  if (name.size() <= kLetters) return std::string(name);
  std::string shown(name.substr(0, kLetters - 3));
  while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0x80) != 0) shown.pop_back();
  return shown + "...";
}

inline std::string with_sign(double value) { return concat(value >= 0 ? "+" : "", fixed(value, 2)); }

inline bool has_ends(const ReportInterval& row) { return std::isfinite(row.low) && std::isfinite(row.high); }

/// "clear: +2.00 (+1.00 to +3.00)"
inline std::string interval_words(const ReportInterval& row) {
  std::string text = concat(row.name, ": ", with_sign(row.middle));
  if (has_ends(row)) text += concat(" (", with_sign(row.low), " to ", with_sign(row.high), ")");
  return text;
}

inline void draw_interval(HtmlWriter& page, const ForestBox& box, const ReportInterval& row, double y) {
  const bool is_shown = has_ends(row) && (row.low > 0 || row.high < 0);
  page.write("<g><title>", escape_html(interval_words(row)), "</title><text class=\"end\" x=\"", ForestBox::kLeft - 10,
             "\" y=\"", fixed(y + 4, 1), "\">", escape_html(name_beside(row.name)), "</text>");
  if (has_ends(row))
    page.write("<path class=\"span", is_shown ? " shown" : "", "\" d=\"M", fixed(box.x(row.low), 1), ' ', fixed(y, 1),
               'H', fixed(box.x(row.high), 1), "\"/>");
  const double at = box.x(row.middle);
  if (is_shown)
    page.write("<rect class=\"dot shown\" x=\"", fixed(at - 4, 1), "\" y=\"", fixed(y - 4, 1),
               "\" width=\"8\" height=\"8\"/></g>");
  else
    page.write("<circle class=\"dot\" cx=\"", fixed(at, 1), "\" cy=\"", fixed(y, 1), "\" r=\"3.5\"/></g>");
}

}  // namespace detail

/// The plot. Rows whose middle is no number are left out; nothing is written if there are no others.
inline void write_forest(HtmlWriter& page, const ReportForest& forest) {
  using Frame = detail::ForestBox;
  ReportForest shown = forest;
  std::erase_if(shown.rows, [](const ReportInterval& row) { return !std::isfinite(row.middle); });
  if (shown.rows.empty()) return;
  const Frame box(shown);
  const double down = Frame::kRow * static_cast<double>(shown.rows.size()), bottom = Frame::kTop + down;
  std::string description = concat(shown.title, ", ", shown.x_name, ".");
  for (const ReportInterval& row : shown.rows) description += concat(' ', detail::interval_words(row), '.');
  page.write("<figure class=\"chart lines\"><figcaption><b>", escape_html(shown.title), "</b> <span>",
             escape_html(shown.note), "</span></figcaption><svg viewBox=\"0 0 ", Frame::kWidth, ' ',
             fixed(bottom + Frame::kBelow, 0), "\" role=\"img\" aria-label=\"", escape_html(description), "\">");
  const double step = detail::tick_step(box.to - box.from);
  for (double i = std::ceil(box.from / step - 1e-6); i * step <= box.to + step * 1e-6; ++i)
    page.write("<path class=\"grid\" d=\"M", fixed(box.x(i * step), 1), ' ', Frame::kTop, 'V', fixed(bottom, 1),
               "\"/><text class=\"mid\" x=\"", fixed(box.x(i * step), 1), "\" y=\"", fixed(bottom + 14, 1), "\">",
               detail::tick_text(i * step, step), "</text>");
  page.write("<path class=\"limit\" d=\"M", fixed(box.x(0), 1), ' ', Frame::kTop, 'V', fixed(bottom, 1), "\"/>");
  for (std::size_t i = 0; i < shown.rows.size(); ++i)
    detail::draw_interval(page, box, shown.rows[i], Frame::kTop + Frame::kRow * (static_cast<double>(i) + 0.5));
  page.write("<text class=\"mid name\" x=\"", Frame::kLeft + Frame::kAcross / 2, "\" y=\"", fixed(bottom + 32, 1),
             "\">", escape_html(shown.x_name), "</text></svg></figure>\n");
}

}}  // namespace moeclip::abi_v0_1
