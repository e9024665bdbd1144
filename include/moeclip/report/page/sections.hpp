// SPDX-License-Identifier: MIT
#pragma once
// Sections of figures and tables, and where the numbers come from.

#include <string>
#include <string_view>

#include "../../base/read_number.hpp"
#include "context.hpp"
#include "forest.hpp"
#include "lines.hpp"
#include "reliability.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// True for "12", "-0.5", "3.1 %" and for an empty place; such columns stand to the right.
inline bool is_numeric_cell(std::string_view cell) {
  if (cell.empty() || cell == "-") return true;
  double ignored = 0;
  if (cell.front() == '+') cell.remove_prefix(1);
  const auto [end, error] = read_number(cell.data(), cell.data() + cell.size(), ignored);
  std::string_view rest(end, static_cast<std::size_t>(cell.data() + cell.size() - end));
  return error == std::errc() && (rest.empty() || rest == "%" || rest == " %");
}

/// Which columns hold nothing but numbers. The first does not count: it names the row.
inline std::vector<bool> numeric_columns(const ReportTable& table) {
  std::vector<bool> is_numeric(table.head.size(), !table.rows.empty());
  for (const auto& row : table.rows)
    for (std::size_t i = 0; i < row.size() && i < is_numeric.size(); ++i)
      is_numeric[i] = is_numeric[i] && is_numeric_cell(row[i]);
  if (!is_numeric.empty()) is_numeric[0] = false;
  return is_numeric;
}

inline void write_table(HtmlWriter& page, const ReportTable& table) {
  const std::vector<bool> is_numeric = numeric_columns(table);
  const std::string title = escape_html(table.title);
  page.write("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", title, "\"><table><caption><b>",
             title, "</b> ", escape_html(table.note), "</caption>\n<thead><tr>");
  for (std::size_t i = 0; i < table.head.size(); ++i)
    page.write("<th scope=\"col\"", is_numeric[i] ? " class=\"n\"" : "", '>', escape_html(table.head[i]), "</th>");
  page.write("</tr></thead>\n<tbody>\n");
  for (const auto& row : table.rows) {
    page.write("<tr>");
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_right = i < is_numeric.size() && is_numeric[i];
      page.write(i == 0 ? "<th scope=\"row\"" : "<td", is_right ? " class=\"n\">" : ">", escape_html(row[i]),
                 i == 0 ? "</th>" : "</td>");
    }
    page.write("</tr>\n");
  }
  page.write("</tbody></table></div>\n");
}

inline std::string section_id(std::size_t index) { return concat("section-", index + 1); }

inline void write_sections(HtmlWriter& page, const ReportContext& context) {
  for (std::size_t i = 0; i < context.report.sections.size(); ++i) {
    const ReportSection& section = context.report.sections[i];
    page.write("<section id=\"", section_id(i), "\" aria-labelledby=\"h-", section_id(i), "\"><h2 id=\"h-",
               section_id(i), "\">", escape_html(section.title), "</h2>\n");
    if (!section.text.empty()) page.write("<p>", escape_html(section.text), "</p>\n");
    for (const ReportChart& chart : section.charts) write_lines(page, chart);
    for (const ReportForest& forest : section.forests) write_forest(page, forest);
    if (!section.reliabilities.empty()) {
      page.write("<div class=\"charts reliabilities\">\n");
      for (const ReportReliability& one : section.reliabilities) write_reliability(page, one.reliability, one.title);
      page.write("</div>\n");
    }
    if (!section.figures.empty()) {
      page.write("<div class=\"figures large\">\n");
      for (const Figure& figure : section.figures) write_figure(page, figure, context.options.section);
      page.write("</div>\n");
    }
    for (const ReportTable& table : section.tables) write_table(page, table);
    page.write("</section>\n");
  }
}

inline void write_provenance(HtmlWriter& page, const Report& report) {
  if (report.provenance.empty()) return;
  page.write(
      "<section id=\"provenance\" aria-labelledby=\"h-provenance\"><h2 id=\"h-provenance\">Provenance</h2>\n<dl>\n");
  for (const auto& [name, value] : report.provenance)
    page.write("<dt>", escape_html(name), "</dt><dd><code>", escape_html(value), "</code></dd>\n");
  page.write("</dl></section>\n");
}

}}}  // namespace moeclip::abi_v0_1::detail
