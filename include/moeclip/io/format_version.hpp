// SPDX-License-Identifier: MIT
#pragma once
// What all readers of this library's own files say to a version of a format that they do not read: that it is newer,
// or older, or none.

#include <cstdint>
#include <string_view>

#include "json_value.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// The versions of a format that are read, first to last.
struct FormatVersions {
  std::int64_t first = 1;
  std::int64_t last = 1;
};

/// Checks what a file states as the version of its format: a whole number, or a text of its digits. `what` is the
/// file, as in "is a model file", `again` how such a file is made. Throws unsupported if the version is newer or older
/// than those that are read, format if it is none.
void expect_version(const Json& stated, FormatVersions read, std::string_view source, std::string_view what,
                    std::string_view again);

}}}  // namespace moeclip::abi_v0_1::detail

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <charconv>

#include "json_writer.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// The number that a text spells; the text again if it spells none.
inline Json spelled_number(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  return last == end && error == std::errc() ? Json(number) : Json(text);
}

MOECLIP_FUNC void expect_version(const Json& stated, FormatVersions read, std::string_view source,
                                 std::string_view what, std::string_view again) {
  if (stated.is_string() && spelled_number(stated.as_string()).is_integer())
    return expect_version(spelled_number(stated.as_string()), read, source, what, again);
  const std::string said = concat(source, ": is ", what, " of version ", dump_json(stated));
  if (!stated.is_integer()) fail(ErrorCode::format, concat(said, ", which is no version: ", again));
  // What is above int64 is a uint64, and newer than anything.
  const bool is_newer = !(stated.as_number() <= static_cast<double>(read.last));
  if (!is_newer && stated.as_int64() >= read.first) return;
  const std::string known =
      read.first == read.last ? concat("version ", read.last) : concat("versions ", read.first, " to ", read.last);
  fail(ErrorCode::unsupported, concat(said, ", ", is_newer ? "newer" : "older", " than this program, moeclip ",
                                      MOECLIP_VERSION_STRING, ", which reads ", known, ": use ",
                                      is_newer ? "a newer moeclip" : "the moeclip that wrote it", ", or ", again));
}

}}}  // namespace moeclip::abi_v0_1::detail

#endif
