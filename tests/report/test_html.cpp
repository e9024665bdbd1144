// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "report_test.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("base64: the examples of RFC 4648") {
  CHECK(base64(as_bytes("")).empty());
  CHECK(base64(as_bytes("f")) == "Zg==");
  CHECK(base64(as_bytes("fo")) == "Zm8=");
  CHECK(base64(as_bytes("foo")) == "Zm9v");
  CHECK(base64(as_bytes("foob")) == "Zm9vYg==");
  CHECK(base64(as_bytes("fooba")) == "Zm9vYmE=");
  CHECK(base64(as_bytes("foobar")) == "Zm9vYmFy");
  CHECK(base64(as_bytes(std::string_view("\x00\x10\x83\xFB\xFF\xBF", 6))) == "ABCD+/+/");
}

TEST_CASE("escape_html: text stays text") {
  CHECK(escape_html("plain text, 100 %") == "plain text, 100 %");
  CHECK(escape_html("<a href=\"x\">'&'</a>") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  CHECK(escape_html("\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80") == "\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80");
  CHECK(escape_html("a\nb\tc") == "a\nb\tc");
}

TEST_CASE("escape_html: what is no text becomes a replacement character") {
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(escape_html("\xFF") == mark);
  CHECK(escape_html("a\xC3") == "a" + mark);                 // cut off
  CHECK(escape_html("\xC0\xBC") == mark + mark);             // an overlong '<'
  CHECK(escape_html("\xED\xA0\x80") == mark + mark + mark);  // a surrogate
  CHECK(escape_html(std::string_view("a\0b\x1B\r", 5)) == "a" + mark + "b" + mark + mark);
}

TEST_CASE("escape_path: lines break after slashes") {
  CHECK(escape_path("").empty());
  CHECK(escape_path("a.png") == "a.png");
  CHECK(escape_path("/a/<b>/") == "/<wbr>a/<wbr>&lt;b&gt;/");
}

TEST_CASE("HtmlWriter: pieces arrive whole and in order") {
  std::string all;
  std::size_t pieces = 0;
  const auto receive = [&](std::string_view piece) { all += piece, ++pieces; };
  HtmlWriter page(receive);
  page.write("a", 1, ' ', 2.5, '<');
  std::vector<std::byte> many(200001);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::byte>(i * 7);
  page.base64(many);
  page.flush();
  CHECK(all == "a1 2.5<" + base64(many));
  CHECK(pieces > 2);
}

TEST_CASE("write_image: large pictures become smaller, small ones stay") {
  const auto html_of = [](const Image& picture, index_t largest) {
    std::string html;
    const auto receive = [&](std::string_view piece) { html += piece; };
    HtmlWriter page(receive);
    write_image(page, picture, "a <b>", {largest, 2 * largest});
    page.flush();
    return html;
  };
  CHECK(html_of(gray_picture(30, 20, 9), 384).starts_with("<img width=\"30\" height=\"20\" alt=\"a &lt;b&gt;\""));
  CHECK(html_of(gray_picture(600, 200, 9), 300).starts_with("<img width=\"300\" height=\"100\""));
  CHECK(html_of(gray_picture(600, 1, 9), 300).starts_with("<img width=\"300\" height=\"1\""));
  CHECK(html_of(gray_picture(30, 1200, 9), 300).starts_with("<img width=\"15\" height=\"600\""));
  CHECK(html_of(Image(), 300).empty());
  Image photograph(64, 64, 3);
  for (index_t i = 0; i < photograph.size(); ++i) photograph.data()[i] = static_cast<std::uint8_t>(i * i / 7);
  CHECK(html_of(photograph, 64).find("data:image/jpeg;base64,/9j/") != std::string::npos);
  const Image picture = gray_picture(3, 2, 9);
  CHECK(html_of(picture, 9).find(base64(encode_png(picture.view()))) != std::string::npos);
}
