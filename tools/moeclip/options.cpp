// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <algorithm>
#include <cmath>
#include <moeclip/base/read_number.hpp>
#include <moeclip/base/text.hpp>
#include <moeclip/io/naming.hpp>
#include <numeric>

#include "output.hpp"
#include "progress.hpp"

namespace cli {

using moeclip::concat;

namespace {

/// An option that people look for where there is a reason not to have it.
struct Lack {
  std::string_view command, option, why;
};

constexpr Lack kLacks[] = {
    {"explain", "tile", "a picture is explained as a whole; `moeclip detect --tile` finds the place, cut that out"},
    {"explain", "model", "a file of `moeclip export` has no text tower; give --clip and --adapter"},
    {"trace", "tile", "it runs on recorded tensors, which have the size that the model sees"},
};

constexpr std::size_t kHelpColumn = 26;  // where the descriptions of options start
constexpr std::size_t kHelpWidth = 100;
const std::string kOut = "--out";

Description* wanted = nullptr;  // by describe(), for as long as it runs

template <class Number>
Number parse_number(const std::string& name, const std::string& text, const char* kind) {
  Number number{};
  const auto [end, error] = moeclip::read_number(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range)
    throw UsageError(concat("--", name, ": ", text, " is beyond what a number can hold here"));
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(static_cast<double>(number)))
    throw UsageError(concat("--", name, " wants ", kind, ", not '", text, "'"));
  return number;
}

/// One entry of the help: the term, then its description in a column of its own.
void append_entry(std::string& out, const std::string& term, const std::string& description) {
  out += concat("  ", term);
  out += term.size() + 4 > kHelpColumn ? concat("\n", std::string(kHelpColumn, ' '))
                                       : std::string(kHelpColumn - 2 - term.size(), ' ');
  append_wrapped(out, description, kHelpColumn, kHelpWidth);
}

std::string joined(const std::vector<std::string>& words, const char* separator) {
  return std::accumulate(words.begin(), words.end(), std::string(), [&](std::string all, const std::string& word) {
    return all.empty() ? word : std::move(all) + separator + word;
  });
}

}  // namespace

void append_wrapped(std::string& out, std::string_view text, std::size_t column, std::size_t width) {
  std::size_t at = out.size() - (out.rfind('\n') + 1);  // npos + 1 is 0
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (at > column && at + 1 + word.size() > width) {
      out += concat("\n", std::string(column, ' '));
      at = column;
    } else if (at > column) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  out += '\n';
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t kLongest = 64;  // longer than any candidate: nothing is near
  if (word.size() > kLongest) return {};
  std::string best;
  // Two letters may be wrong, in long words a third of them, but never all.
  std::size_t beyond = std::min(std::max<std::size_t>(3, word.size() / 3 + 1), word.size());
  for (const std::string& candidate : candidates) {
    const bool is_start = word.size() >= 2 && candidate.starts_with(word);
    const std::size_t distance = is_start ? 1 : moeclip::edit_distance(word, candidate);
    if (distance < beyond) {
      beyond = distance;
      best = candidate;
    }
  }
  return best;
}

namespace {

/// The help with the default behind it, unless it speaks of the default in words of its own.
template <class Value>
std::string with_default(std::string_view help, const Value& value) {
  return help.find("default") == std::string_view::npos ? concat(help, " (default: ", value, ")") : std::string(help);
}

}  // namespace

void Options::add(std::string_view name, Target target, std::string_view placeholder, std::string_view help) {
  options_.push_back({std::string(name), std::string(placeholder), std::string(help), target, {}, {}});
}

void Options::flag(std::string_view name, bool& value, std::string_view help) { add(name, &value, "", help); }

void Options::value(std::string_view name, std::string& value, std::string_view placeholder, std::string_view help) {
  add(name, &value, placeholder, value.empty() ? std::string(help) : with_default(help, value));
}

void Options::value(std::string_view name, std::int64_t& value, std::string_view placeholder, std::string_view help) {
  add(name, &value, placeholder, with_default(help, value));
}

void Options::value(std::string_view name, double& value, std::string_view placeholder, std::string_view help) {
  add(name, &value, placeholder, with_default(help, value));
}

