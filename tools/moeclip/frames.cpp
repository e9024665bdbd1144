// SPDX-License-Identifier: MIT
#include "frames.hpp"

#include <algorithm>
#include <charconv>
#include <moeclip/image/resize.hpp>

namespace cli {

using moeclip::concat;
using moeclip::index_t;

void StreamOptions::declare(Options& options) {
  options.value(
      "raw", raw, "WxHxC",
      "standard input is frames of W x H pixels of C bytes (1 gray, 3 RGB, 4 RGB and one that does not count)");
  options.value("every", every, "N", "judge one of N pictures of standard input");
  options.flag("latest", is_latest,
               "always judge the newest picture of standard input; those that come meanwhile are dropped, and counted");
}

void StreamOptions::check(const std::vector<std::string>& arguments) {
  if (is_given() && (arguments.size() != 1 || arguments.front() != "-"))
    throw UsageError("--raw, --every and --latest are about pictures from standard input: give -");
  if (every < 1) throw UsageError("--every is 1 or more");
  if (raw.empty()) return;
  index_t numbers[3] = {};
  const char* place = raw.data();
  const char* const end = place + raw.size();
  bool is_valid = true;
  for (int i = 0; i < 3 && is_valid; ++i) {
    is_valid = i == 0 || (place != end && (*place == 'x' || *place == 'X'));
    if (!is_valid) break;
    const auto [after, error] = std::from_chars(place + (i > 0 ? 1 : 0), end, numbers[i]);
    is_valid = error == std::errc{} && numbers[i] > 0;
    place = after;
  }
  raw_width = numbers[0], raw_height = numbers[1], raw_channels = numbers[2];
  is_valid = is_valid && place == end && (raw_channels == 1 || raw_channels == 3 || raw_channels == 4) &&
             raw_width <= moeclip::kMaxPixels && raw_height <= moeclip::kMaxPixels / raw_width;
  if (!is_valid) throw UsageError(concat("--raw wants WxHxC such as 640x480x3, with C 1, 3 or 4, not '", raw, "'"));
}

moeclip::Image FrameDecoder::raw_picture(const Frame& frame) const {
  const index_t pixels = stream_.raw_width * stream_.raw_height, channels = stream_.raw_channels;
  if (std::ssize(frame.bytes) != pixels * channels)
    moeclip::fail(moeclip::ErrorCode::format,
                  concat(frame.name, ": truncated: a raw frame has ", moeclip::counted(pixels * channels, "byte"), ", ",
                         frame.bytes.size(), " are there"));
  const index_t kept = std::min<index_t>(channels, 3);
  moeclip::Image image(stream_.raw_width, stream_.raw_height, static_cast<int>(kept));
  const auto* from = reinterpret_cast<const std::uint8_t*>(frame.bytes.data());
  for (index_t i = 0; i < pixels; ++i) std::copy_n(from + i * channels, kept, image.data() + i * kept);
  return image;
}

void FrameDecoder::decode(Frame& frame) {
  if (frame.error) return;
  try {
    if (frame.input.path == kDrawnPicture)
      frame.picture = draw_picture(1);
    else if (frame.input.path == "-" && !stream_.raw.empty())
      frame.picture = raw_picture(frame);
    else
      frame.picture = moeclip::decode_image(frame.bytes, frame.name, images_, &frame.remark);
    frame.width = frame.picture.width();
    frame.height = frame.picture.height();
    if (side_ > 0) {
      moeclip::Image square(side_, side_, 3);
      moeclip::resize_to_rgb(context_, frame.picture.view(), square);
      frame.picture = std::move(square);
    }
  } catch (const moeclip::Error& error) {
    frame.error = error;
  }
  frame.bytes = {};
}

InputFrames::InputFrames(const std::vector<DetectInput>& inputs, const StreamOptions& options, const StopSignal& stop)
    : inputs_(inputs), options_(options), stop_(stop), standard_input_{stop} {}

bool InputFrames::operator()(Frame& frame) {
  if (stream_ && take_from_stream(frame)) return true;
  if (next_ == inputs_.size() || stop_.is_wanted()) return false;
  frame = {};
  frame.input = inputs_[next_++];
  frame.name = frame.input.path;
  if (frame.input.path == "-") {
    stream_.emplace(standard_input_, "standard input");
    return (*this)(frame);
  }
  try {
    if (moeclip::is_directory(frame.input.path))
      moeclip::fail(moeclip::ErrorCode::missing, frame.input.path + ": no pictures are in this folder");
    if (frame.input.path != kDrawnPicture) frame.bytes = moeclip::read_image_file(frame.input.path);
  } catch (const moeclip::Error& error) {
    frame.error = error;
  }
  return true;
}

/// The next picture of the stream; false at its end, which is an error if there was none.
bool InputFrames::take_from_stream(Frame& frame) {
  frame = {};
  frame.input = inputs_[next_ - 1];
  try {
    const bool is_raw = !options_.raw.empty();
    const auto raw_size = static_cast<std::uint64_t>(options_.raw_width * options_.raw_height * options_.raw_channels);
    moeclip::Bytes bytes;
    bool is_whole = true;  // what is cut off is looked at, so that it is told
    do {
      bytes = is_raw ? stream_->next(raw_size) : stream_->next();
      if (!bytes.empty()) is_whole = is_raw ? bytes.size() == raw_size : moeclip::is_whole_picture(bytes);
    } while (!bytes.empty() && is_whole && (stream_->number() - 1) % options_.every != 0);
    if (stop_.is_wanted()) return false;
    if (bytes.empty() && stream_->number() > 0) return stream_.reset(), false;
    if (bytes.empty()) moeclip::fail(moeclip::ErrorCode::format, "standard input: the file is empty");
    frame.bytes.assign(bytes.begin(), bytes.end());
  } catch (const moeclip::Error& error) {
    frame.error = error;
  }
  frame.input.number = std::max<index_t>(1, stream_->number());
  if (frame.input.number > 1) frame.input.stem += concat("-", frame.input.number);
  frame.name = stream_->picture_name();
  if (frame.error) stream_.reset();  // nothing behind it can be found
  return true;
}

FrameReader::FrameReader(moeclip::function_ref<bool(Frame&)> next, FrameDecoder& decoder, bool is_latest,
                         StopSignal& stop)
    : next_(next), decoder_(decoder), is_latest_(is_latest), stop_(stop), thread_([this] { read(); }) {}

FrameReader::~FrameReader() {
  {
    const std::lock_guard lock(mutex_);
    is_leaving_ = true;
  }
  stop_.request();
  changed_.notify_all();
  thread_.join();
}

void FrameReader::read() {
  try {
    for (Frame frame; next_(frame); frame = {}) {
      std::unique_lock lock(mutex_);
      if (!is_latest_) {  // otherwise only what is taken is decoded
        changed_.wait(lock,
                      [&] { return !waiting_ || is_leaving_; });  // before: there are never more than two pictures
        lock.unlock();
        decoder_.decode(frame);
        lock.lock();
      }
      if (is_leaving_) break;
      if (waiting_) ++dropped_;
      waiting_ = std::move(frame);
      lock.unlock();
      changed_.notify_all();
    }
  } catch (...) {
    error_ = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  changed_.notify_all();
}

bool FrameReader::take(Frame& frame) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_ || is_over_; });
  if (stop_.is_wanted() || !waiting_) {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return false;
  }
  frame = std::move(*waiting_);
  waiting_.reset();
  if (is_latest_) frame.input.dropped = dropped_;
  lock.unlock();
  changed_.notify_all();
  if (is_latest_) decoder_.decode(frame);
  return true;
}

}  // namespace cli
