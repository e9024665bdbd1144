// SPDX-License-Identifier: MIT
#pragma once
// Finds the files that come with the library and the program: the vocabulary, word lists, the built-in model.
//
// Where the library's own files are is known when a program is compiled: from the macro MOECLIP_DATA_DIRECTORY, which
// the targets of CMake and Meson set, or else from the path of this header or of the single header that holds it. Each
// translation unit has an object of its own that adds the place to one list. No inline function depends on the macro,
// so translation units may name different places, or none (MOECLIP_DATA_DIRECTORY=""), and still link.

#include <string>
#include <string_view>
#include <vector>

#include "file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Folders to look in, in this order: the program's, ../share/moeclip from there, `extra`, if given, the library's (see
/// above), /usr/local/share/moeclip, /usr/share/moeclip. The last two are always there.
std::vector<std::string> data_directories(const std::string& extra = {});

namespace detail {

/// Adds what MOECLIP_DATA_DIRECTORY says.
bool know_data_folder(std::string_view path);

/// Adds where data lie beside the headers of which `header`, a file in moeclip/io, is one: as installed, and as in the
/// source tree.
bool know_data_of_header(const char* header);

// Of each translation unit its own: this is all that the macro reaches.
#if defined(MOECLIP_DATA_DIRECTORY)
[[maybe_unused]] static const bool data_folder_is_known = know_data_folder(MOECLIP_DATA_DIRECTORY);
#elif defined(MOECLIP_SINGLE_HEADER)
[[maybe_unused]] static const bool data_folder_is_known = know_data_folder(parent_directory(__FILE__));
#else
[[maybe_unused]] static const bool data_folder_is_known = know_data_of_header(__FILE__);
#endif

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <atomic>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// A folder that some translation unit was compiled to know; they form a list that only grows.
struct KnownFolder {
  std::string path;
  const KnownFolder* next = nullptr;
};

inline constinit std::atomic<const KnownFolder*> known_folders{nullptr};

/// Adds a folder to the list unless it is there already. Returns true.
inline bool know_folder(const std::string& path) {
  const KnownFolder* first = known_folders.load(std::memory_order_acquire);
  for (const KnownFolder* folder = first; folder != nullptr; folder = folder->next)
    if (folder->path == path) return true;
  auto* const folder = new KnownFolder{path, first};  // stays for good: whoever added it may be unloaded
  while (!known_folders.compare_exchange_weak(folder->next, folder, std::memory_order_acq_rel)) continue;
  return true;
}

MOECLIP_FUNC bool know_data_folder(std::string_view path) { return path.empty() || know_folder(std::string(path)); }

MOECLIP_FUNC bool know_data_of_header(const char* header) {
  const std::string folder = parent_directory(header);
  return know_folder(join_path(folder, "../../../tools/moeclip/data")) &&
         know_folder(join_path(folder, "../../../share/moeclip"));
}

}  // namespace detail

MOECLIP_FUNC std::vector<std::string> data_directories(const std::string& extra) {
  std::vector<std::string> folders;
  if (const std::string program = executable_directory(); !program.empty())
    folders = {program, join_path(parent_directory(program), "share/moeclip")};
  if (!extra.empty()) folders.push_back(extra);
  const detail::KnownFolder* known = detail::known_folders.load(std::memory_order_acquire);
  for (; known != nullptr; known = known->next) folders.push_back(known->path);
  folders.insert(folders.end(), {"/usr/local/share/moeclip", "/usr/share/moeclip"});
  return folders;
}

}}  // namespace moeclip::abi_v0_1

#endif
