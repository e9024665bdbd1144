// SPDX-License-Identifier: MIT
#pragma once
// What is kept of the finished runs of `moeclip ablate`: a line of JSON each in FILE, and in the folder FILE.pictures a
// table of its pictures each, from which intervals are made.

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "ablation.hpp"

namespace cli {

struct AblationRun {
  const AblationVariant* variant = nullptr;
  std::int64_t seed = 0;
  std::string key;
};

/// Finished runs, by key. The file is written anew, whole, behind each run; without a path all is in memory. `keep` may
/// be called on several threads, the rest not at the same time.
class AblationStore {
 public:
  /// Throws io, format.
  explicit AblationStore(std::string path);

  /// Takes the runs of another file in, with their tables, such as a shard's. Throws io, format.
  void merge(const std::string& path);

  /// A run whose table is there, too; null: it has to be made.
  [[nodiscard]] const moeclip::Json* find(const std::string& key) const;

  /// The pictures of a run that find() knows. Throws io, format.
  [[nodiscard]] const moeclip::PictureTable& pictures(const std::string& key);

  void keep(const AblationRun& run, AblationResult result);

 private:
  void read(const std::string& path);
  void write() const;

  std::string path_;
  std::mutex mutex_;
  std::map<std::string, moeclip::Json> runs_;
  std::map<std::string, moeclip::PictureTable> tables_;
  std::vector<std::string> order_;
};

}  // namespace cli
