// SPDX-License-Identifier: MIT
#pragma once
// Galleries, the table of all pictures, and a view of each picture with its figures and sentences.

#include <set>
#include <string>
#include <string_view>

#include "../../base/lists.hpp"
#include "context.hpp"
#include "outcome.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline std::string view_id(std::size_t index) { return concat("picture-", index); }

inline std::string_view truth_name(const ReportPicture& picture) {
  return !picture.is_defective ? "unknown" : *picture.is_defective ? "defective" : "good";
}

/// "found", with a sign before it, so that colour is not all there is.
inline std::string outcome_mark(Outcome outcome) {
  constexpr std::array<std::string_view, kOutcomes> kSigns{"&#10003;", "&#10005;", "!",
                                                           "&#10003;", "&#9679;",  "&#9675;"};
  return concat("<span class=\"mark-", outcome_key(outcome), "\"><span aria-hidden=\"true\">",
                kSigns[static_cast<std::size_t>(outcome)], "</span> ", outcome_name(outcome), "</span>");
}

/// The last two parts of a path: the kind of picture and its name; what comes before says little on a small tile.
inline std::string_view short_name(std::string_view path) {
  const std::size_t last = path.find_last_of("/\\");
  if (last == path.npos || last == 0) return path;
  const std::size_t before = path.find_last_of("/\\", last - 1);
  return before == path.npos ? path : path.substr(before + 1);
}

inline void write_tile_picture(HtmlWriter& page, const ReportContext& context, std::size_t index) {
  const ReportPicture& picture = context.report.pictures[index];
  context.with_figures(index, [&](const std::vector<Figure>& figures) {
    const Figure none;
    const Figure& cover = figures.empty() ? none : figures[(std::min)(picture.cover, figures.size() - 1)];
    const bool is_broad = 2 * cover.picture.width() > 3 * cover.picture.height();  // panels side by side
    page.write(is_broad ? "<li class=\"broad\">" : "<li>", "<a class=\"tile\" href=\"#", view_id(index), "\">");
    write_image(page, cover.picture, concat(picture.class_name, ", ", cover.title), context.options.cover);
  });
  page.write("<b>", fixed(picture.score, 3), "</b> ", outcome_mark(outcome_of(picture)), "<span class=\"where\">",
             escape_html(picture.class_name), "</span><span class=\"where\">", escape_path(short_name(picture.path)),
             "</span></a></li>\n");
}

inline void write_galleries(HtmlWriter& page, const ReportContext& context) {
  const auto galleries =
      galleries_of(context.report.pictures, [&](const ReportPicture& p) { return context.has_figures(p); });
  if (galleries.empty()) return;
  page.write("<section id=\"galleries\" aria-labelledby=\"h-galleries\"><h2 id=\"h-galleries\">Galleries</h2>\n");
  for (const Gallery& gallery : galleries) {
    page.write("<h3>", gallery.title, "</h3><p class=\"note\">", gallery.text, "</p>\n<ul class=\"gallery\">\n");
    for (const std::size_t index : gallery.pictures) write_tile_picture(page, context, index);
    page.write("</ul>\n");
  }
  page.write("</section>\n");
}

inline void write_option(HtmlWriter& page, std::string_view value, std::string_view name) {
  page.write("<option value=\"", value, "\">", name, "</option>");
}

inline void write_filters(HtmlWriter& page, const std::vector<ReportPicture>& pictures) {
  std::set<std::string_view> classes;
  for (const ReportPicture& picture : pictures) classes.insert(picture.class_name);
  const auto counts = count_outcomes(pictures);
  page.write("<form aria-label=\"Choose pictures\"><label>Class <select name=\"class\">");
  write_option(page, "", "all classes");
  for (const std::string_view name : classes) write_option(page, escape_html(name), escape_html(name));
  page.write("</select></label><label>Outcome <select name=\"outcome\">");
  write_option(page, "", "all outcomes");
  if (counts[static_cast<std::size_t>(Outcome::missed)] + counts[static_cast<std::size_t>(Outcome::false_alarm)] > 0)
    write_option(page, "wrong", "wrong (missed or false alarm)");
  for (std::size_t i = 0; i < kOutcomes; ++i)
    if (counts[i] > 0) write_option(page, outcome_key(static_cast<Outcome>(i)), outcome_name(static_cast<Outcome>(i)));
  page.write(
      "</select></label><label>Text <input name=\"text\" type=\"search\" placeholder=\"part of a path\" "
      "autocomplete=\"off\" spellcheck=\"false\"></label><button type=\"reset\">Show all</button>"
      "<output aria-live=\"polite\"></output></form>\n");
}

