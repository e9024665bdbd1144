// SPDX-License-Identifier: MIT
#pragma once
// The command line of one command, declared once: each option and positional argument is bound to a variable that
// holds its default. From the same declarations come the parser, the help text and the nearest match to a misspelling.
//
//   Options options("decode", "Write the pixels that the model would see.");
//   options.positional("IMAGE", image, "picture to read");
//   options.flag("exif", use_exif, "turn the picture upright");
//   if (!options.parse(words)) return kOk;  // the help was wanted, and is printed

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cli {

/// The command line makes no sense; what() says why. main prints it and exits with kUsage.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Words = std::span<const std::string>;

/// What a command line takes, for whoever writes about it: man pages and completions.
struct Description {
  struct Entry {
    std::string name;                  ///< of an option, without dashes; "": an argument
    std::string placeholder, help;     ///< no placeholder: a flag
    std::vector<std::string> choices;  ///< values that it can have or, of those of files and the like, some of them
    bool is_list = false, is_optional = true;
  };
  std::string command, purpose;
  std::vector<Entry> options, arguments;
  std::vector<std::string> notes;
};

class Options {
 public:
  /// `command` as typed after the program's name, `purpose` one or more sentences for the help.
  Options(std::string_view command, std::string_view purpose) : command_(command), purpose_(purpose) {}
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  /// --name: sets `value` to true.
  void flag(std::string_view name, bool& value, std::string_view help);

  /// --name VALUE or --name=VALUE. Given more than once, the last one counts. `placeholder` stands for it in the help.
  void value(std::string_view name, std::string& value, std::string_view placeholder, std::string_view help);
  void value(std::string_view name, std::int64_t& value, std::string_view placeholder, std::string_view help);
  void value(std::string_view name, double& value, std::string_view placeholder, std::string_view help);
  void value(std::string_view name, std::optional<std::int64_t>& value, std::string_view placeholder,
             std::string_view help);
  void value(std::string_view name, std::optional<double>& value, std::string_view placeholder, std::string_view help);

  /// --name VALUE where VALUE is one of `choices`.
  void choice(std::string_view name, std::string& value, std::vector<std::string> choices, std::string_view help);

  /// Values of the option declared last that shells offer. Others are taken, too.
  void offer(std::vector<std::string> values) { options_.back().offered = std::move(values); }

  /// --name VALUE, any number of times.
  void repeated(std::string_view name, std::vector<std::string>& values, std::string_view placeholder,
                std::string_view help);

  /// One argument that must be there, in the order of declaration. With `choices`, it is one of these.
  void positional(std::string_view placeholder, std::string& value, std::string_view help,
                  std::vector<std::string> choices = {});

  /// All arguments that are left, at least `at_least` of them. Declared last.
  void positionals(std::string_view placeholder, std::vector<std::string>& values, std::size_t at_least,
                   std::string_view help);

  /// --quiet and --log-json, for what takes long (progress.hpp); parse() sets them up.
  void progress();

  /// A paragraph at the end of the help.
  void note(std::string_view text) { notes_.emplace_back(text); }

  /// Sets the variables from the words after the command. Words after `--` are positional. Returns false if --help was
  /// among them and has been printed, or if describe() asks. Throws UsageError.
  [[nodiscard]] bool parse(Words words);

  [[nodiscard]] std::string help() const;
  [[nodiscard]] Description description() const;

  /// The options that were declared so far, and those of them that were given, without dashes.
  [[nodiscard]] std::vector<std::string> declared() const;
  [[nodiscard]] const std::vector<std::string>& given() const { return given_; }

 private:
  using Target = std::variant<bool*, std::string*, std::int64_t*, double*, std::optional<std::int64_t>*,
                              std::optional<double>*, std::vector<std::string>*>;
  struct Option {
    std::string name, placeholder, help;
    Target target;
    std::vector<std::string> choices, offered;
  };
  struct Positional {
    std::string placeholder, help;
    std::variant<std::string*, std::vector<std::string>*> target;
    std::size_t at_least = 1;
    std::vector<std::string> choices;
  };

  void add(std::string_view name, Target target, std::string_view placeholder, std::string_view help);
  const Option& find(const std::string& name) const;
  std::size_t take_option(Words words);
  static void store(const Option& option, const std::string& text);
  void assign(Words arguments) const;

  std::string command_, purpose_, log_;
  bool is_quiet_ = false;
  std::vector<Option> options_;
  std::vector<Positional> positionals_;
  std::vector<std::string> notes_, given_;
};

/// What a command declares: it is run with `words` until it parses them, and no further.
[[nodiscard]] Description describe(int (*run)(Words words), Words words);

/// Appends `text` word by word, wrapped at `width`, with lines after the first indented to `column`.
void append_wrapped(std::string& out, std::string_view text, std::size_t column, std::size_t width);

/// Throws UsageError unless --image-size and --threads, 0 for the default, are sizes and counts that make sense.
void expect_size_and_threads(std::int64_t image_size, std::int64_t threads);

/// The candidate that `word` was probably meant to be, or "" if none is near.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace cli
