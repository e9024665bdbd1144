// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cctype>
#include <moeclip/base/text.hpp>
#include <moeclip/base/version.hpp>

#include "pages.hpp"

namespace cli {

using moeclip::concat;

namespace {

constexpr const char* kPageDate = "2026-11-29";  // of this version, as in tools/packaging/CHANGELOG.md

/// A line of text in man's language: nothing in it is a request, and what can be typed is shown as it is typed.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\': out += "\\e"; break;
      case '-': out += "\\-"; break;
      case '\'': out += "\\(aq"; break;
      case '`': out += "\\(ga"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      default: out += c;
    }
  }
  return out;
}

/// Words of a sentence: what stands between backticks is bold, and a dash within a word is a hyphen.
std::string sentence(std::string_view text) {
  std::string out;
  bool is_code = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_hyphen = c == '-' && !is_code && i > 0 && std::isalpha(static_cast<unsigned char>(text[i - 1])) != 0;
    if (c == '`') {
      is_code = !is_code;
      out += is_code ? "\\fB" : "\\fR";
    } else {
      out += is_hyphen ? "-" : escaped(text.substr(i, 1));
    }
  }
  return out;
}

/// Appends a paragraph in lines of a width that people read; no line of it is taken for a request.
void append_text(std::string& out, std::string_view text) {
  constexpr std::size_t kWidth = 78;
  std::string lines;
  append_wrapped(lines, sentence(text), 0, kWidth);
  if (lines.starts_with('.')) out += "\\&";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out += lines[i];
    if (lines[i] == '\n' && i + 1 < lines.size() && lines[i + 1] == '.') out += "\\&";
  }
}

void append_section(std::string& out, const char* title) { out += concat(".SH ", title, "\n"); }

void append_item(std::string& out, const std::string& term, std::string_view help) {
  out += concat(".TP\n", term, "\n");
  append_text(out, help);
}

/// Title, name and purpose; `about` is what `whatis` shows.
std::string head(const std::string& name, const char* about) {
  std::string title = name;
  std::ranges::transform(title, title.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return concat(".\\\" SPDX-License-Identifier: MIT\n.\\\" Written by `moeclip help --man`.\n.TH ", title, " 1 ",
                kPageDate, " \"moeclip ", MOECLIP_VERSION_STRING, "\" \"User Commands\"\n.SH NAME\n", escaped(name),
                " \\- ", sentence(about), "\n");
}

std::string synopsis_argument(const Description::Entry& argument) {
  const std::string term = concat("\\fI", escaped(argument.placeholder), "\\fR", argument.is_list ? "..." : "");
  return argument.is_optional ? concat("[", term, "]") : term;
}

std::string option_term(const Description::Entry& option) {
  const std::string name = concat("\\fB\\-\\-", escaped(option.name), "\\fR");
  const std::string term =
      option.placeholder.empty() ? name : concat(name, " \\fI", escaped(option.placeholder), "\\fR");
  return option.name == "out" ? concat("\\fB\\-o\\fR, ", term) : term;
}

}  // namespace

std::string man_page(const Page& page) {
  const Description& d = page.description;
  std::string out = head(page.name(), page.command->help);
  append_section(out, "SYNOPSIS");
  out += concat("\\fBmoeclip ", d.command, "\\fR [\\fIOPTION\\fR]...");
  for (const Description::Entry& argument : d.arguments) out += " " + synopsis_argument(argument);
  out += '\n';
  append_section(out, "DESCRIPTION");
  append_text(out, d.purpose);
  for (const Description::Entry& argument : d.arguments)
    append_item(out, concat("\\fI", escaped(argument.placeholder), "\\fR"), argument.help);
  append_section(out, "OPTIONS");
  for (const Description::Entry& option : d.options) append_item(out, option_term(option), option.help);
  if (!d.notes.empty()) append_section(out, "NOTES");
  for (const std::string& note : d.notes) {
    if (&note != &d.notes.front()) out += ".PP\n";
    append_text(out, note);
  }
  append_section(out, "EXIT STATUS");
  append_text(out, "0 if all is well, 1 to 3 otherwise, as in");
  out += ".BR moeclip (1).\n";
  append_section(out, "SEE ALSO");
  out += ".BR moeclip (1)\n";
  return out;
}

std::string man_overview() {
  std::string out = head("moeclip", "find defects in pictures, with MoECLIP on a CPU");
  append_section(out, "SYNOPSIS");
  out += "\\fBmoeclip\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n";
  append_section(out, "DESCRIPTION");
  append_text(out,
              "Finds defects in pictures of things that it was never trained on: the whole MoECLIP method (zero-shot "
              "anomaly detection with a frozen CLIP and mixtures of LoRA experts), training included, and detection by "
              "good pictures of a part. Results go to standard output, messages to standard error. Files are written "
              "whole or not at all, and replaced only with `--force`; `-o` stands for `--out`.");
  append_section(out, "COMMANDS");
  for (const Page& page : all_pages())
    append_item(out, concat(".BR ", escaped(page.name()), " (1)"), page.command->help);
  append_section(out, "PROGRESS");
  append_text(out, progress_text());
  append_section(out, "EXIT STATUS");
  for (const auto& [code, meaning] : exit_code_texts())
    append_item(out, concat("\\fB", static_cast<int>(code), "\\fR"), meaning);
  append_section(out, "ENVIRONMENT");
  for (const auto& [name, meaning] : environment_texts()) append_item(out, concat("\\fB", name, "\\fR"), meaning);
  append_section(out, "EXAMPLES");
  append_text(out, "Learn a part from good pictures, and look for defects in others:");
  out +=
      ".PP\n.nf\n.RS 4\nmoeclip learn good/ \\-o part.moeclip\nmoeclip detect photos/ \\-\\-good part.moeclip "
      "\\-\\-out "
      "results\n.RE\n.fi\n";
  return out;
}

}  // namespace cli
