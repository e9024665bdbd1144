// SPDX-License-Identifier: MIT
// moeclip help: the list of commands, the help of one, and man pages of all.

#include <moeclip/base/text.hpp>
#include <moeclip/io/file.hpp>

#include "pages.hpp"

namespace cli {

using moeclip::concat;

namespace {

constexpr ExitCodeText kExitCodes[] = {
    {kOk, "all is well"},
    {kInputFailed, "at least one input was bad, all others were used"},
    {kUsage, "the command line makes no sense"},
    {kFailed, "the command could not do its work (weights, vocabulary, memory, an output)"},
};

constexpr EnvironmentText kEnvironment[] = {
    {"MOECLIP_ISA", "pins the instruction set, to one that `moeclip doctor` lists"},
    {"MOECLIP_VOCABULARY", "names the vocabulary"},
    {"NO_COLOR", "or TERM=dumb keeps progress from rewriting its line"},
};

constexpr std::string_view kProgressHelp =
    "What takes long shows rate, time left and memory on stderr: on a terminal a line that is rewritten, elsewhere a "
    "line every ten seconds. --quiet: neither that nor remarks, errors only. --log-json FILE adds every step to FILE "
    "as a line of JSON (- is stderr, /dev/fd/3 a descriptor): time, verb, stage, done, total, rate, seconds_left, "
    "resident_bytes, name, and where something is trained its losses, gradient_norm, lr, and figures of validation.";

std::string list_of_commands() {
  constexpr std::size_t kWidth = 110;
  std::string text = "usage: moeclip COMMAND [OPTION]... [ARGUMENT]...\n\n";
  for (const Command& command : commands()) {
    std::string name = command.name;
    name.resize(12, ' ');
    text += concat("  ", name, command.help, "\n");
  }
  text += "\n`moeclip COMMAND --help` explains a command; -o stands for --out.\n\n";
  std::string codes, environment;
  for (const auto& [code, meaning] : kExitCodes)
    codes += concat(codes.empty() ? "Exit codes: " : "; ", static_cast<int>(code), " ", meaning);
  for (const auto& [name, meaning] : kEnvironment)
    environment += concat(environment.empty() ? "Environment: " : "; ", name, " ", meaning);
  append_wrapped(text, codes + ".", 0, kWidth);
  text +=
      "Results go to stdout, messages to stderr. Files are written whole or not at all, and replaced only with "
      "--force.\n\n";
  append_wrapped(text, std::string(kProgressHelp), 0, kWidth);
  text += "\n";
  append_wrapped(text, environment + ".", 0, kWidth);
  return text;
}

/// The page that `words` name: a command, and its verb where it has some.
const Page& find_page(const std::vector<Page>& pages, Words words) {
  const Command& command = find_command(words[0]);
  for (const Page& page : pages) {
    if (page.command != &command) continue;
    const bool has_verb = !command.verbs.empty() && words.size() > 1;
    if (!has_verb || page.description.command == concat(words[0], " ", words[1])) return page;
  }
  throw UsageError(concat("there is no '", words[0], " ", words[1], "'"));
}

void write_page(const std::string& folder, const std::string& name, const std::string& text, bool is_forced) {
  const std::string path = moeclip::join_path(folder, name + ".1");
  expect_free_name(path, is_forced);
  write_outputs([&] { moeclip::write_file(path, moeclip::as_bytes(text)); });
}

}  // namespace

std::span<const ExitCodeText> exit_code_texts() { return kExitCodes; }
std::span<const EnvironmentText> environment_texts() { return kEnvironment; }
std::string_view progress_text() { return kProgressHelp; }

int run_help(Words words) {
  std::vector<std::string> names;
  std::string out;
  bool is_man = false, is_forced = false;
  Options options("help", "List the commands, explain one, or write man pages.");
  options.positionals("COMMAND", names, 0, "what is explained; without it, all commands are listed");
  options.flag("man", is_man, "as a man page: `moeclip help --man detect | man -l -`; without COMMAND moeclip(1)");
  options.value("out", out, "DIR", "with --man: write the pages of all commands there");
  options.flag("force", is_forced, "replace pages in DIR");
  if (!options.parse(words)) return kOk;
  if (!out.empty() && (!is_man || !names.empty())) throw UsageError("--out goes with --man, and takes all commands");
  if (is_man && !out.empty()) {
    prepare_folder(out);
    write_page(out, "moeclip", man_overview(), is_forced);
    for (const Page& page : all_pages()) write_page(out, page.name(), man_page(page), is_forced);
  } else if (is_man) {
    print(names.empty() ? man_overview() : man_page(find_page(all_pages(), names)));
  } else if (names.empty()) {
    print(list_of_commands());
  } else {
    const Command& command = find_command(names[0]);
    std::vector<std::string> asked(names.begin() + 1, names.end());
    asked.emplace_back("--help");
    return command.run(asked);
  }
  return kOk;
}

}  // namespace cli
