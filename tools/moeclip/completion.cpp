// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <moeclip/base/text.hpp>

#include "pages.hpp"

namespace cli {

using moeclip::concat;

std::string Page::name() const {
  std::string text = concat("moeclip-", description.command);
  std::ranges::replace(text, ' ', '-');
  return text;
}

std::vector<Page> all_pages() {
  std::vector<Page> pages;
  for (const Command& command : commands()) {
    std::vector<std::vector<std::string>> starts;
    for (const std::string& verb : command.verbs) starts.push_back({verb});
    if (starts.empty()) starts.emplace_back();
    for (const std::vector<std::string>& words : starts) pages.push_back({&command, describe(command.run, words)});
  }
  return pages;
}

namespace {

using Entry = Description::Entry;

/// What stands in the place of a value.
enum class Kind { nothing, words, files, folders };

/// Words in placeholders that stand for paths. The placeholder is what people read, too, so none is made up for this.
constexpr std::array kPathWords{"FILE", "FILE.html", "FILE.jsonl", "IMAGE", "IMAGES", "GOOD",  "DATA",
                                "LIST", "RUN",       "STATE",      "IN",    "OUT",    "FOLDER"};

Kind kind_of(const Entry& entry) {
  if (!entry.choices.empty() || entry.placeholder == "COMMAND") return Kind::words;
  Kind kind = Kind::nothing;
  std::string_view left = entry.placeholder;
  while (!left.empty()) {
    const std::string_view word = left.substr(0, left.find_first_of("|="));
    left.remove_prefix(std::min(left.size(), word.size() + 1));
    if (std::ranges::find(kPathWords, word) != kPathWords.end()) return Kind::files;
    if (word == "DIR") kind = Kind::folders;
  }
  return kind;
}

std::string names_of_commands() {
  std::string names;
  for (const Command& command : commands()) names += concat(names.empty() ? "" : " ", command.name);
  return names;
}

std::string words_of(const Entry& entry) {
  if (entry.choices.empty()) return names_of_commands();
  std::string words;
  for (const std::string& choice : entry.choices) words += concat(words.empty() ? "" : " ", choice);
  return words;
}

/// The first clause of a help text: what fits beside a candidate.
std::string brief(const std::string& help) {
  std::size_t end = help.size();
  for (const char* const mark : {"; ", " (", ". ", ": "}) end = std::min(end, help.find(mark));
  return help.substr(0, end);
}

/// Names of options of a kind, as a pattern of `case`: those that have the same values in one.
std::string options_of_kind(const Description& d, Kind kind) {
  std::string pattern;
  for (const Entry& option : d.options) {
    if (option.placeholder.empty() || kind_of(option) != kind) continue;
    pattern += concat(pattern.empty() ? "" : "|", "--", option.name, option.name == "out" ? "|-o" : "");
  }
  return pattern;
}

// bash -----------------------------------------------------------------------------------------------------------

constexpr const char* kBashStart = R"(# shellcheck shell=bash
# Completion of moeclip for bash, written by `moeclip completion bash`.
_moeclip() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
  local options='' kind='' words=''
  if [[ $current == '=' ]]; then current=''  # --name=value is three words
  elif [[ $before == '=' ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
)";

constexpr const char* kBashEnd = R"(  if ((COMP_CWORD == 1)); then
    kind=words words="$commands --help --version"
  elif [[ $current == -* ]]; then
    kind=words words=$options
  fi
  COMPREPLY=()
  case $kind in
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
    files) compopt -o default 2>/dev/null ;;
    folders) compopt -o dirnames 2>/dev/null ;;
  esac
}
complete -F _moeclip moeclip
)";

/// What stands in `kind` and `words` for an entry.
std::string bash_values(const Entry& entry) {
  switch (kind_of(entry)) {
    case Kind::words: return concat("kind=words words='", words_of(entry), "'");
    case Kind::files: return "kind=files";
    case Kind::folders: return "kind=folders";
    case Kind::nothing: break;
  }
  return "kind=''";
}