void Options::value(std::string_view name, std::optional<std::int64_t>& value, std::string_view placeholder,
                    std::string_view help) {
  add(name, &value, placeholder, help);
}

void Options::value(std::string_view name, std::optional<double>& value, std::string_view placeholder,
                    std::string_view help) {
  add(name, &value, placeholder, help);
}

void Options::choice(std::string_view name, std::string& value, std::vector<std::string> choices,
                     std::string_view help) {
  this->value(name, value, joined(choices, "|"), help);
  options_.back().choices = std::move(choices);
}

void Options::repeated(std::string_view name, std::vector<std::string>& values, std::string_view placeholder,
                       std::string_view help) {
  add(name, &values, placeholder, concat(help, " (may be repeated)"));
}

void Options::positional(std::string_view placeholder, std::string& value, std::string_view help,
                         std::vector<std::string> choices) {
  positionals_.push_back({std::string(placeholder), std::string(help), &value, 1, std::move(choices)});
}

void Options::positionals(std::string_view placeholder, std::vector<std::string>& values, std::size_t at_least,
                          std::string_view help) {
  positionals_.push_back({std::string(placeholder), std::string(help), &values, at_least, {}});
}

void Options::progress() {
  flag("quiet", is_quiet_, "say nothing on stderr but errors");
  value("log-json", log_, "FILE", "add a line of JSON to FILE for every step (`moeclip help`); -: to stderr");
}

const Options::Option& Options::find(const std::string& name) const {
  std::vector<std::string> names = {"help"};
  for (const Option& option : options_) {
    if (option.name == name) return option;
    names.push_back(option.name);
  }
  for (const Lack& lack : kLacks)
    if (command_ == lack.command && name == lack.option)
      throw UsageError(concat("there is no --", name, ": ", lack.why));
  const std::string meant = nearest(name, names);
  throw UsageError(
      concat("unknown option --", name, meant.empty() ? "" : "; did you mean --", meant, meant.empty() ? "" : "?"));
}

bool Options::parse(Words words) {
  if (wanted != nullptr) {
    *wanted = description();
    return false;
  }
  std::vector<std::string> arguments;
  while (!words.empty()) {
    const std::string& word = words.front();
    if (word == "--") {
      arguments.insert(arguments.end(), words.begin() + 1, words.end());
      break;
    }
    if (word == "--help" || word == "-h") {
      print(help());
      return false;
    }
    std::size_t taken = 1;
    if (word.starts_with("--") || word == "-o") {
      taken = take_option(words);
    } else if (word.starts_with('-') && word != "-") {
      throw UsageError(concat("unknown option ", word, "; options start with two dashes, and a lone -- ends them"));
    } else {
      arguments.push_back(word);
    }
    words = words.subspan(taken);
  }
  assign(arguments);
  messages().set_up(command_, is_quiet_, log_);
  return true;
}

std::vector<std::string> Options::declared() const {
  std::vector<std::string> names;
  for (const Option& option : options_) names.push_back(option.name);
  return names;
}

/// Takes the option that `words` begin with. Returns how many words it is: "--name VALUE" is two.
std::size_t Options::take_option(Words words) {
  const std::string& word = words.front() == "-o" ? kOut : words.front();
  const std::size_t equals = std::min(word.find('='), word.size());
  const bool has_equals = equals < word.size();
  const Option& option = find(word.substr(2, equals - 2));
  given_.push_back(option.name);
  if (bool* const* const flag = std::get_if<bool*>(&option.target)) {
    if (has_equals) throw UsageError(concat("--", option.name, " takes no value"));
    **flag = true;
    return 1;
  }
  const bool is_missing = !has_equals && (words.size() < 2 || words[1].starts_with("--"));
  const std::string value = is_missing ? "" : has_equals ? word.substr(equals + 1) : words[1];
  if (value.empty())  // which a shell makes of a variable that is not set
    throw UsageError(concat("--", option.name, " wants a value: --", option.name, " ", option.placeholder));
  store(option, value);
  return has_equals ? 1 : 2;
}

