// SPDX-License-Identifier: MIT
#include "watch.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <moeclip/base/read_number.hpp>
#include <moeclip/base/rng.hpp>
#include <moeclip/data/picture_files.hpp>
#include <system_error>
#include <utility>

#include "commands.hpp"

#if defined(_WIN32)
#include <filesystem>
#else
#include <sys/stat.h>
#endif

namespace cli {

using moeclip::concat;

namespace {

constexpr std::chrono::milliseconds kSettled{1000};   // without a change, where nobody says that a file was closed
constexpr std::chrono::milliseconds kPatience{5000};  // with a file that stays incomplete
constexpr int kGlance = 100;                          // milliseconds between looks at files that are not whole yet

/// The state of a regular file; nothing if there is none.
std::optional<FileState> state_of(const std::string& path) {
#if defined(_WIN32)
  const std::filesystem::path native(std::u8string(path.begin(), path.end()));
  std::error_code error;
  FileState state;
  if (!std::filesystem::is_regular_file(native, error)) return std::nullopt;
  state.size = std::filesystem::file_size(native, error);
  state.changed = std::filesystem::last_write_time(native, error).time_since_epoch().count();
  return state;
#else
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
#if defined(__APPLE__)
  const timespec changed = status.st_mtimespec;
#else
  const timespec changed = status.st_mtim;
#endif
  return FileState{static_cast<std::uint64_t>(status.st_size), static_cast<std::uint64_t>(status.st_ino),
                   static_cast<std::uint64_t>(status.st_dev),
                   static_cast<std::int64_t>(changed.tv_sec) * kNanoseconds + changed.tv_nsec};
#endif
}

std::uint64_t key_of(const std::string& name, const FileState& file) {
  return moeclip::fnv1a64(concat(name, "\n", file.size, " ", file.changed));
}

/// Of the file itself, whatever its name; 0 where the system has no numbers for files.
std::uint64_t key_of(const FileState& file) {
  return file.inode == 0 ? 0 : moeclip::fnv1a64(concat(file.inode, " ", file.size, " ", file.changed));
}

/// True if `bytes` hold a picture to its last byte. What is in no format that is read never is.
bool looks_whole(const std::vector<std::byte>& bytes) {
  try {
    return moeclip::is_whole_picture(bytes);
  } catch (const moeclip::Error&) {
    return false;
  }
}

/// A name on one line.
std::string escaped(const std::string& name) {
  std::string text;
  for (const char letter : name) {
    const char* const stands_for = letter == '\\' ? "\\\\" : letter == '\n' ? "\\n" : letter == '\t' ? "\\t" : nullptr;
    text += stands_for != nullptr ? std::string(stands_for) : std::string(1, letter);
  }
  return text;
}

std::string unescaped(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '\\' && i + 1 < text.size();
    const char letter = is_escape ? text[++i] : text[i];
    name += is_escape && letter == 'n' ? '\n' : is_escape && letter == 't' ? '\t' : letter;
  }
  return name;
}

/// Takes the number behind the next tab of `line`.
template <class Number>
bool take_number(std::string_view& line, Number& number) {
  if (line.empty() || line.front() != '\t') return false;
  const auto [end, error] = moeclip::read_number(line.data() + 1, line.data() + line.size(), number);
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return error == std::errc{};
}

[[noreturn]] void fail_list(const std::string& path) {
  moeclip::fail(moeclip::ErrorCode::io,
                concat(path, ": cannot be written: ", std::error_code(errno, std::generic_category()).message(),
                       "; --done LIST names another list"));
}

/// Moves a file into `folder` as `name`, or under a name beside it that is free. Returns where it went; "" if it was
/// gone. Throws io.
std::string move_file(const std::string& from, const std::string& folder, const std::string& name) {
  const std::string extension = moeclip::file_extension(name);
  const std::string stem = name.substr(0, name.size() - extension.size());
  std::string to = moeclip::join_path(folder, name);
  moeclip::create_directories(moeclip::parent_directory(to));
  for (int number = 2; moeclip::file_exists(to) || moeclip::is_directory(to); ++number)
    to = moeclip::join_path(folder, concat(stem, "-", number, name.substr(stem.size())));
  if (std::rename(from.c_str(), to.c_str()) == 0) return to;
  if (!moeclip::file_exists(from)) return {};
  moeclip::write_file(to, moeclip::read_image_file(from));  // on another file system
  if (std::remove(from.c_str()) != 0)
    moeclip::fail(moeclip::ErrorCode::io,
                  concat(from, ": cannot be moved: ", std::error_code(errno, std::generic_category()).message()));
  return to;
}

/// Folders in which pictures are not looked for, absolute.
std::vector<std::string> folders_of_results(const WatchOptions& options) {
  std::vector<std::string> folders;
  for (const std::string& folder : {options.move_to, options.out})
    if (!folder.empty()) folders.push_back(moeclip::canonical_path(folder));
  return folders;
}

}  // namespace

