// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>

#include "expect_error.hpp"
#include "report_test.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

std::string text_of_file(const std::string& path) { return std::string(as_text(read_file(path, 1 << 28))); }

index_t count_of(std::string_view text, std::string_view part) {
  index_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("markup_error finds what is wrong") {
  CHECK(markup_error("<p><b>x</b></p>").empty());
  CHECK_FALSE(markup_error("<p><b>x</p></b>").empty());
  CHECK_FALSE(markup_error("<p>").empty());
  CHECK_FALSE(markup_error("<p id=\"a\"></p><p id=\"a\"></p>").empty());
}

TEST_CASE("report: markup is whole and text stays text") {
  const std::string html = to_html(small_report());
  CHECK(markup_error(html) == "");
  CHECK(html.starts_with("<!DOCTYPE html>"));
  CHECK_FALSE(contains(html, "<script>alert"));
  CHECK(contains(html, "a/&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;.png"));
  CHECK(contains(html, "b/&quot;quoted&quot;&amp;amp;.png"));
  CHECK(contains(html, "\xC3\xBCmlaut \xEF\xBF\xBD\xEF\xBF\xBD.png"));
  CHECK(contains(html, "<title>A &quot;title&quot; &amp; more</title>"));
  CHECK(contains(html, "One &lt;sentence&gt;."));
  CHECK(contains(html, "It&#39;s a &lt;scratch&gt;."));
  CHECK(contains(html, "moeclip eval &lt;dir&gt; &amp;&amp; true"));
  CHECK(std::ranges::all_of(kPageScript, [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

TEST_CASE("report: lines over one axis") {
  const auto page_of = [](const ReportChart& chart) {
    std::string html;
    const auto append = [&](std::string_view piece) { html += piece; };
    HtmlWriter page(append);
    write_lines(page, chart);
    page.flush();
    return html;
  };
  const double none = std::nan("");
  const std::string html = page_of({"A <b>", "", "step", {{"one", {{1, 2}, {2, none}, {3, 0}}}, {"two", {{2, 1}}}}});
  CHECK(markup_error(html) == "");
  CHECK(contains(html, "A &lt;b&gt;, over step. one: from 2.000 at 1 to 0 at 3. two: from 1.000 at 2 to 1.000 at 2."));
  CHECK(contains(html, "M56.0 10.0h.1M706.0 230.0h.1"));  // broken where there is no number
  CHECK(contains(html, "M381.0 120.0h.1"));
  CHECK(count_of(html, "<li>") == 2);
  CHECK_FALSE(contains(html, "nan"));
  CHECK(page_of({"empty", "", "step", {{"one", {}}}}).empty());
  const std::string flat = page_of({"flat", "", "step", {{"one", {{1, 0}}}}});  // one point, no height
  CHECK_FALSE(contains(flat, "nan"));
  CHECK_FALSE(contains(flat, "inf"));
  CHECK(contains(page_of({"below", "", "step", {{"one", {{1, -5}, {2, -4}}}}}), "-4"));
  CHECK(contains(to_html(small_report()), "<li><b>1 &lt; 2</b><span>things &amp; more</span></li>"));
}

TEST_CASE("report: intervals below each other") {
  const auto page_of = [](const ReportForest& forest) {
    std::string html;
    const auto append = [&](std::string_view piece) { html += piece; };
    HtmlWriter page(append);
    write_forest(page, forest);
    page.flush();
    return html;
  };
  const double none = std::nan("");
  const std::string html = page_of(
      {"A <b>",
       "a & b",
       "points",
       {{"clear", 2, 1, 3}, {"<open>", -0.5, -2, 1}, {"alone", 1, none, none}, {"left out", none, none, none}}});
  CHECK(markup_error(html) == "");
  CHECK(contains(html, "A &lt;b&gt;, points. clear: +2.00 (+1.00 to +3.00). &lt;open&gt;: -0.50 (-2.00 to +1.00)."));
  CHECK(count_of(html, "<rect class=\"dot shown\"") == 1);  // the one that leaves zero out
  CHECK(count_of(html, "<circle") == 2);
  CHECK(count_of(html, "<path class=\"span") == 2);
  CHECK(contains(html, "M200.0") == false);              // the axis has a margin
  CHECK(contains(html, "<path class=\"limit\" d=\"M"));  // zero
  CHECK_FALSE(contains(html, "nan"));
  CHECK_FALSE(contains(html, "left out"));
  CHECK(page_of({"empty", "", "points", {}}).empty());
  CHECK_FALSE(contains(page_of({"flat", "", "points", {{"zero", 0, 0, 0}}}), "nan"));
  const std::string longer = page_of({"long", "", "points", {{std::string(40, 'a'), 1, 0, 2}}});
  CHECK(contains(longer, std::string(27, 'a') + "...</text>"));
  CHECK(contains(longer, "<title>" + std::string(40, 'a')));
}

TEST_CASE("report: asks no network for anything, and runs no script but its own") {
  const std::string html = to_html(small_report());
  CHECK_FALSE(contains(html, "http:"));
  CHECK_FALSE(contains(html, "https:"));
  CHECK_FALSE(contains(html, "url("));
  CHECK(contains(html, "default-src 'none'; img-src data:; style-src 'sha256-"));
  CHECK(count_of(html, "<script") == 1);
  CHECK(count_of(html, " style=") == 0);  // the policy would not let it pass
}

TEST_CASE("report: everything has its place") {
  const std::string html = to_html(small_report());
  for (const std::string_view id : {"summary", "curves", "galleries", "pictures", "section-1", "provenance", "class-1",
                                    "class-2", "picture-0", "picture-3"}) {
    CAPTURE(id);
    CHECK(contains(html, concat("id=\"", id, "\"")));
  }
  CHECK_FALSE(contains(html, "id=\"picture-4\""));  // it has nothing to view
  CHECK(count_of(html, "<tr role=\"row\" data-class") == 5);
  CHECK(contains(html, "Not defined: there are no scores."));  // of the pixels
  CHECK(contains(html, "alt=\"The &quot;input&quot;.\""));
  CHECK(contains(html, "alt=\"Map\""));  // a figure without description
  CHECK(contains(html, "<figure class=\"wide\"><img width=\"640\" height=\"640\""));
  CHECK_FALSE(contains(html, "<img width=\"700\""));
  CHECK(contains(html, ">1 of 2</a></b><span>defective pictures missed"));
  CHECK(contains(html, ">1 of 2</a></b><span>good pictures flagged"));
  CHECK(contains(html, "<th scope=\"col\" class=\"n\">Number</th>"));
  CHECK(contains(html, "ROC curve, pictures of nut &amp; bolt: area 50.0."));
}

TEST_CASE("report: nothing to show is a page too") {
  CHECK(markup_error(to_html(Report{})) == "");
  Report pictures_only = small_report();
  pictures_only.classes.clear();
  for (ReportPicture& picture : pictures_only.pictures) picture.is_defective.reset();
  const std::string html = to_html(pictures_only);
  CHECK(markup_error(html) == "");
  CHECK(contains(html, "Highest scores"));
  CHECK_FALSE(contains(html, "Missed defects"));
}

TEST_CASE("report: one class is shown without a line to open it") {
  Report report = small_report();
  report.classes.pop_back();
  const std::string html = to_html(report);
  CHECK(markup_error(html) == "");
  CHECK_FALSE(contains(html, "<details"));
  CHECK_FALSE(contains(html, "class=\"mean\""));
}

TEST_CASE("report: panels side by side make a broad tile") {
  Report report = small_report();
  CHECK_FALSE(contains(to_html(report), "<li class=\"broad\">"));
  report.pictures[0].figures[1].picture = gray_picture(600, 300, 50);
  const std::string html = to_html(report);
  CHECK(markup_error(html) == "");
  CHECK(contains(html, "<li class=\"broad\"><a class=\"tile\" href=\"#picture-0\"><img width=\"400\" height=\"200\""));
}

TEST_CASE("report: figures on demand make the same page, one picture at a time") {
  const TemporaryFolder folder("report");
  Report report = small_report();
  report.pictures.pop_back();  // figures on demand are asked for of every picture
  const std::string kept = join_path(folder.path(), "kept.html"), made = join_path(folder.path(), "made.html");
  write_report(kept, report);
  CHECK(text_of_file(kept) == to_html(report));
  std::vector<std::vector<Figure>> figures;
  for (ReportPicture& picture : report.pictures) figures.push_back(std::exchange(picture.figures, {}));
  index_t calls = 0;
  const auto source = [&](std::size_t i) {
    ++calls;
    return figures[i];
  };
  write_report(made, report, source);
  CHECK(text_of_file(made) == text_of_file(kept));
  CHECK(calls > std::ssize(figures));
  CHECK(list_files(folder.path()).size() == 2);  // no temporary stays
}

TEST_CASE("report: what fails leaves no file") {
  const TemporaryFolder folder("report_fails");
  const std::string path = join_path(folder.path(), "out.html");
  const auto source = [](std::size_t) -> std::vector<Figure> { fail(ErrorCode::io, "the disk is gone"); };
  expect_error(ErrorCode::io, {"the disk is gone"}, [&] { write_report(path, small_report(), source); });
  CHECK(list_files(folder.path()).empty());
  expect_error(ErrorCode::io, {"missing"},
               [&] { write_report(join_path(folder.path(), "missing/out.html"), small_report()); });
}

TEST_CASE("galleries: who is shown where") {
  const Report report = small_report();
  const auto all = [](const ReportPicture& picture) { return !picture.figures.empty(); };
  const auto galleries = galleries_of(report.pictures, all);
  REQUIRE(galleries.size() == 4);
  CHECK(galleries[0].title == "Missed defects");
  CHECK(galleries[0].pictures == std::vector<std::size_t>{1});
  CHECK(galleries[1].title == "False alarms");
  CHECK(galleries[1].pictures == std::vector<std::size_t>{2});
  CHECK(galleries[2].pictures == std::vector<std::size_t>{1, 0, 2, 3});  // worst
  CHECK(galleries[3].pictures == std::vector<std::size_t>{0, 1, 3, 2});  // best
  CHECK(galleries_of({}, all).empty());
}

TEST_CASE("tables: which cells are numbers") {
  for (const std::string_view number : {"1", "-0.5", "+3", "1e-5", "97.1 %", "2%", "", "-"})
    CHECK(detail::is_numeric_cell(number));
  for (const std::string_view text : {"a", "1 a", "1.2.3", "--", "%"}) CHECK_FALSE(detail::is_numeric_cell(text));
}
