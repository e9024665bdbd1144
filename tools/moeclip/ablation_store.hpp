// SPDX-License-Identifier: MIT
#pragma once
// What is kept of the finished runs of `moeclip ablate`: a line of JSON each in FILE, and in the folder FILE.pictures a
// table of its pictures each, from which intervals are made. Several processes may keep theirs in one FILE.

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ablation_record.hpp"

namespace cli {

/// Finished runs, by key. The file is written anew, whole, behind each run, with what other processes have added
/// meanwhile; without a path all is in memory. What is damaged, or contradicts its pictures, is told and left out, so
/// that it is made again. `keep` may be called on several threads, the rest not at the same time.
class AblationStore {
 public:
  /// Throws io; format if no line of the file is a run.
  explicit AblationStore(std::string path);

  /// Takes the runs of another file in, with their tables, such as a shard's. Returns the keys of all that are sound.
  /// Throws as the constructor does.
  std::vector<std::string> merge(const std::string& path);

  /// A run whose table is there, too; null: it has to be made.
  [[nodiscard]] const moeclip::Json* find(const std::string& key) const;

  /// The pictures of a run that find() knows. Throws io, format.
  [[nodiscard]] const moeclip::PictureTable& pictures(const std::string& key);

  /// Keeps a run, unless another process has kept it before. Throws io.
  void keep(const AblationRun& run, AblationResult result);

 private:
  std::vector<std::string> read(const std::string& path);
  bool take(moeclip::Json record, const std::string& path, std::int64_t line);
  void add(moeclip::Json record, moeclip::PictureTable pictures);
  void remark(const std::string& message);
  void write() const;

  /// Changes what is kept while no other process does.
  template <class Change>
  void update(Change change);

  std::string path_;
  std::mutex mutex_;
  std::map<std::string, moeclip::Json> runs_;
  std::map<std::string, moeclip::PictureTable> tables_;
  std::vector<std::string> order_;
  std::set<std::string> remarks_;  // that were made: a file is read more than once
};

}  // namespace cli