void WatchOptions::declare(Options& options) {
  options.value("watch", folder, "DIR",
                "judge pictures as they arrive in DIR or below it, each once, also across restarts; ends with SIGTERM");
  options.value("move-to", move_to, "DIR", "of --watch: move pictures there when they are judged");
  options.value("done", done, "LIST",
                "of --watch: the list of those that are judged; default without --move-to: DIR/.moeclip-done");
  options.value("poll", poll, "SECONDS",
                "of --watch: look so often instead of being told by the system; default where it does not tell: 1");
}

void WatchOptions::check(const std::vector<std::string>& arguments, bool has_stream_options) {
  if (folder.empty()) {
    if (!move_to.empty() || !done.empty() || poll) throw UsageError("--move-to, --done and --poll belong to --watch");
    return;
  }
  if (!arguments.empty() || has_stream_options)
    throw UsageError("--watch takes its pictures from a folder; it goes with no others");
  if (poll && !(*poll >= 0.01 && *poll <= 3600)) throw UsageError("--poll is between 0.01 and 3600 seconds");
  if (done.empty() && move_to.empty()) done = moeclip::join_path(folder, ".moeclip-done");
}

std::size_t KeySet::place_of(const Keys& slots, std::uint64_t key) {
  std::size_t place = key % slots.size();
  while (slots[place] != 0 && slots[place] != key) place = (place + 1) % slots.size();
  return place;
}

void KeySet::insert(std::uint64_t key) {
  if (key == 0 || contains(key)) return;
  if (2 * (count_ + 1) > slots_.size()) make_room();
  slots_[place_of(slots_, key)] = key;
  ++count_;
}

/// The numbers become older ones, and those that were that are forgotten.
void KeySet::make_room() {
  Keys kept = in_use_();
  std::erase_if(kept, [&](std::uint64_t key) { return key == 0 || !contains(key); });
  std::size_t size = kSlots;
  while (size < 4 * kept.size()) size *= 2;
  std::swap(older_, slots_);
  if (slots_.size() != size) slots_ = Keys(size);
  std::ranges::fill(slots_, 0);
  count_ = 0;
  for (const std::uint64_t key : kept) {
    std::uint64_t& slot = slots_[place_of(slots_, key)];
    count_ += slot == 0 ? 1 : 0;
    slot = key;
  }
}

