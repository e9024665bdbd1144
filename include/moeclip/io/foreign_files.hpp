// SPDX-License-Identifier: MIT
#pragma once
// Recognises what people get in place of the file they wanted, whatever that was: a pointer of Git LFS, a web page, an
// archive, zeros. The readers of weights and of pictures say it when they do not know a file.

#include <string_view>

#include "bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A file that has `magic` at `offset` is what follows "is ": "a PNG picture".
struct FileSignature {
  std::size_t offset;      ///< from the beginning of the file, bytes
  std::string_view magic;  ///< that stands there
  std::string_view what;   ///< it is
};

/// What `bytes` are and what to do, to follow "is " in a message; empty if they are nothing that is known here.
std::string_view foreign_file(Bytes bytes);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr FileSignature kForeignFiles[] = {
    {0, "version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"},
    {0, "<!DOCTYPE", "a web page; the download went wrong"},
    {0, "<!doctype", "a web page; the download went wrong"},
    {0, "<html", "a web page; the download went wrong"},
    {0, "<HTML", "a web page; the download went wrong"},
    {0, "<?xml", "an XML document; the download went wrong"},
    {0, std::string_view("\x1F\x8B", 2), "compressed with gzip; unpack it first"},
    {0,
     "\xFD"
     "7zXZ",
     "compressed with xz; unpack it first"},
    {0, "\x28\xB5\x2F\xFD", "compressed with zstd; unpack it first"},
    {0, "7z\xBC\xAF", "a 7-Zip archive; unpack it first"},
    {0, "Rar!", "a RAR archive; unpack it first"},
    {0, std::string_view("PK\5\6", 4), "an empty zip archive"},
    {257, "ustar", "a tar archive; unpack it first"},
};

}  // namespace detail

MOECLIP_FUNC std::string_view foreign_file(Bytes bytes) {
  constexpr std::size_t kLooked = 4096;
  const std::string_view start = as_text(bytes.first((std::min)(kLooked, bytes.size())));
  const std::size_t ink = start.find_first_not_of(" \t\r\n");
  for (const FileSignature& known : detail::kForeignFiles) {
    const std::size_t at = known.magic.starts_with('<') ? ink : known.offset;  // web pages often begin with empty lines
    if (at < start.size() && start.substr(at).starts_with(known.magic)) return known.what;
  }
  constexpr std::size_t kFewest = 8;
  if (start.size() >= kFewest && start.find_first_not_of('\0') == start.npos)
    return "zeros from its beginning on, as a crash or an interrupted copy leaves it; get it again";
  return {};
}

}}  // namespace moeclip::abi_v0_1

#endif
