// SPDX-License-Identifier: MIT
// What a command shows while it works, by a clock of the test.
#include <doctest/doctest.h>

#include <moeclip/io/file.hpp>
#include <moeclip/io/json.hpp>
#include <string>
#include <vector>

#include "progress.hpp"
#include "temporary_folder.hpp"

using namespace cli;  // NOLINT
using moeclip::index_t;

namespace {

/// Where progress goes in a test.
struct Stage {
  double now = 100;
  std::size_t width = 0;  // 0: no terminal
  std::string text;
  Messages messages;

  explicit Stage(std::size_t columns = 0) : width(columns), messages(output()) {}

  ProgressOutput output() {
    ProgressOutput out;
    out.write = [this](std::string_view piece) { text += piece; };
    if (width > 0) out.columns = [this] { return width; };
    out.seconds = [this] { return now; };
    out.time = [] { return std::string("2026-11-29T21:00:00Z"); };
    out.resident = [] { return std::int64_t{700} << 20; };
    return out;
  }
};

/// What stands in the last line of a terminal after `text`; longest line of all in `most`.
std::string on_terminal(const std::string& text, std::size_t& most) {
  std::string line;
  most = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' || text[i] == '\n') {
      line.clear();
    } else if (text.compare(i, 3, "\033[K") == 0) {
      i += 2;
    } else {
      line += text[i];
    }
    most = std::max(most, line.size());
  }
  return line;
}

}  // namespace

TEST_CASE("elsewhere than on a terminal there is a line every ten seconds") {
  Stage stage;
  {
    Progress progress("judge", 40, stage.messages);
    for (int i = 0; i < 40; ++i, stage.now += 1) progress.step("picture " + std::to_string(i));
  }
  CHECK(stage.text ==
        "11/40, 1.0/s, 30 s left, 700 MiB: picture 10\n"
        "21/40, 1.0/s, 20 s left, 700 MiB: picture 20\n"
        "31/40, 1.0/s, 10 s left, 700 MiB: picture 30\n");
}

TEST_CASE("results are counted when they are there, and slow steps by their seconds") {
  Stage stage;
  Progress progress("train", 4, stage.messages);
  stage.now += 25;
  progress.finish("loss 1");
  CHECK(stage.text == "1/4, 25.0 s each, 75 s left, 700 MiB: loss 1\n");
  CHECK(progress.seconds_left(0) < 0);
  CHECK(progress.seconds_left(5) < 0);
}

TEST_CASE("a step that takes long is not silent") {
  Stage stage;
  Progress progress("train", 4, stage.messages);
  progress.beat();
  stage.now += 25;
  progress.beat();
  CHECK(stage.text.empty());  // nothing is known yet
  progress.finish("loss 1");
  stage.text.clear();
  for (int i = 0; i < 25; ++i, stage.now += 1) progress.beat();
  CHECK(stage.text ==
        "1/4, 25.0 s each, 75 s left, 700 MiB: loss 1, 10 s ago\n"
        "1/4, 25.0 s each, 75 s left, 700 MiB: loss 1, 20 s ago\n");
}

TEST_CASE("what goes on at once is not done when the next one starts") {
  Stage stage;
  Progress progress("ablate", 6, stage.messages, 2);
  progress.step("run 1");
  stage.now += 1;
  progress.step("run 2");
  stage.now += 19;
  progress.step("run 3");
  CHECK(stage.text == "3/6, 20.0 s each, 2 min left, 700 MiB: run 3\n");
}

TEST_CASE("a terminal has one line, no longer than itself and gone in the end") {
  for (const std::size_t width : {std::size_t{1}, std::size_t{2}, std::size_t{20}, std::size_t{80}}) {
    Stage stage(width);
    std::size_t most = 0;
    {
      Progress progress("judge", 9, stage.messages);
      for (int i = 0; i < 9; ++i, stage.now += 0.5) {
        progress.step("a picture with a name of some length, and \xC3\xA4\xC3\xA4\xC3\xA4\n\033[31m beyond it: tail");
        on_terminal(stage.text, most);
        CHECK(most < width);
      }
      CHECK(stage.text.find('\n') == std::string::npos);
      if (width == 80) CHECK(on_terminal(stage.text, most).substr(0, 33) == "9/9, 2.0/s, 1 s left, 700 MiB: a ");
      stage.messages.say("something");
      progress.step("again");
    }
    CHECK(on_terminal(stage.text, most).empty());
    CHECK(stage.text.find("\r\033[Kmoeclip: something\n") != std::string::npos);
  }
}