DoneList::DoneList(const std::string& path, std::function<KeySet::Keys()> keys) : path_(path), keys_(std::move(keys)) {
  if (path_.empty()) return;
  constexpr std::size_t kLongestLine = std::size_t{1} << 16;
  bool is_torn = false;  // the process was killed while it wrote the last line
  if (moeclip::file_exists(path_)) {
    std::FILE* const list = std::fopen(path_.c_str(), "rb");
    if (list == nullptr) fail_list(path_);
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> closer(list, std::fclose);
    std::string line;
    std::size_t number = 1;
    for (int letter = std::getc(list); letter != EOF; letter = std::getc(list)) {
      is_torn = letter != '\n';
      if (is_torn) {
        line += static_cast<char>(letter);
        if (line.size() > kLongestLine)
          moeclip::fail(moeclip::ErrorCode::limit,
                        concat(path_, ": line ", number, " has more than ", kLongestLine, " bytes"));
        continue;
      }
      read_line(line, number++, false);
      line.clear();
    }
    if (std::ferror(list) != 0) fail_list(path_);
    if (is_torn) read_line(line, number, true);
  }
  std::FILE* const list = std::fopen(path_.c_str(), "ab");
  if (list == nullptr) fail_list(path_);
  if (is_torn) std::fputc('\n', list);
  if (std::fclose(list) != 0) fail_list(path_);
}

void DoneList::read_line(std::string_view line, std::size_t number, bool is_torn) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::string name = unescaped(line.substr(0, line.find('\t')));
  line.remove_prefix(std::min(line.find('\t'), line.size()));
  FileState file;
  if (name.empty()) return;
  if (line.empty())
    names_.insert(name);
  else if (take_number(line, file.size) && take_number(line, file.changed) && take_number(line, file.inode))
    add(name, file);
  else if (!is_torn)
    moeclip::fail(moeclip::ErrorCode::format,
                  concat(path_, ": line ", number, " is no line of a list of pictures that are done"));
}

bool DoneList::contains(const std::string& name, const FileState& file) const {
  const std::uint64_t own = key_of(file);
  return keys_.contains(key_of(name, file)) || (own != 0 && keys_.contains(own)) ||
         (!names_.empty() && names_.contains(name));
}

void DoneList::add(const std::string& name, const FileState& file) {
  keys_.insert(key_of(name, file));
  keys_.insert(key_of(file));
}

void DoneList::write(const std::string& name, const FileState& file) const {
  if (path_.empty()) return;
  const std::string line = concat(escaped(name), "\t", file.size, "\t", file.changed, "\t", file.inode, "\n");
  std::FILE* const list = std::fopen(path_.c_str(), "ab");
  const bool is_written = list != nullptr && std::fwrite(line.data(), 1, line.size(), list) == line.size();
  if (list == nullptr || std::fclose(list) != 0 || !is_written) fail_list(path_);
}

FolderWatch::FolderWatch(const WatchOptions& options, const StopSignal& stop)
    : options_(options),
      stop_(stop),
      events_(options, stop),
      excluded_(folders_of_results(options)),
      done_(options.done, [this] { return keys_of_files(); }) {
  if (std::ranges::find(excluded_, moeclip::canonical_path(options.folder)) != excluded_.end())
    throw UsageError(concat(options.folder,
                            ": is watched, and cannot take results and judged pictures, too; name "
                            "another folder for --out and --move-to"));
  look();
}

std::string FolderWatch::name_of(const std::string& path) const {
  std::string name = path.substr(std::min(path.size(), options_.folder.size()));
  name.erase(0, name.find_first_not_of("/\\"));
  return name;
}

void FolderWatch::walk(moeclip::function_ref<void(const std::string&)> see,
                       moeclip::function_ref<void(const std::string&)> find) {
  const moeclip::FolderTree tree = moeclip::read_folder_tree(options_.folder);
  for (const std::string& trouble : tree.troubles)
    if (!told_.contains(trouble)) say(trouble);
  told_ = {tree.troubles.begin(), tree.troubles.end()};
  const auto visit = [&](const moeclip::FolderNode& folder, const auto& self) -> void {
    const std::string path = folder.path.empty() ? tree.root : moeclip::join_path(tree.root, folder.path);
    if (std::ranges::find(excluded_, moeclip::canonical_path(path)) != excluded_.end()) return;
    see(path);
    for (const std::string& file : folder.files)
      if (is_input_name(file)) find(moeclip::join_path(path, file));
    for (const moeclip::FolderNode& inner : folder.folders) self(inner, self);
  };
  visit(tree.top, visit);
}

