// SPDX-License-Identifier: MIT
#pragma once
// Pictures on their way to the judge. A thread of their own finds, reads, decodes and squeezes them, so that the next
// one is ready when the judge is: files in a list, pictures in a stream, or files as they arrive in a folder.

#include <condition_variable>
#include <moeclip/base/context.hpp>
#include <moeclip/image/image_stream.hpp>
#include <mutex>
#include <optional>
#include <thread>

#include "detect.hpp"
#include "options.hpp"
#include "stop.hpp"

namespace cli {

/// Which bytes lay under a name: a file that is written anew is another one, one that is renamed is not.
struct FileState {
  std::uint64_t size = 0, inode = 0, device = 0;
  std::int64_t changed = 0;  ///< nanoseconds

  friend bool operator==(const FileState&, const FileState&) = default;
};

/// A picture, or why there is none.
struct Frame {
  DetectInput input;
  moeclip::Image picture;                  ///< as the judge wants it
  moeclip::index_t width = 0, height = 0;  ///< of the whole picture
  std::optional<moeclip::Error> error;     ///< instead of a picture
  std::string name;                        ///< in messages
  std::string remark;                      ///< what a person should know of the file: pixels that are not in it
  std::vector<std::byte> bytes;            ///< while it is not decoded
  FileState file;                          ///< of a watched one
};

/// Options of streams.
struct StreamOptions {
  std::string raw;
  std::int64_t every = 1;
  bool is_latest = false;
  moeclip::index_t raw_width = 0, raw_height = 0, raw_channels = 0;

  void declare(Options& options);
  /// Throws UsageError for values that are none, and for options of a stream where `arguments` name none.
  void check(const std::vector<std::string>& arguments);
  [[nodiscard]] bool is_given() const { return !raw.empty() || every != 1 || is_latest; }
};

/// From bytes to what the judge wants.
class FrameDecoder {
 public:
  /// `side`: of the square that pictures are squeezed to; 0: they stay whole.
  FrameDecoder(const StreamOptions& stream, const moeclip::ImageOptions& images, moeclip::index_t side)
      : stream_(stream), images_(images), side_(side) {}

  /// Decodes the frame's bytes and lets them go. What cannot be decoded becomes the frame's error.
  void decode(Frame& frame);

 private:
  [[nodiscard]] moeclip::Image raw_picture(const Frame& frame) const;

  const StreamOptions& stream_;
  moeclip::ImageOptions images_;
  moeclip::index_t side_;
  moeclip::Context context_{{.threads = 1}};  // the judge has the others
};

/// The pictures of a list of inputs, and of the stream that one of them may be.
class InputFrames {
 public:
  InputFrames(const std::vector<DetectInput>& inputs, const StreamOptions& options, const StopSignal& stop);

  /// The next one, not decoded. False at the end.
  bool operator()(Frame& frame);

 private:
  bool take_from_stream(Frame& frame);

  const std::vector<DetectInput>& inputs_;
  const StreamOptions& options_;
  const StopSignal& stop_;
  std::size_t next_ = 0;
  struct StandardInput {
    const StopSignal& stop;
    std::size_t operator()(std::span<std::byte> to) const { return stop.read_standard_input(to); }
  } standard_input_;
  std::optional<moeclip::ImageStream> stream_;
};

/// Runs `next` on a thread of its own, one picture ahead.
class FrameReader {
 public:
  /// `next` gives the next picture without decoding it, false at the end; it is called by the thread. With `is_latest`,
  /// a picture that nobody has taken is dropped when the next one is there.
  FrameReader(moeclip::function_ref<bool(Frame&)> next, FrameDecoder& decoder, bool is_latest, StopSignal& stop);
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  /// The next picture, decoded. False at the end, or if the end is asked for. Rethrows what `next` threw.
  bool take(Frame& frame);

  /// Pictures that were dropped so far.
  [[nodiscard]] std::int64_t dropped() const { return dropped_; }

 private:
  void read();

  moeclip::function_ref<bool(Frame&)> next_;
  FrameDecoder& decoder_;
  bool is_latest_;
  StopSignal& stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Frame> waiting_;
  std::int64_t dropped_ = 0;
  bool is_over_ = false, is_leaving_ = false;
  std::exception_ptr error_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace cli
