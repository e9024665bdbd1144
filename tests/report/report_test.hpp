// SPDX-License-Identifier: MIT
#pragma once
// A small report, and a strict look at whether its markup is whole.

#include <moeclip/report/page/chart.hpp>
#include <moeclip/report/page/html.hpp>
#include <moeclip/report/page/pictures.hpp>
#include <moeclip/report/page/script.hpp>
#include <moeclip/report/page/sections.hpp>
#include <moeclip/report/page/summary.hpp>
#include <moeclip/report/report.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What is wrong with the tags of `html`, "" if each that opens also closes, in order, and no two ids are equal.
inline std::string markup_error(std::string_view html) {
  const std::set<std::string_view> no_end{"meta", "link", "img", "input", "br", "wbr"};
  std::vector<std::string_view> open;
  std::set<std::string_view> ids;
  for (std::size_t at = html.find('<'); at != html.npos; at = html.find('<', at)) {
    const bool is_end = html.substr(at).starts_with("</");
    const std::size_t name_at = at + (is_end ? 2 : 1);
    std::size_t end = name_at;
    for (char quote = 0; end < html.size() && (quote != 0 || html[end] != '>'); ++end) {
      if (html[end] == '"') quote = quote != 0 ? 0 : '"';
      if (quote == 0 && html[end] == '<') return moeclip::concat("< inside of a tag at ", end);
    }
    if (end >= html.size()) return moeclip::concat("no end of the tag at ", at);
    const std::string_view inside = html.substr(name_at, end - name_at);
    const std::string_view name = inside.substr(0, inside.find_first_of(" \n/"));
    if (const std::size_t id = inside.find(" id=\""); id != inside.npos) {
      const std::string_view value = inside.substr(id + 5, inside.find('"', id + 5) - id - 5);
      if (!ids.insert(value).second) return moeclip::concat("two ids ", value);
    }
    at = end + 1;
    if (is_end) {
      if (open.empty() || open.back() != name)
        return moeclip::concat("</", name, "> closes ", open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (name.starts_with("!") || no_end.contains(name) || inside.ends_with("/")) {
      continue;
    } else {
      open.push_back(name);
      if (name == "script" || name == "style") at = html.find(moeclip::concat("</", name), at);
    }
  }
  return open.empty() ? std::string() : moeclip::concat("<", open.back(), "> stays open");
}

inline moeclip::Image gray_picture(moeclip::index_t width, moeclip::index_t height, std::uint8_t value) {
  moeclip::Image image(width, height, 1);
  image.fill(value);
  return image;
}

/// Two classes, five pictures with hostile names, one section.
inline moeclip::Report small_report() {
  using namespace moeclip;  // NOLINT
  Report report{"A \"title\" & more", "One <sentence>.", 0.5, {}, {}, {}, {}, {}};
  const auto add = [&](const char* path, std::optional<bool> truth, double score, index_t side) {
    ReportPicture picture{path, "nut & bolt", truth, score, score >= 0.5, 0.1, {}, {"It's a <scratch>."}, 1};
    picture.figures.push_back({"Input", "The \"input\".", gray_picture(side, side, 100)});
    picture.figures.push_back({"Map", "", gray_picture(side, side, 200)});
    report.pictures.push_back(std::move(picture));
  };
  add("a/<script>alert('x')</script>.png", true, 0.9, 8);
  add("b/\"quoted\"&amp;.png", true, 0.1, 700);
  add("c/\xC3\xBCmlaut \xFF\xFE.png", false, 0.7, 8);
  add("d/good.png", false, 0.2, 8);
  report.pictures.push_back({"no/figures.png", "nut & bolt", std::nullopt, 0.6, true, 0.1, {}, {}, 0});
  ScoreTable images({.is_exact = true}), pixels;
  for (const ReportPicture& picture : report.pictures)
    if (picture.is_defective) images.add_image(static_cast<float>(picture.score), *picture.is_defective);
  ReportClass shown{{"nut & bolt", 4, 2, 0, images.metrics(), pixels.metrics(), {}},
                    curves_of(images),
                    curves_of(pixels),
                    histogram_of(images)};
  report.classes = {shown, shown};
  report.classes[1].result.name = "second";
  const std::vector<ClassResult> rows{report.classes[0].result, report.classes[1].result};
  report.mean = mean_of(rows);
  report.sections.push_back(
      {"Experts <4>",
       "Text.",
       {{"Load", "Bars.", gray_picture(4, 4, 1)}},
       {{"Table", "note", {"Name", "Number"}, {{"a", "-1.5"}, {"b", "2 %"}}}},
       {{"Chart <1>", "note", "step", {{"one & two", {{1, 2}, {2, 0.5}, {3, 1e-7}}}, {"none", {}}}}}});
  report.tiles = {{"1 < 2", "things & more"}};
  report.provenance = {{"command", "moeclip eval <dir> && true"}};
  return report;
}