/// Looks at the whole folder.
void FolderWatch::look() {
  for (bool has_new_folder = true; has_new_folder;) {  // in which something may have come before it was watched
    has_new_folder = false;
    walk([&](const std::string& folder) { has_new_folder |= events_.add(folder); },
         [&](const std::string& file) { note(file, false); });
  }
}

/// What the list knows files by that are there now.
KeySet::Keys FolderWatch::keys_of_files() {
  KeySet::Keys keys;
  const auto add = [&](const std::string& path) {
    const auto file = state_of(path);
    if (file) keys.insert(keys.end(), {key_of(name_of(path), *file), key_of(*file)});
  };
  walk([](const std::string&) {}, add);
  return keys;
}

/// A file is there that may be new.
void FolderWatch::note(const std::string& path, bool is_closed) {
  const auto known = by_path_.find(path);
  if (known != by_path_.end()) {
    known->second->is_closed |= is_closed;
    return;
  }
  const auto file = state_of(path);
  if (!file || done_.contains(name_of(path), *file)) return;
  by_path_.emplace(path, arrivals_.insert(arrivals_.end(), {path, *file, Clock::now(), is_closed}));
}

/// Reads the picture into `frame` if it is there and whole, or will not become it.
bool FolderWatch::take(Arrival& arrival, Frame& frame) {
  const auto now = Clock::now();
  const auto file = state_of(arrival.path);
  if (!file) return false;
  if (!(*file == arrival.file)) {
    arrival = {arrival.path, *file, now, arrival.is_closed};
    if (!arrival.is_closed) return false;
  }
  const auto unchanged = now - arrival.since;
  if (!arrival.is_closed && unchanged < kSettled) return false;
  if (arrival.is_incomplete && unchanged < kPatience) return false;
  frame = {};
  frame.input.path = frame.name = arrival.path;
  frame.file = arrival.file;
  try {
    frame.bytes = moeclip::read_image_file(arrival.path);
    arrival.is_incomplete = !looks_whole(frame.bytes);
    const auto after = state_of(arrival.path);
    if (!after) return false;
    if (!(*after == arrival.file)) {
      arrival = {arrival.path, *after, now, false};
      return false;
    }
  } catch (const moeclip::Error& error) {
    frame.error = error;
    arrival.is_incomplete = true;  // it may be about to get its permissions
  }
  return !arrival.is_incomplete || unchanged >= kPatience;
}

bool FolderWatch::operator()(Frame& frame) {
  while (!stop_.is_wanted()) {
    for (auto arrival = arrivals_.begin(); arrival != arrivals_.end() && !stop_.is_wanted();) {
      const bool is_taken = take(*arrival, frame);
      if (is_taken) {
        const std::string name = name_of(arrival->path);
        done_.add(name, arrival->file);
        frame.input.stem = name.substr(0, name.size() - moeclip::file_extension(name).size());
      }
      if (is_taken || !state_of(arrival->path)) {
        by_path_.erase(arrival->path);
        arrival = arrivals_.erase(arrival);
      } else {
        ++arrival;
      }
      if (is_taken) return true;
    }
    bool must_look = false;
    for (const auto& event : events_.wait(arrivals_.empty() ? -1 : kGlance, must_look))
      note(event.path, event.is_closed);
    if (must_look) look();
  }
  return false;
}

std::string FolderWatch::finish(const Frame& frame) {
  const std::string name = name_of(frame.input.path);
  done_.write(name, frame.file);
  if (options_.move_to.empty()) return {};
  const auto now = state_of(frame.input.path);
  if (!now || !(*now == frame.file)) return {};  // another has come in its place, and is not judged yet
  return move_file(frame.input.path, options_.move_to, name);
}

}  // namespace cli