std::string bash_case(const Description& d) {
  std::string out = concat("    '", d.command, "')\n      options='");
  for (const Entry& option : d.options) out += concat(&option == &d.options.front() ? "" : " ", "--", option.name);
  out += "'\n";
  if (!d.arguments.empty()) out += concat("      ", bash_values(d.arguments.front()), "\n");
  std::string cases;
  for (const Kind kind : {Kind::nothing, Kind::files, Kind::folders}) {
    const std::string pattern = options_of_kind(d, kind);
    const char* const name = kind == Kind::nothing ? "''" : kind == Kind::files ? "files" : "folders";
    if (!pattern.empty()) cases += concat("        ", pattern, ") kind=", name, " ;;\n");
  }
  for (const Entry& option : d.options)
    if (kind_of(option) == Kind::words) cases += concat("        --", option.name, ") ", bash_values(option), " ;;\n");
  if (!cases.empty()) out += concat("      case $before in\n", cases, "      esac\n");
  return out + "      ;;\n";
}

std::string bash_completion() {
  std::string out = concat(kBashStart, "  local commands='", names_of_commands(), "'\n");
  for (const Command& command : commands()) {
    if (command.verbs.empty()) continue;
    std::string verbs;
    for (const std::string& verb : command.verbs) verbs += concat(verbs.empty() ? "" : " ", verb);
    out +=
        concat("  if [[ $command == ", command.name, " ]]; then\n    if ((COMP_CWORD == 2)); then kind=words words='",
               verbs, "' command=''; else command+=\" ${COMP_WORDS[2]}\"; fi\n  fi\n");
  }
  out += "  case $command in\n";
  for (const Page& page : all_pages()) out += bash_case(page.description);
  return concat(out, "  esac\n", kBashEnd);
}

// zsh ------------------------------------------------------------------------------------------------------------

/// Text that stands between single quotes, with a backslash before each of `special`.
std::string quoted(std::string_view text, std::string_view special, const char* quote) {
  std::string out;
  for (const char c : text) {
    if (c == '\'')
      out += quote;
    else
      out += special.find(c) != std::string_view::npos ? concat("\\", std::string(1, c)) : std::string(1, c);
  }
  return out;
}

std::string zsh_text(std::string_view text) { return quoted(text, "[]\\:", "'\\''"); }

std::string zsh_value(const Entry& entry) {
  const std::string start = concat(":", zsh_text(entry.placeholder), ":");
  switch (kind_of(entry)) {
    case Kind::words: return concat(start, "(", words_of(entry), ")'");
    case Kind::files: return start + "_files'";
    case Kind::folders: return start + "_files -/'";
    case Kind::nothing: break;
  }
  return start + " '";
}

std::string zsh_option(const std::string& name, const Entry& option) {
  const std::string start = concat("'", option.is_list ? "*" : "", name, option.placeholder.empty() ? "" : "=", "[",
                                   zsh_text(brief(option.help)), "]");
  return option.placeholder.empty() ? start + "'" : start + zsh_value(option);
}

std::string zsh_case(const Description& d) {
  std::string out = concat("    '", d.command, "')\n      _arguments -S");
  for (const Entry& option : d.options) {
    out += concat(" \\\n        ", zsh_option("--" + option.name, option));
    if (option.name == "out") out += concat(" \\\n        '-o[", zsh_text(brief(option.help)), "]", zsh_value(option));
  }
  for (const Entry& argument : d.arguments)
    out += concat(" \\\n        '", argument.is_list ? "*" : "", zsh_value(argument));
  return out + " ;;\n";
}

/// `name:help` of all commands, as _describe takes them.
std::string zsh_commands() {
  std::string out;
  for (const Command& command : commands())
    out += concat("    '", command.name, ":", quoted(command.help, "\\", "'\\''"), "'\n");
  return out;
}

