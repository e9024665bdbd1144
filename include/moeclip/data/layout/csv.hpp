// SPDX-License-Identifier: MIT
#pragma once
// Reads tables of comma separated values (RFC 4180), also with semicolons or tabs, as they come with data sets.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../base/error.hpp"
#include "../../base/lists.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The rows of a table; the first one holds the names of the columns. Cells are without blanks around them.
using CsvRows = std::vector<std::vector<std::string>>;

namespace detail {

/// What separates the cells: of the three candidates the one that the first line has most of.
inline char csv_separator(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  char best = ',';
  for (const char candidate : {';', '\t'})
    if (lists::count(line, candidate) > lists::count(line, best)) best = candidate;
  return best;
}

inline std::string without_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") + 1 - first));
}

/// Takes a cell in quotes off the front of `text`, from after its opening quote to after its closing one.
inline std::string take_quoted(std::string_view& text, std::string_view source) {
  std::string cell;
  while (true) {
    const std::size_t quote = text.find('"');
    if (quote == std::string_view::npos)
      fail(ErrorCode::format, concat(source, ": a quote is opened and never closed"));
    cell += text.substr(0, quote);
    text.remove_prefix(quote + 1);
    if (!text.starts_with('"')) return cell;
    cell += '"';  // two quotes stand for one
    text.remove_prefix(1);
  }
}

}  // namespace detail

/// Parses a table; lines without any content are left out. Throws format for a quote that is not closed.
inline CsvRows parse_csv(std::string_view text, std::string_view source) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // byte order mark
  const char separator = detail::csv_separator(text);
  const char ends[] = {separator, '\n', '\0'};
  CsvRows rows;
  std::vector<std::string> row;
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(' ');
    std::string cell;
    if (start != std::string_view::npos && text[start] == '"') {
      text.remove_prefix(start + 1);
      cell = detail::take_quoted(text, source);
      text.remove_prefix((std::min)(text.find_first_of(ends), text.size()));
    } else {
      const std::size_t end = (std::min)(text.find_first_of(ends), text.size());
      cell = detail::without_blanks(text.substr(0, end));
      text.remove_prefix(end);
    }
    row.push_back(std::move(cell));
    const bool is_line_end = text.empty() || text.front() == '\n';
    if (!text.empty()) text.remove_prefix(1);
    if (!is_line_end) continue;
    if (row.size() > 1 || !row[0].empty()) rows.push_back(std::move(row));
    row.clear();
  }
  if (!row.empty()) {  // the text ends with a separator
    row.emplace_back();
    rows.push_back(std::move(row));
  }
  return rows;
}

}}  // namespace moeclip::abi_v0_1
