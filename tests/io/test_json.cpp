// SPDX-License-Identifier: MIT
#include <moeclip/io/json.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <moeclip/io/json_writer.hpp>
#include "expect_error.hpp"

using namespace moeclip;

namespace {

Json parse(std::string_view text) { return parse_json(text, "test"); }

/// Code of the error that reading `text` ends in; contract for none.
ErrorCode error_code(std::string_view text) {
  try {
    static_cast<void>(parse(text));
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::contract;
}

std::string message(std::string_view text) {
  try {
    static_cast<void>(parse(text));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

static_assert(sizeof(Json) == 16);

}  // namespace

TEST_CASE("json: a document") {
  const Json json = parse(R"( {"name": "micro", "sizes": [28, 7.5, -1e2], "deep": {"on": true, "off": false},
                               "none": null, "empty": [{}, [], ""]} )");
  CHECK(json.is_object());
  CHECK(json.size() == 5);
  CHECK(json.at("name").as_string() == "micro");
  CHECK(json.at("sizes").at(0).as_int64() == 28);
  CHECK(json.at("sizes").at(0).as_number() == 28.0);
  CHECK(json.at("sizes").at(1).as_number() == 7.5);
  CHECK(json.at("sizes").at(2).as_number() == -100.0);
  CHECK_FALSE(json.at("sizes").at(2).is_integer());
  CHECK(json.at("deep").at("on").as_bool());
  CHECK_FALSE(json.at("deep").at("off").as_bool());
  CHECK(json.find("none")->is_null());
  CHECK(json.find("nothing") == nullptr);
  CHECK(json.at("empty").items().size() == 3);
  CHECK(json.at("empty").at(0).members().empty());
  CHECK(json.at("empty").at(1).items().empty());
  CHECK(json.at("empty").at(2).as_string().empty());
  std::string keys;
  for (const auto& [key, value] : json.members()) keys += key + (value.is_null() ? "? " : " ");
  CHECK(keys == "name sizes deep none? empty ");
}

TEST_CASE("json: numbers keep what they hold") {
  CHECK(parse("9223372036854775807").as_int64() == std::numeric_limits<std::int64_t>::max());
  CHECK(parse("-9223372036854775808").as_int64() == std::numeric_limits<std::int64_t>::min());
  CHECK(parse("9223372036854775808").as_uint64() == 9223372036854775808u);
  CHECK(parse("18446744073709551615").as_uint64() == std::numeric_limits<std::uint64_t>::max());
  CHECK(parse("9007199254740993").as_int64() == 9007199254740993);  // no double has this value
  CHECK_FALSE(parse("18446744073709551616").is_integer());
  CHECK(parse("18446744073709551616").as_number() == 0x1p64);
  CHECK(parse("-9223372036854775809").as_number() == -0x1p63);
  CHECK(parse("0.1").as_number() == 0.1);
  CHECK(parse("2.2250738585072011e-308").as_number() == 2.2250738585072011e-308);
  CHECK(parse("5e-324").as_number() == 5e-324);
  CHECK(parse("1.7976931348623157e308").as_number() == 1.7976931348623157e308);
  CHECK(parse("-0").as_int64() == 0);
  CHECK(std::signbit(parse("-0.0").as_number()));
  for (const char* tiny : {"1e-400", "0.0001e-330", "123e-99999999999999999999", "0e9999", "0.0e-9999"})
    CHECK(parse(tiny).as_number() == 0.0);
  CHECK(parse("0." + repeated("0", 400) + "1").as_number() == 0.0);
  CHECK(parse("0." + repeated("0", 400) + "1e401").as_number() == 1.0);
  CHECK(std::signbit(parse("-1e-400").as_number()));
  for (const std::string& huge : {std::string("1e400"), std::string("-1e309"), std::string("0.0001e330"),
                                  std::string("1e99999999999999999999"), repeated("9", 400)}) {
    const Json json = parse("[" + huge + ", 1]");  // an error only where it is used
    CHECK(json.at(1).as_int64() == 1);
    CHECK(json.at(0).is_number());
    CHECK(json.at(0).is_beyond());
    CHECK_FALSE(json.at(0).is_integer());
    expect_error(ErrorCode::format, {"larger than a double"}, [&] { static_cast<void>(json.at(0).as_number()); });
    expect_error(ErrorCode::format, {"larger than a double"}, [&] { static_cast<void>(json.at(0).as_int64()); });
    expect_error(ErrorCode::format, {"a.json", "\"b\"", "a number was wanted", "larger than a double"},
                 [&] { value_of<double>(json.at(0), "b", "a.json"); });
    CHECK(dump_json(json) == (huge.starts_with('-') ? "[-1e999,1]" : "[1e999,1]"));
    CHECK(parse(dump_json(json)) == json);
  }
  CHECK_FALSE(parse("1").is_beyond());
  CHECK(dump_json(Json(HUGE_VAL)) == "null");  // of a program that has no number to give
  CHECK(parse("1" + repeated("0", 300)).as_number() == 1e300);
}

TEST_CASE("json: strings") {
  CHECK(parse(R"("\"\\\/\b\f\n\r\t")").as_string() == "\"\\/\b\f\n\r\t");
  CHECK(parse(R"("\u0041\u00e9\u20AC\uD83D\uDD25")").as_string() == "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\xA5");
  CHECK(parse("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\xA5\x7F\"").as_string() ==
        "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\xA5\x7F");
  CHECK(parse(R"("a\u0000b")").as_string() == std::string("a\0b", 3));
  CHECK(parse(R"({"\u0061": 1})").at("a").as_int64() == 1);
  const std::string large = repeated("0123456789", 1000);
  CHECK(parse("\"" + large + "\"").as_string() == large);
}

TEST_CASE("json: half of a surrogate pair is an error where it is used") {
  for (const char* text :
       {R"("\ud800")", R"("a\udfffb")", R"("\udbff\u0041")", R"("\ud83d\ud83d\ude00")", R"("\udc00\ud800")"}) {
    INFO(text);
    const Json json = parse(concat("{\"unused\": ", text, ", \"used\": 2}"));
    CHECK(json.at("used").as_int64() == 2);
    expect_error(ErrorCode::format, {"surrogate"}, [&] { static_cast<void>(json.at("unused").as_string()); });
    CHECK(parse(dump_json(json)) == json);
    CHECK(parse(concat("{", text, ": 2, \"used\": 3}")).at("used").as_int64() == 3);
  }
  CHECK(parse(R"("\ud83d\ud83d\ude00")").raw_string() == "\xED\xA0\xBD\xF0\x9F\x98\x80");  // the second begins a pair
  CHECK(parse(R"("\ud7ff\ue000")").as_string() == "\xED\x9F\xBF\xEE\x80\x80");             // their neighbours
  CHECK(error_code("\"\xED\xA0\x80\"") == ErrorCode::format);                              // bytes, not escapes
}

TEST_CASE("json: names that must be unique") {
  const auto read = [](const char* text) { return [text] { parse_json(text, "a.json", JsonNames::unique); }; };
  for (const char* text : {R"({"a":1,"a":1})", R"({"a":1,"\u0061":2})", R"([{"b":{"a":1,"c":2,"a":3}}])"}) {
    CHECK_NOTHROW(parse(text));
    expect_error(ErrorCode::format, {"a.json: JSON: line 1", "twice"}, read(text));
  }
  CHECK_NOTHROW(read(R"({"a":{"a":1},"b":{"a":1}})")());
}

TEST_CASE("json: what RFC 8259 allows") {
  for (const char* text :
       {"0", "-0", "1e5", "1E+5", "1.5e-3", "\"\"", "[]", "{}", "true", "false", "null", " \t\r\n[ ] ", "[1,2]",
        "{\"\":0}", "\xEF\xBB\xBF[1]", "[[[[]]]]", "\"\xEF\xBF\xBF\"", "-1.0"}) {
    INFO(text);
    CHECK(error_code(text) == ErrorCode::contract);
  }
}

TEST_CASE("json: and what it forbids") {
  for (const char* text : {"",
                           " ",
                           "[",
                           "{",
                           "]",
                           "}",
                           "[1",
                           "[1,",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "[1,,2]",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,",
                           "{,}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{1:1}",
                           "{\"a\" 1}",
                           "{'a':1}",
                           "[1}",
                           "{\"a\":1]",
                           "1 2",
                           "[] []",
                           "01",
                           "-01",
                           "-",
                           "+1",
                           ".5",
                           "1.",
                           "1.e5",
                           "1e",
                           "1e+",
                           "0x10",
                           "NaN",
                           "nan",
                           "Infinity",
                           "-Infinity",
                           "tru",
                           "nul",
                           "True",
                           "truefalse",
                           "\"",
                           "\"a",
                           "\"\\",
                           "\"\\x41\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\\u\"",
                           "\"\\u-123\"",
                           "\"\\'\"",
                           "\"\n\"",
                           "\"\t\"",
                           "\"\x01\"",
                           "'a'",
                           "// x\n1",
                           "/**/1",
                           "1//",
                           "[1]x",
                           "\xFF\xFE[\0]\0",
                           "\f1",
                           "\"\x80\"",
                           "\"\xC3\"",
                           "\"\xC3\x28\"",
                           "\"\xC0\xAF\"",
                           "\"\xE0\x80\xAF\"",
                           "\"\xED\xA0\x80\"",
                           "\"\xF0\x80\x80\xAF\"",
                           "\"\xF4\x90\x80\x80\"",
                           "\"\xF8\x88\x80\x80\x80\"",
                           "\xC2\xA0[]",
                           "[\xEF\xBB\xBF]",
                           "\"\xE2\x82",
                           "--1",
                           "1-",
                           "[-]",
                           "{\"a\":}",
                           "\xEF\xBB\xBF",
                           "[1\xEF\xBB\xBF]"}) {
    INFO(text);
    CHECK(error_code(text) == ErrorCode::format);
  }
  CHECK(error_code(std::string_view("[1]\0", 4)) == ErrorCode::format);
  CHECK(error_code(std::string_view("\"a\0\"", 4)) == ErrorCode::format);
  CHECK(error_code(std::string_view("\0", 1)) == ErrorCode::format);
}

TEST_CASE("json: an error gives its place") {
  CHECK(message("[1,\n 2,\n \xC3\xA9 x]") == "test: JSON: line 3, column 2: a value was expected");
  CHECK(message("{\"\xC3\xA9\xC3\xA9\": x}") == "test: JSON: line 1, column 8: a value was expected");
  CHECK(message("[1") == "test: JSON: line 1, column 3: ',' or ']' was expected, but the text ends here");
}

TEST_CASE("json: depth, size and time have limits") {
  CHECK(parse(repeated("[", 256) + repeated("]", 256)).size() == 1);
  CHECK(error_code(repeated("[", 257) + repeated("]", 257)) == ErrorCode::limit);
  CHECK(error_code(repeated("{\"a\":", 256) + "0" + repeated("}", 256)) == ErrorCode::contract);
  CHECK(error_code(repeated("[", 1 << 20)) == ErrorCode::limit);
  CHECK(error_code(repeated("{\"a\":", 1 << 18)) == ErrorCode::limit);
  CHECK(parse("[" + repeated("[],", 1 << 18) + "[]]").size() == (1 << 18) + 1);
  CHECK(error_code("[" + repeated("0,", 1 << 22) + "0]") == ErrorCode::limit);
  CHECK(error_code("[" + repeated("[0],", 1 << 20) + "0]") == ErrorCode::limit);
  CHECK(parse("\"" + repeated("x", 1 << 24) + "\"").as_string().size() == 1 << 24);
}

TEST_CASE("json: objects of any size, repeated keys") {
  for (const std::size_t size : {1u, 2u, 15u, 16u, 17u, 18u, 100u, 49408u}) {
    std::string text = "{";
    // 7919 is a prime that divides none of the sizes: every key comes once, in no order.
    for (std::size_t i = 0; i < size; ++i) text += concat("\"k", i * 7919 % size, "\":", i, ",");
    const Json json = parse(text + "\"last\":-1}");
    for (std::size_t i = 0; i < size; ++i) {
      const Json* value = json.find(concat("k", i * 7919 % size));
      REQUIRE(value != nullptr);
      CHECK(value->as_uint64() == i);
    }
    CHECK(json.size() == size + 1);
    CHECK(json.at("last").as_int64() == -1);
    CHECK(json.members()[0].key == "k0");
    CHECK(json.find("k") == nullptr);
    CHECK(json.find("z") == nullptr);
    CHECK(json.find("") == nullptr);
  }
  const Json small = parse(R"({"a":1,"b":2,"a":3,"c":4,"b":5,"a":6})");
  CHECK(dump_json(small) == R"({"a":6,"b":5,"c":4})");
  std::string text = "{\"first\":0";
  for (int i = 0; i < 30000; ++i) text += concat(",\"", i % 100, "\":", i);
  const Json large = parse(text + ",\"first\":1}");
  CHECK(large.size() == 101);
  CHECK(large.members()[0].key == "first");
  CHECK(large.at("first").as_int64() == 1);
  for (int i = 0; i < 100; ++i) CHECK(large.at(concat(i)).as_int64() == 29900 + i);
}

TEST_CASE("json: values are built") {
  Json json;
  json.set("text", "word").set("number", 0.5).set("whole", 3).set("large", ~std::uint64_t{0}).set("on", true);
  json.set("none", nullptr).set("list", Json().push_back(1).push_back("two").push_back(Json::array()));
  json.set("number", 0.25f).set("empty", Json::object());
  CHECK(dump_json(json) ==
        R"({"text":"word","number":0.25,"whole":3,"large":18446744073709551615,"on":true,"none":null,)"
        R"("list":[1,"two",[]],"empty":{}})");
  CHECK(parse(dump_json(json)) == json);
  const Json copy = json;
  json.set("text", "changed");
  CHECK(copy.at("text").as_string() == "word");
  CHECK_FALSE(copy == json);
  json = copy;
  CHECK(copy == json);
  json = Json(json).at("list");  // from a part of itself
  CHECK(json.size() == 3);
}

TEST_CASE("json: a value of another kind is an error with words") {
  const Json json = parse(R"({"a": [1.5, -1, 18446744073709551615]})");
  const auto code = [](auto action) {
    try {
      static_cast<void>(action());
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::contract;
  };
  CHECK(code([&] { return json.as_bool(); }) == ErrorCode::format);
  CHECK(code([&] { return json.as_string(); }) == ErrorCode::format);
  CHECK(code([&] { return json.items(); }) == ErrorCode::format);
  CHECK(code([&] { return json.at("a").members(); }) == ErrorCode::format);
  CHECK(code([&] { return json.at("a").find("b"); }) == ErrorCode::format);
  CHECK(code([&] { return json.at("b"); }) == ErrorCode::missing);
  CHECK(code([&] { return json.at("a").at(3); }) == ErrorCode::missing);
  CHECK(code([&] { return json.at("a").at(0).as_int64(); }) == ErrorCode::format);
  CHECK(code([&] { return json.at("a").at(0).as_uint64(); }) == ErrorCode::format);
  CHECK(code([&] { return json.at("a").at(1).as_uint64(); }) == ErrorCode::format);
  CHECK(code([&] { return json.at("a").at(2).as_int64(); }) == ErrorCode::format);
  CHECK(code([&] { return json.as_int64(); }) == ErrorCode::format);
  CHECK(code([&] { return Json(1).push_back(2); }) == ErrorCode::format);
  CHECK(code([&] { return Json::array().set("a", 2); }) == ErrorCode::format);
}

TEST_CASE("json: writing") {
  const Json json = parse(R"({"a":[1,[],{}],"b":{"c":"d"}})");
  CHECK(dump_json(json) == R"({"a":[1,[],{}],"b":{"c":"d"}})");
  CHECK(dump_json(json, 2) == "{\n  \"a\": [\n    1,\n    [],\n    {}\n  ],\n  \"b\": {\n    \"c\": \"d\"\n  }\n}");
  CHECK(dump_json("\x01\x1f\"\\/\b\f\n\r\t\x7f\xC3\xA9") == "\"\\u0001\\u001f\\\"\\\\/\\b\\f\\n\\r\\t\x7f\xC3\xA9\"");
  CHECK(dump_json("a\xFF"
                  "b\xC3") ==
        "\"a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD\"");
  CHECK(dump_json(std::string("a\0b", 3)) == "\"a\\u0000b\"");
  CHECK(dump_json(5.0) == "5.0");
  CHECK(dump_json(-0.0) == "-0.0");
  CHECK(dump_json(0.1) == "0.1");
  CHECK(dump_json(1e300) == "1e+300");
  CHECK(dump_json(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(dump_json(std::numeric_limits<double>::infinity()) == "null");
  CHECK(dump_json(std::nan("")) == "null");
  Json deep;
  for (int i = 0; i < 256; ++i) deep = Json::array({deep});
  CHECK(parse(dump_json(deep)) == deep);
  CHECK_THROWS_AS(dump_json(Json::array({deep})), Error);
}
