// SPDX-License-Identifier: MIT
#pragma once
// Pictures as they arrive in a folder or below it, each once. A picture is taken when nobody writes it any more and its
// own structure says that it is whole; one that stays incomplete is taken after a while, so that it is told.

#include <chrono>
#include <functional>
#include <list>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "frames.hpp"

namespace cli {

struct WatchOptions {
  std::string folder;   ///< "": none is watched
  std::string move_to;  ///< where pictures go when they are judged; "": they stay
  std::string done;     ///< list of those that are judged
  std::string out;      ///< where results are written, which are not looked at
  std::optional<double> poll;

  void declare(Options& options);
  /// Throws UsageError for what makes no sense beside `arguments` and a stream's options.
  void check(const std::vector<std::string>& arguments, bool has_stream_options);
};

/// Numbers that were met. Whenever a quarter of a million has come, those before them are forgotten, but for those that
/// still have a use: memory grows with these alone, however many there were.
class KeySet {
 public:
  using Keys = std::vector<std::uint64_t>;

  /// `in_use` tells numbers that shall not be forgotten, whether they were met or not.
  explicit KeySet(std::function<Keys()> in_use) : in_use_(std::move(in_use)) {}
  [[nodiscard]] bool contains(std::uint64_t key) const {
    return slots_[place_of(slots_, key)] != 0 || older_[place_of(older_, key)] != 0;
  }
  void insert(std::uint64_t key);

 private:
  static constexpr std::size_t kSlots = std::size_t{1} << 19;
  static std::size_t place_of(const Keys& slots, std::uint64_t key);
  void make_room();

  std::function<Keys()> in_use_;
  Keys slots_ = Keys(kSlots), older_ = Keys(kSlots);  // 0: free
  std::size_t count_ = 0;                             // in slots_
};

/// What was judged in earlier runs and in this one: a line for each, its path below the folder and which bytes it had.
/// A line with a path alone stands for whatever has that name.
class DoneList {
 public:
  /// Reads `path`, or makes it. Throws io, format or limit. "": there is no list. What was judged long ago is forgotten
  /// unless it is one of the files whose `keys` are told.
  DoneList(const std::string& path, std::function<KeySet::Keys()> keys);

  [[nodiscard]] bool contains(const std::string& name, const FileState& file) const;
  /// From now on it is contained, in this process.
  void add(const std::string& name, const FileState& file);
  /// Appends a line to the list. Throws io.
  void write(const std::string& name, const FileState& file) const;

 private:
  void read_line(std::string_view line, std::size_t number, bool is_torn);

  std::string path_;
  KeySet keys_;
  std::set<std::string> names_;
};

/// Tells which files of a folder may have changed: by what the system says, or by looking.
class FolderEvents {
 public:
  FolderEvents(const WatchOptions& options, const StopSignal& stop) : options_(options), stop_(stop) { open(); }
  ~FolderEvents();
  FolderEvents(const FolderEvents&) = delete;
  FolderEvents& operator=(const FolderEvents&) = delete;

  struct Event {
    std::string path;
    bool is_closed = false;  ///< whoever wrote it has closed it, or it was moved here
  };

  /// Waits, at most `milliseconds` (negative: for ever). Returns files that are new or closed; sets `must_look` if the
  /// whole folder is to be looked at.
  std::vector<Event> wait(int milliseconds, bool& must_look);

  /// From now on, also tells about what happens in `folder`; true if it did not before.
  bool add(const std::string& folder);

 private:
  void open();

  const WatchOptions& options_;
  const StopSignal& stop_;
  int descriptor_ = -1;  // of inotify; -1: there is none
  std::unordered_map<int, std::string> folders_;
};

class FolderWatch {
 public:
  /// Throws io if the folder cannot be looked at.
  FolderWatch(const WatchOptions& options, const StopSignal& stop);

  /// Waits for the next picture and reads it. False when the end is asked for. Throws io when the folder is gone.
  bool operator()(Frame& frame);

  /// After the frame's results are out: notes that it is done, and moves it. Returns where it went.
  std::string finish(const Frame& frame);

 private:
  using Clock = std::chrono::steady_clock;

  /// A file that is not taken yet.
  struct Arrival {
    std::string path;
    FileState file;
    Clock::time_point since;     // it has been like this
    bool is_closed = false;      // who wrote it says so
    bool is_incomplete = false;  // its structure says so
  };

  /// Calls `see` for each folder that is not left out, and `find` for each file that may be a picture.
  void walk(moeclip::function_ref<void(const std::string&)> see, moeclip::function_ref<void(const std::string&)> find);
  void look();
  [[nodiscard]] KeySet::Keys keys_of_files();
  void note(const std::string& path, bool is_closed);
  bool take(Arrival& arrival, Frame& frame);
  [[nodiscard]] std::string name_of(const std::string& path) const;

  const WatchOptions& options_;
  const StopSignal& stop_;
  FolderEvents events_;
  std::vector<std::string> excluded_;  // folders, absolute
  std::set<std::string> told_;         // troubles that there are
  DoneList done_;                      // behind what it asks for files
  std::list<Arrival> arrivals_;
  std::unordered_map<std::string, std::list<Arrival>::iterator> by_path_;
};

}  // namespace cli
