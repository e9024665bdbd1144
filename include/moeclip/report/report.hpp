// SPDX-License-Identifier: MIT
#pragma once
// Writes a report as one HTML file that holds everything: pictures, curves, style and a small script. The page asks no
// network for anything, and a policy in its head forbids it to.

#include <cstddef>
#include <string>
#include <vector>

#include "../base/function_ref.hpp"
#include "../base/lists.hpp"
#include "contents.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The report in one piece.
std::string to_html(const Report& report, const ReportOptions& options = {});

/// Writes the report piece by piece, under a temporary name that becomes `path` when it is whole. Throws io.
void write_report(const std::string& path, const Report& report, const ReportOptions& options = {});

/// The same with figures that are made when they are needed; those in the report's pictures are not looked at.
void write_report(const std::string& path, const Report& report, FigureSource figures,
                  const ReportOptions& options = {});

/// Numbers of the pictures that the galleries of the page show, ascending: those whose figures are needed.
std::vector<std::size_t> shown_pictures(const Report& report);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_REPORT)

#include <algorithm>
#include <string_view>

#include "../io/file.hpp"
#include "../io/sha256.hpp"
#include "page/curves.hpp"
#include "page/pictures.hpp"
#include "page/script.hpp"
#include "page/sections.hpp"
#include "page/style.hpp"
#include "page/summary.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// 'sha256-...' of an inline script or style, by which a policy lets it pass and nothing else.
inline std::string policy_hash(std::string_view text) {
  Sha256 hash;
  hash.update(as_bytes(text));
  const auto digest = hash.finish();
  return concat("'sha256-", base64(std::as_bytes(std::span(digest))), "'");
}

inline void write_head(HtmlWriter& page, const Report& report) {
  page.write(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src ",
      policy_hash(kPageStyle), "; script-src ", policy_hash(kPageScript),
      "; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"moeclip ",
      MOECLIP_VERSION_STRING, "\">\n<title>", escape_html(report.title),
      "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>", kPageStyle, "</style>\n</head>\n<body>\n");
}

inline void write_link(HtmlWriter& page, std::string_view id, std::string_view name) {
  page.write("<li><a href=\"#", id, "\">", escape_html(name), "</a></li>\n");
}

inline void write_navigation(HtmlWriter& page, const ReportContext& context) {
  const Report& report = context.report;
  const bool has_covers =
      lists::any_of(report.pictures, [&](const ReportPicture& p) { return context.has_figures(p); });
  page.write("<nav aria-label=\"Contents\"><ul>\n");
  write_link(page, "summary", "Summary");
  if (!report.classes.empty()) write_link(page, "curves", "Curves");
  if (has_covers) write_link(page, "galleries", "Galleries");
  if (!report.pictures.empty()) write_link(page, "pictures", "Pictures");
  for (std::size_t i = 0; i < report.sections.size(); ++i) write_link(page, section_id(i), report.sections[i].title);
  if (!report.provenance.empty()) write_link(page, "provenance", "Provenance");
  page.write("</ul></nav>\n");
}

inline void write_page(HtmlWriter& page, const ReportContext& context) {
  const Report& report = context.report;
  write_head(page, report);
  page.write("<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header><h1>", escape_html(report.title),
             "</h1>\n<p class=\"verdict\">", escape_html(report.summary), "</p></header>\n");
  write_navigation(page, context);
  page.write("<main id=\"main\" tabindex=\"-1\">\n");
  write_summary(page, report);
  write_curves(page, report);
  write_galleries(page, context);
  write_picture_table(page, context);
  write_sections(page, context);
  write_provenance(page, report);
  write_views(page, context);
  page.write("</main>\n<footer>Made by moeclip ", MOECLIP_VERSION_STRING,
             ". This file is complete: it loads nothing from elsewhere.</footer>\n"
             "<dialog><div class=\"bar\"><p aria-live=\"polite\"></p>"
             "<button type=\"button\" data-do=\"previous\" aria-keyshortcuts=\"ArrowLeft\">Previous</button>"
             "<button type=\"button\" data-do=\"next\" aria-keyshortcuts=\"ArrowRight\">Next</button>"
             "<button type=\"button\" data-do=\"close\" aria-keyshortcuts=\"Escape\">Close</button></div>"
             "<div class=\"slot\"></div></dialog>\n<script>",
             kPageScript, "</script>\n</body>\n</html>\n");
  page.flush();
}

inline void write_report_file(const std::string& path, const ReportContext& context) {
  FileWriter file(path);
  const auto append = [&](std::string_view piece) { file.write(as_bytes(piece)); };
  HtmlWriter page(append);
  write_page(page, context);
  file.commit();
}

}  // namespace detail

MOECLIP_FUNC std::string to_html(const Report& report, const ReportOptions& options) {
  std::string html;
  const auto append = [&](std::string_view piece) { html += piece; };
  HtmlWriter page(append);
  detail::write_page(page, {report, options, std::nullopt});
  return html;
}

MOECLIP_FUNC void write_report(const std::string& path, const Report& report, const ReportOptions& options) {
  detail::write_report_file(path, {report, options, std::nullopt});
}

MOECLIP_FUNC void write_report(const std::string& path, const Report& report, FigureSource figures,
                               const ReportOptions& options) {
  detail::write_report_file(path, {report, options, figures});
}

MOECLIP_FUNC std::vector<std::size_t> shown_pictures(const Report& report) {
  std::vector<std::size_t> shown;
  const auto any = [](const ReportPicture&) { return true; };
  for (const Gallery& gallery : galleries_of(report.pictures, any))
    shown.insert(shown.end(), gallery.pictures.begin(), gallery.pictures.end());
  lists::sort(shown);
  shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
  return shown;
}

}}  // namespace moeclip::abi_v0_1

#endif
