// SPDX-License-Identifier: MIT
#include <moeclip/io/json.hpp>
#include <moeclip/io/json_options.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "expect_error.hpp"

using namespace moeclip;

namespace {

enum class Colour { red, green };
constexpr const char* to_string(Colour colour) { return colour == Colour::red ? "red" : "green"; }

struct Paint {
  bool is_dry = false;
  double share = 0.5;
  index_t coats = -2;
  std::uint64_t seed = ~std::uint64_t{0};
  std::string words = "a wall";
  std::vector<index_t> layers = {1, 2};
  Colour colour = Colour::green;

  template <class Self, class Visitor>
  static void visit(Self& p, Visitor&& visitor) {
    visitor("is_dry", p.is_dry, "with a help text");
    visitor("share", p.share);
    visitor("coats", p.coats);
    visitor("seed", p.seed);
    visitor("words", p.words);
    visitor("layers", p.layers);
    visitor("colour", p.colour);
  }
};

}  // namespace

template <>
inline constexpr std::array moeclip::kEnumerators<Colour>{Colour::red, Colour::green};

TEST_CASE("options of every kind come back from what they were written as") {
  const Json json = options_to_json(Paint{});
  CHECK(json == parse_json(R"({"is_dry": false, "share": 0.5, "coats": -2, "seed": 18446744073709551615,
                              "words": "a wall", "layers": [1, 2], "colour": "green"})",
                           "test"));
  Paint other{true, 2, 7, 0, "", {}, Colour::red};
  options_from_json(json, "paint", other);
  CHECK(options_to_json(other) == json);
  options_from_json(parse_json(R"({"share": 3, "colour": "red", "brand": "any"})", "test"), "paint", other, "brand");
  CHECK(other.share == 3);
  CHECK(other.colour == Colour::red);
  CHECK(other.coats == -2);  // what is not said stays
}

TEST_CASE("options of the wrong kind, and unknown ones, are named") {
  Paint paint;
  const auto refuse = [&](const char* json, const char* wanted) {
    CAPTURE(json);
    expect_error(ErrorCode::format, {"paint", wanted},
                 [&] { options_from_json(parse_json(json, "test"), "paint", paint); });
  };
  refuse(R"({"is_dry": 1})", "true or false");
  refuse(R"({"share": "much"})", "option \"share\" is \"\"much\"\", wanted a number");
  refuse(R"({"share": 4e335})", "a number");
  refuse(R"({"coats": 1.5})", "an integer");
  refuse(R"({"coats": 9223372036854775808})", "an integer");
  refuse(R"({"seed": -1})", "an integer from 0 on");
  refuse(R"({"words": null})", "a text");
  refuse(R"({"layers": [1, "2"]})", "a list of integers");
  refuse(R"({"layers": 1})", "a list of integers");
  refuse(R"({"colour": "blue"})", "\"red\" or \"green\"");
  refuse(R"({"colour": 0})", "\"red\" or \"green\"");
  CHECK(options_to_json(paint) == options_to_json(Paint{}));
  expect_error(ErrorCode::unsupported, {"paint", "\"colours\"", "\"colour\""},
               [&] { options_from_json(Json::object().set("colours", "red"), "paint", paint); });
}