std::string zsh_completion() {
  std::string out = concat(R"(#compdef moeclip
# Completion of moeclip for zsh, written by `moeclip completion zsh`.
_moeclip() {
  local curcontext=$curcontext state line command
  local -a commands
  commands=(
)",
                           zsh_commands(), R"(  )
  _arguments -C '1: :->command' '*:: :->argument'
  if [[ $state == command ]]; then
    _describe command commands
    return
  fi
  command=$words[1]
)");
  for (const Command& command : commands()) {
    if (command.verbs.empty()) continue;
    std::string verbs;
    for (const std::string& verb : command.verbs) verbs += " " + verb;
    out += concat("  if [[ $command == ", command.name, " ]]; then\n    if ((CURRENT == 2)); then compadd --", verbs,
                  "; return; fi\n    command+=\" $words[2]\"\n    shift words\n    ((CURRENT--))\n  fi\n");
  }
  out += "  case $command in\n";
  for (const Page& page : all_pages()) out += zsh_case(page.description);
  return concat(out, R"(  esac
}
if [[ $funcstack[1] == _moeclip ]]; then _moeclip "$@"; else compdef _moeclip moeclip; fi
)");
}

// fish -----------------------------------------------------------------------------------------------------------

std::string fish_text(std::string_view text) { return concat("'", quoted(text, "\\", "\\'"), "'"); }

/// How the values of an entry are completed; -r: there must be one, -x: and it is no file.
std::string fish_values(const Entry& entry) {
  switch (kind_of(entry)) {
    case Kind::words: return concat("-x -a ", fish_text(words_of(entry)));
    case Kind::files: return "-r -F";
    case Kind::folders: return "-x -a '(__fish_complete_directories)'";
    case Kind::nothing: break;
  }
  return "-x";
}

std::string fish_lines(const Description& d) {
  const std::string start = concat("complete -c moeclip -n '__moeclip_is ", d.command, "'");
  std::string out;
  if (!d.arguments.empty()) {
    const Entry& argument = d.arguments.front();
    switch (kind_of(argument)) {
      case Kind::words: out += concat(start, " -a ", fish_text(words_of(argument)), "\n"); break;
      case Kind::files: out += start + " -F\n"; break;
      case Kind::folders: out += start + " -a '(__fish_complete_directories)'\n"; break;
      case Kind::nothing: break;
    }
  }
  for (const Entry& option : d.options)
    out +=
        concat(start, option.name == "out" ? " -s o -l " : " -l ", option.name, " ",
               option.placeholder.empty() ? "" : fish_values(option) + " ", "-d ", fish_text(brief(option.help)), "\n");
  return out;
}

std::string fish_completion() {
  std::string out = R"(# Completion of moeclip for fish, written by `moeclip completion fish`.
function __moeclip_is # COMMAND [VERB]: whether these are the words that were typed first
    set -l typed (commandline -opc)
    set -l last (math 1 + (count $argv))
    test (count $typed) -ge $last; and test "$typed[2..$last]" = "$argv"
end
function __moeclip_has # N: whether so many words were typed
    test (count (commandline -opc)) -eq $argv[1]
end
complete -c moeclip -f
)";
  for (const Command& command : commands()) {
    out += concat("complete -c moeclip -n '__moeclip_has 1' -a ", command.name, " -d ", fish_text(command.help), "\n");
    for (const std::string& verb : command.verbs)
      out += concat("complete -c moeclip -n '__moeclip_is ", command.name, "; and __moeclip_has 2' -a ", verb, "\n");
  }
  for (const Page& page : all_pages()) out += fish_lines(page.description);
  return out;
}

}  // namespace

std::string completion_of(std::string_view shell) {
  return shell == "bash" ? bash_completion() : shell == "zsh" ? zsh_completion() : fish_completion();
}

}  // namespace cli