inline void write_picture_row(HtmlWriter& page, const ReportContext& context, std::size_t index) {
  const ReportPicture& picture = context.report.pictures[index];
  const Outcome outcome = outcome_of(picture);
  const std::string path = escape_path(picture.path), name = escape_html(picture.class_name);
  const bool has_view = context.has_view(picture);
  page.write("<tr role=\"row\" data-class=\"", name, "\" data-outcome=\"", outcome_key(outcome), '"');
  if (has_view) page.write(" data-view=\"", view_id(index), '"');
  page.write("><th role=\"rowheader\" scope=\"row\" data-value=\"", escape_html(picture.path), "\">");
  if (has_view)
    page.write("<a href=\"#", view_id(index), "\"><span class=\"thumb\" data-of=\"", view_id(index), "\"></span><span>",
               path, "</span></a>");
  else
    page.write("<span class=\"plain\">", path, "</span>");
  page.write("</th><td role=\"cell\" class=\"class\" data-value=\"", name, "\">", name,
             "</td><td role=\"cell\" class=\"truth\" data-value=\"", truth_name(picture), "\">", truth_name(picture),
             "</td><td role=\"cell\" class=\"outcome\" data-value=\"", outcome_name(outcome), "\">",
             outcome_mark(outcome), "</td><td role=\"cell\" class=\"n score\" data-value=\"", picture.score, "\">",
             fixed(picture.score, 3), "</td><td role=\"cell\" class=\"n seconds\" data-value=\"", picture.seconds,
             "\">", fixed(picture.seconds, 2), "</td></tr>\n");
}

inline void write_picture_table(HtmlWriter& page, const ReportContext& context) {
  const std::vector<ReportPicture>& pictures = context.report.pictures;
  if (pictures.empty()) return;
  page.write("<section id=\"pictures\" aria-labelledby=\"h-pictures\"><h2 id=\"h-pictures\">Pictures</h2>\n");
  write_filters(page, pictures);
  page.write(
      "<div class=\"scroll pictures\" role=\"region\" tabindex=\"0\" aria-label=\"All pictures\">"
      "<table role=\"table\"><caption><b>All pictures</b> flagged at ",
      has_one_threshold(context.report) ? concat("a score of ", fixed(one_threshold(context.report), 3), " or more")
                                        : "the threshold of their class",
      "</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">");
  for (const std::string_view name : {"Picture", "Class", "Truth", "Outcome"})
    page.write("<th role=\"columnheader\" scope=\"col\">", name, "</th>");
  for (const std::string_view name : {"Score", "Seconds"})
    page.write("<th role=\"columnheader\" scope=\"col\" class=\"n\">", name, "</th>");
  page.write("</tr></thead>\n<tbody role=\"rowgroup\">\n");
  for (std::size_t i = 0; i < pictures.size(); ++i) write_picture_row(page, context, i);
  page.write("</tbody></table></div></section>\n");
}

inline void write_view(HtmlWriter& page, const ReportContext& context, std::size_t index) {
  const ReportPicture& picture = context.report.pictures[index];
  page.write("<article class=\"view\" id=\"", view_id(index), "\" data-cover=\"", picture.cover, "\"><h3 id=\"h-",
             view_id(index), "\">", escape_path(picture.path), "</h3>\n<ul class=\"facts\"><li>",
             outcome_mark(outcome_of(picture)), "</li><li>score <b>", fixed(picture.score, 3), "</b>, threshold ",
             fixed(threshold_of(context.report, picture.class_name), 3), "</li><li>truth <b>", truth_name(picture),
             "</b></li><li>class <b>", escape_html(picture.class_name), "</b></li>");
  if (picture.seconds > 0) page.write("<li><b>", fixed(picture.seconds, 2), "</b> seconds</li>");
  page.write("</ul>\n");
  if (!picture.sentences.empty()) {
    page.write("<div class=\"says\">");
    for (const std::string& sentence : picture.sentences) page.write("<p>", escape_html(sentence), "</p>");
    page.write("</div>\n");
  }
  page.write("<div class=\"figures\">\n");
  context.with_figures(index, [&](const std::vector<Figure>& figures) {
    for (const Figure& figure : figures) write_figure(page, figure, context.options.figure);
  });
  page.write("</div></article>\n");
}

/// All views, one below the other; the script takes them out of the page and into a dialog.
inline void write_views(HtmlWriter& page, const ReportContext& context) {
  const std::vector<ReportPicture>& pictures = context.report.pictures;
  if (lists::none_of(pictures, [&](const ReportPicture& p) { return context.has_view(p); })) return;
  page.write("<section class=\"views\" aria-labelledby=\"h-views\"><h2 id=\"h-views\">Each picture</h2>\n");
  for (std::size_t i = 0; i < pictures.size(); ++i)
    if (context.has_view(pictures[i])) write_view(page, context, i);
  page.write("</section>\n");
}

}}}  // namespace moeclip::abi_v0_1::detail