void Options::store(const Option& option, const std::string& text) {
  if (!option.choices.empty() && std::ranges::find(option.choices, text) == option.choices.end())
    throw UsageError(concat("--", option.name, " is one of ", joined(option.choices, ", "), ", not '", text, "'"));
  if (auto* const* string = std::get_if<std::string*>(&option.target)) **string = text;
  if (auto* const* list = std::get_if<std::vector<std::string>*>(&option.target)) (*list)->push_back(text);
  if (auto* const* number = std::get_if<std::int64_t*>(&option.target))
    **number = parse_number<std::int64_t>(option.name, text, "a whole number");
  if (auto* const* number = std::get_if<std::optional<std::int64_t>*>(&option.target))
    **number = parse_number<std::int64_t>(option.name, text, "a whole number");
  if (auto* const* number = std::get_if<double*>(&option.target))
    **number = parse_number<double>(option.name, text, "a number");
  if (auto* const* number = std::get_if<std::optional<double>*>(&option.target))
    **number = parse_number<double>(option.name, text, "a number");
}

void Options::assign(Words arguments) const {
  for (const Positional& positional : positionals_) {
    if (arguments.size() < positional.at_least)
      throw UsageError(concat(positional.placeholder, " is missing: ", positional.help));
    if (auto* const* list = std::get_if<std::vector<std::string>*>(&positional.target)) {
      (*list)->assign(arguments.begin(), arguments.end());
      return;
    }
    const std::vector<std::string>& choices = positional.choices;
    if (!choices.empty() && std::ranges::find(choices, arguments.front()) == choices.end())
      throw UsageError(
          concat(positional.placeholder, " is one of ", joined(choices, ", "), ", not '", arguments.front(), "'"));
    *std::get<std::string*>(positional.target) = arguments.front();
    arguments = arguments.subspan(1);
  }
  if (!arguments.empty()) throw UsageError(concat("one argument too many: '", arguments.front(), "'"));
}

Description Options::description() const {
  Description all{command_, purpose_, {}, {}, notes_};
  for (const Positional& positional : positionals_) {
    const bool is_list = std::holds_alternative<std::vector<std::string>*>(positional.target);
    all.arguments.push_back(
        {"", positional.placeholder, positional.help, positional.choices, is_list, positional.at_least == 0});
  }
  for (const Option& option : options_) {
    const bool is_list = std::holds_alternative<std::vector<std::string>*>(option.target);
    const std::vector<std::string>& values = option.choices.empty() ? option.offered : option.choices;
    all.options.push_back({option.name, option.placeholder, option.help, values, is_list});
  }
  all.options.push_back({"help", "", "show this", {}, false});
  return all;
}

Description describe(int (*run)(Words words), Words words) {
  Description found;
  wanted = &found;
  static_cast<void>(run(words));
  wanted = nullptr;
  return found;
}

std::string Options::help() const {
  std::string out = concat("usage: moeclip ", command_, options_.empty() ? "" : " [OPTION]...");
  for (const Positional& positional : positionals_) {
    const bool is_list = std::holds_alternative<std::vector<std::string>*>(positional.target);
    const std::string term = concat(positional.placeholder, is_list ? "..." : "");
    out += positional.at_least == 0 ? concat(" [", term, "]") : concat(" ", term);
  }
  out += "\n\n";
  append_wrapped(out, purpose_, 0, kHelpWidth);
  out += '\n';
  for (const Positional& positional : positionals_) append_entry(out, positional.placeholder, positional.help);
  for (const Option& option : options_) {
    const char* const space = option.placeholder.empty() ? "" : " ";
    append_entry(out, concat("--", option.name, space, option.placeholder), option.help);
  }
  append_entry(out, "--help", "show this");
  for (const std::string& note : notes_) {
    out += '\n';
    append_wrapped(out, note, 0, kHelpWidth);
  }
  return out;
}

void expect_size_and_threads(std::int64_t image_size, std::int64_t threads) {
  constexpr std::int64_t kMostPixels = 8192, kMostThreads = 4096;
  if (image_size < 0 || image_size > kMostPixels)
    throw UsageError(moeclip::concat("--image-size is a count of pixels, at most ", kMostPixels));
  if (threads < 0 || threads > kMostThreads)
    throw UsageError(moeclip::concat("--threads is a count, at most ", kMostThreads));
}

}  // namespace cli