TEST_CASE("a terminal is not written to more often than anyone can read") {
  Stage stage(80);
  Progress progress("judge", 1000, stage.messages);
  for (int i = 0; i < 1000; ++i, stage.now += 0.001) progress.step("x");
  std::size_t lines = 0;
  for (const char letter : stage.text) lines += letter == '\r';
  CHECK(lines <= 11);
}

TEST_CASE("quiet lets errors through and nothing else") {
  Stage stage(80);
  stage.messages.set_up("eval", true, "");
  Progress progress("judge", 3, stage.messages);
  for (int i = 0; i < 3; ++i, stage.now += 20) progress.step("x");
  stage.messages.inform("a remark");
  CHECK(stage.text.empty());
  stage.messages.say("an error");
  CHECK(stage.text == "moeclip: an error\n");
}

TEST_CASE("one picture, or a part of something that is shown, is not worth a line") {
  Stage stage;
  {
    Progress one("judge", 1, stage.messages), unknown("watch", 0, stage.messages);
    stage.now += 20;
    one.step("x");
    unknown.step("y");
  }
  CHECK(stage.text.empty());
  Progress outer("layers", 3, stage.messages), inner("compare", 5, stage.messages);
  stage.now += 20;
  inner.step("inner");
  CHECK(stage.text.empty());
  outer.step("outer");
  CHECK(stage.text == "1/3, 700 MiB: outer\n");
}

TEST_CASE("the log has every step") {
  const TemporaryFolder folder("progress");
  const std::string path = moeclip::join_path(folder.path(), "log.jsonl");
  Stage stage;
  stage.messages.set_up("train", true, path);
  {
    Progress progress("train", 3, stage.messages);
    for (int i = 0; i < 3; ++i) {
      stage.now += 2;
      progress.finish("loss", moeclip::Json::object().set("loss", 0.5 * i));
    }
    Progress endless("watch", 0, stage.messages);
    endless.step("caf\xE9");  // no UTF-8
  }
  stage.messages.log("valid", moeclip::Json::object().set("pixel_ap", moeclip::Json()));
  const auto bytes = moeclip::read_file(path, 1 << 20);
  std::string_view text = moeclip::as_text(bytes);
  std::vector<moeclip::Json> lines;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines.push_back(moeclip::parse_json(text.substr(0, end), path));
    text.remove_prefix(end + 1);
  }
  REQUIRE(lines.size() == 6);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(lines[i].at("time").as_string() == "2026-11-29T21:00:00Z");
    CHECK(lines[i].at("verb").as_string() == "train");
    CHECK(lines[i].at("stage").as_string() == "train");
    CHECK(lines[i].at("done").as_uint64() == i + 1);
    CHECK(lines[i].at("total").as_uint64() == 3);
    CHECK(lines[i].at("rate").as_number() == 0.5);
    CHECK(lines[i].at("seconds_left").as_number() == doctest::Approx(2.0 * (2 - static_cast<double>(i))));
    CHECK(lines[i].at("resident_bytes").as_int64() == std::int64_t{700} << 20);
    CHECK(lines[i].at("loss").as_number() == 0.5 * static_cast<double>(i));
  }
  CHECK(lines[3].at("total").is_null());
  CHECK(lines[3].at("name").as_string() == "caf\xEF\xBF\xBD");
  CHECK(lines[4].at("stage").as_string() == "watch");  // its last step is done
  CHECK(lines[4].at("done").as_uint64() == 1);
  CHECK(lines[5].at("stage").as_string() == "valid");
  CHECK(stage.text.empty());
}

TEST_CASE("a log on stderr takes the place of what people read") {
  Stage stage;
  stage.messages.set_up("eval", false, "-");
  Progress progress("judge", 2, stage.messages);
  stage.now += 30;
  progress.step("x");
  CHECK(stage.text.substr(0, 8) == "{\"time\":");
  CHECK(stage.text.back() == '\n');
}

TEST_CASE("a log that cannot be written is an error") {
  const TemporaryFolder folder("progress");
  Stage stage;
  CHECK_THROWS_AS(stage.messages.set_up("eval", false, moeclip::join_path(folder.path(), "no/such/folder/log")),
                  moeclip::Error);
}
