// SPDX-License-Identifier: MIT
#pragma once
// Man pages and completions, made of the table of commands and of what each of them declares.

#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"

namespace cli {

/// A command line: a command, or one of its verbs.
struct Page {
  const Command* command;
  Description description;

  /// "moeclip-dataset-scan"
  [[nodiscard]] std::string name() const;
};

/// What can be typed behind "moeclip", in the order of the table.
[[nodiscard]] std::vector<Page> all_pages();

/// What every command has in common, for `moeclip help` and its man page.
struct ExitCodeText {
  ExitCode code;
  const char* meaning;
};
struct EnvironmentText {
  const char* name;
  const char* meaning;
};
[[nodiscard]] std::span<const ExitCodeText> exit_code_texts();
[[nodiscard]] std::span<const EnvironmentText> environment_texts();
[[nodiscard]] std::string_view progress_text();

/// moeclip(1), and the page of one command line, for man(7).
[[nodiscard]] std::string man_overview();
[[nodiscard]] std::string man_page(const Page& page);

/// What a shell sources; `shell` is one of these.
inline constexpr const char* kShells[] = {"bash", "zsh", "fish"};
[[nodiscard]] std::string completion_of(std::string_view shell);

}  // namespace cli
