// SPDX-License-Identifier: MIT
#include <moeclip/clip/tokenizer/html_entities.hpp>

#include <doctest/doctest.h>

using moeclip::unescape_html;

TEST_CASE("html entities: every record of the table is found, names near it are not") {
  std::string_view table(moeclip::detail::kHtmlEntities);
  int names = 0, optional = 0;
  std::string_view previous;
  while (!table.empty()) {
    const std::size_t mark = table.find_first_of(":?");
    const std::string_view name = table.substr(0, mark);
    const bool is_optional = table[mark] == '?';
    const auto entity = moeclip::detail::find_html_entity(name);
    CHECK(previous < name);
    CHECK(entity.code_points == table.substr(mark + 1, table.find(' ') - mark - 1));
    CHECK(entity.needs_semicolon == !is_optional);
    CHECK(moeclip::detail::find_html_entity(moeclip::concat(name, "0x")).code_points.empty());
    CHECK(name.size() <= (is_optional ? moeclip::detail::kLongestOptionalEntity : moeclip::detail::kLongestEntity));
    previous = name;
    ++names;
    optional += is_optional;
    table.remove_prefix(table.find(' ') + 1);
  }
  CHECK(names == 2125);
  CHECK(optional == 106);
}

TEST_CASE("html entities: names") {
  CHECK(unescape_html("") == "");
  CHECK(unescape_html("a &amp; b &lt;c&gt;") == "a & b <c>");
  CHECK(unescape_html("&eacute;&Eacute;&AElig;&zwj;") == "\u00E9\u00C9\u00C6\u200D");
  CHECK(unescape_html("&nvlt;&NotEqualTilde;") == "<\u20D2\u2242\u0338");  // two code points
  CHECK(unescape_html("&CounterClockwiseContourIntegral;") == "\u2233");   // the longest
  CHECK(unescape_html("&copy2024 &ampamp; &notit; &notin; &notinx;") == "\u00A92024 &amp; \u00ACit; \u2209 \u00ACinx;");
  CHECK(unescape_html("&Alpha &notanentity; &AM &;& && &x; &\u00E9;") ==
        "&Alpha \u00ACanentity; &AM &;& && &x; &\u00E9;");
  CHECK(unescape_html("&amp;lt;") == "&lt;");  // once
  CHECK(unescape_html(unescape_html("&amp;lt;")) == "<");
  CHECK(unescape_html("&&amp;&lt") == "&&<");
  CHECK(unescape_html("&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;").size() == 56);
}

TEST_CASE("html entities: numbers") {
  CHECK(unescape_html("&#65;&#x42;&#X43;&#68 &#x45z &#0070;") == "ABCD Ez F");
  CHECK(unescape_html("&#128;&#x9f;&#129;") == "\u20AC\u0178\u0081");  // Windows-1252
  CHECK(unescape_html("&#0;&#xD800;&#xDFFF;&#x110000;&#99999999999999999999;") == "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(unescape_html("&#1;&#8;&#11;&#14;&#31;&#127;&#xFDD0;&#xFFFE;&#x1FFFF;&#x10FFFF;") == "");
  CHECK(unescape_html("&#9;&#10;&#12;&#13;&#32;&#160;") == "\t\n\f\r \u00A0");
  CHECK(unescape_html("&#x1F600;&#x10FFFD;") == "\U0001F600\U0010FFFD");
  CHECK(unescape_html("&#; &#x; &#xg; &# &#") == "&#; &#x; &#xg; &# &#");
  CHECK(unescape_html("&#x") == "&#x");
}

TEST_CASE("html entities: references without end take linear time") {
  std::string text;
  for (int i = 0; i < 30000; ++i) text += "&aaaaaaa";
  CHECK(unescape_html(text) == text);
  CHECK(unescape_html("&#" + std::string(1000000, '1')) == "\uFFFD");
}
