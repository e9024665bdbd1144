// SPDX-License-Identifier: MIT
#pragma once
// A lock between processes, on one machine or on several that share a disk: whoever changes a file that others change,
// too, holds it meanwhile.

#include <string>

namespace cli {

/// Held from the constructor to the destructor. The system lets go of it when a process ends, in whatever way.
class FileLock {
 public:
  /// Waits until nobody else, in this process or another, holds the lock of the file `path`. The file is made where it
  /// is missing, and stays, empty. Throws io if it cannot be made.
  explicit FileLock(const std::string& path);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

  [[nodiscard]] bool is_held() const { return is_held_; }  ///< false on a disk that knows no locks

 private:
  int descriptor_;
  bool is_held_ = false;
};

}  // namespace cli
