// SPDX-License-Identifier: MIT
#pragma once
// What a command produces: text or JSON on stdout, and files. Nothing is lost in silence: a full disk or a pipe that
// nobody reads any more ends the command with kFailed.

#include <moeclip/base/error.hpp>
#include <moeclip/base/function_ref.hpp>
#include <moeclip/io/json_value.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cli {

/// Stdout or a file cannot be written. No moeclip::Error, because no input is to blame: the command ends.
class OutputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Whoever reads stdout has stopped, as `head` does. Nothing is said about it.
class ClosedOutput : public OutputError {
 public:
  using OutputError::OutputError;
};

/// Does what writes files. What goes wrong becomes an OutputError, and ends a command that would go on with its next
/// input.
void write_outputs(moeclip::function_ref<void()> work);

/// Writes to stdout. Throws OutputError.
void print(std::string_view text);

/// Makes sure that all that was printed has arrived. Throws OutputError.
void finish_output();

// Called before the work is done, not after:

/// Throws OutputError unless `path` is free, or may be overwritten, as `force` says.
void expect_free_name(const std::string& path, bool force);

/// The same, and throws OutputError unless the folder of `path` is there and files can be made in it.
void expect_writable(const std::string& path, bool force);

/// Makes `folder` where it is missing, and takes it away again when the program ends without anything in it. Throws
/// OutputError if it, or files in it, cannot be made.
void prepare_folder(const std::string& folder);

/// Where the files of a command lie until all are there: a hidden folder in the one that is written to, which nothing
/// looks into for pictures. One that a run has left which was killed is emptied.
class UnfinishedFolder {
 public:
  explicit UnfinishedFolder(const std::string& out);
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;
  ~UnfinishedFolder() { clear(); }

  [[nodiscard]] const std::string& path() const { return path_; }

  /// Puts the files into their place, those in folders first, since lists lie beside the folders that they are of.
  /// Throws OutputError.
  void finish();

 private:
  void clear() const;

  std::string out_, path_;
};

/// One JSON object on one line of stdout, printed member by member, so that long lists need no memory. Without
/// `is_on` nothing is printed: a command describes its result once, and prints its text only if the JSON is off.
class JsonLine {
 public:
  explicit JsonLine(bool is_on);

  void member(std::string_view key, const moeclip::Json& value);
  void item(const moeclip::Json& value);

  /// Opens an object or array as a member; what follows goes into it until end().
  void begin_object(std::string_view key) { begin(key, "{}"); }
  void begin_array(std::string_view key) { begin(key, "[]"); }
  void end();

  /// Closes the object and its line.
  void finish();

  /// The same after an error, of which it tells.
  void finish(const moeclip::Error& error);

 private:
  void begin(std::string_view key, std::string_view brackets);
  void next();

  bool is_on_;
  bool is_first_ = true;  // of its object or array
  std::string open_;      // closing brackets of what is open
};

}  // namespace cli
