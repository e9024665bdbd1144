// SPDX-License-Identifier: MIT
// moeclip detect: pictures in; score, verdict, regions, maps out.

#include <algorithm>
#include <chrono>
#include <moeclip/io/folder_tree.hpp>
#include <set>

#include "commands.hpp"
#include "detect.hpp"
#include "judge.hpp"
#include "tiny_model.hpp"
#include "watch.hpp"

namespace cli {
namespace {

struct DetectSettings {
  std::vector<std::string> arguments;
  std::string out;
  JudgeSettings model;
  bool is_json = false, is_forced = false;
  StreamOptions stream;
  WatchOptions watch;

  [[nodiscard]] bool is_demonstration() const {
    return arguments.empty() && watch.folder.empty() && model.is_builtin();
  }
  /// Whether pictures may come for ever.
  [[nodiscard]] bool is_endless() const {
    return !watch.folder.empty() || std::ranges::find(arguments, "-") != arguments.end();
  }
};

bool parse(Words words, DetectSettings& s) {
  Options options("detect",
                  "Look for defects in pictures: a score and a verdict for each, where the defects are, and a map.\n"
                  "With --good, defective is what is unlike good pictures of the same part. Without any argument it\n"
                  "shows itself on a picture that it draws.");
  options.positionals("IMAGE|FOLDER|-", s.arguments, 0,
                      "pictures, folders of pictures (with those below), standard input: one picture, or many that "
                      "follow each other as `ffmpeg -f image2pipe` writes them");
  s.model.declare(options);
  s.stream.declare(options);
  s.watch.declare(options);
  options.value("out", s.out, "DIR", "write NAME.overlay.png, NAME.map.png (16 bit) and NAME.map.npy there");
  options.flag("json", s.is_json, "one JSON object a line");
  options.flag("force", s.is_forced, "replace files in DIR");
  options.progress();
  if (!options.parse(words)) return false;
  s.model.check(options);
  s.stream.check(s.arguments);
  s.watch.check(s.arguments, s.stream.is_given());
  s.watch.out = s.out;
  if (s.arguments.empty() && s.watch.folder.empty() && !s.is_demonstration())
    throw UsageError("which pictures? Give files, folders or -");
  return true;
}

/// Says why a picture could not be used.
void tell_failure(const DetectInput& input, const moeclip::Error& error, bool is_json) {
  const std::string message = error.what();
  const bool is_named = message.find(input.path == "-" ? "standard input" : input.path) != std::string::npos;
  say(is_named ? message : input.path + ": " + message);
  if (is_json) report_failure(input, error);
}

/// What is said about each picture, and how many could not be used.
class DetectRun {
 public:
  DetectRun(const Judge& judge, moeclip::Context& context, const DetectSettings& s)
      : judge_(judge), context_(context), s_(s), report_(report_of(judge, s)) {}

  /// Throws OutputError if a file that would be written for one of the inputs may not be replaced.
  void expect_all_free(const std::vector<DetectInput>& inputs) const {
    for (const DetectInput& input : inputs)
      if (!s_.out.empty()) expect_free(input, report_);
  }

  /// Looks at a picture.
  void look(Frame& frame) {
    if (frame.error) return;
    try {
      if (!s_.watch.folder.empty()) find_free_stem(frame.input, report_);
      if (!s_.out.empty()) expect_free(frame.input, report_);
      const auto start = std::chrono::steady_clock::now();
      judge_.look(context_, frame.picture.view(), detection_);
      if (judge_.side() > 0) moeclip::set_picture_size(detection_, frame.width, frame.height);
      milliseconds_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    } catch (const moeclip::Error& error) {
      frame.error = error;
    }
  }

  /// Says what was seen, at once also into a pipe.
  void tell(const Frame& frame) {
    ++count_;
    if (frame.error) {
      fail(frame, *frame.error);
    } else {
      say_remark(frame.name, frame.remark);
      report_detection(frame.input, detection_, milliseconds_, report_);
    }
    finish_output();
  }

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t failures() const { return failures_; }

 private:
  static DetectReport report_of(const Judge& judge, const DetectSettings& s) {
    return {s.model.class_name, judge.threshold_source, s.out, s.is_json, s.is_forced, judge.has_verdict()};
  }

  void fail(const Frame& frame, const moeclip::Error& error) {
    ++failures_;
    tell_failure(frame.input, error, s_.is_json);
  }

  const Judge& judge_;
  moeclip::Context& context_;
  const DetectSettings& s_;
  const DetectReport report_;
  moeclip::Detection detection_;
  double milliseconds_ = 0;
  std::size_t count_ = 0, failures_ = 0;
};

/// Says so if pictures that are to be judged are those that were learned: such a picture is found good whatever it
/// shows.
void say_learned(const Judge& judge, const std::vector<DetectInput>& inputs) {
  std::set<std::string> learned;
  for (const DetectInput& input : judge.good) learned.insert(moeclip::canonical_path(input.path));
  if (learned.empty()) return;
  const auto count = std::ranges::count_if(
      inputs, [&](const DetectInput& input) { return learned.contains(moeclip::canonical_path(input.path)); });
  if (count > 0)
    inform(moeclip::concat(count, " of the ", moeclip::counted(inputs.size(), "picture"),
                           " to judge were learned as good ones; what is said of these says nothing about new ones"));
}

/// Looks at every picture that there is or will be. Returns the exit code, for which `failures` count as well.
int detect_all(const Judge& judge, moeclip::Context& context, const DetectInputs& inputs, const DetectSettings& s,
               StopSignal& stop) {
  const bool is_watching = !s.watch.folder.empty();
  std::optional<FolderWatch> folder;
  if (is_watching) folder.emplace(s.watch, stop);
  InputFrames files(inputs.pictures, s.stream, stop);
  const auto next = [&](Frame& frame) { return folder ? (*folder)(frame) : files(frame); };
  FrameDecoder decoder(s.stream, judge.images, judge.side());
  DetectRun run(judge, context, s);
  run.expect_all_free(inputs.pictures);
  Progress progress("detect", s.is_endless() ? 0 : inputs.pictures.size());
  const auto exit_code = [&] {
    const bool is_cut_short = stop.is_signalled() && !s.is_endless();
    return is_cut_short ? kFailed : run.failures() + judge.failures + inputs.unread == 0 ? kOk : kInputFailed;
  };
  if (is_watching) inform(moeclip::concat("watching ", s.watch.folder));
  std::int64_t dropped = 0;
  {
    FrameReader reader(next, decoder, s.stream.is_latest, stop);
    for (Frame frame; reader.take(frame);) {
      progress.step(frame.input.path);
      stop.set_exit_code(s.is_endless() ? exit_code() : kFailed);
      run.look(frame);
      const std::lock_guard reporting(stop.reporting());
      run.tell(frame);
      if (folder) folder->finish(frame);
    }
    dropped = reader.dropped();
  }
  if (s.stream.is_latest)
    inform(moeclip::concat(moeclip::counted(run.count(), "picture"),
                           run.count() == 1 ? " was judged, " : " were judged, ", dropped, " dropped"));
  if (stop.is_signalled()) say(moeclip::concat("stopped by a signal after ", moeclip::counted(run.count(), "picture")));
  return exit_code();
}

}  // namespace

int run_detect(Words words) {
  DetectSettings s;
  if (!parse(words, s)) return kOk;
  DetectInputs inputs = collect_inputs(s.arguments);
  if (s.is_demonstration()) {
    inputs.pictures.push_back({std::string(kDrawnPicture), "drawn"});
    inform("no pictures were given: this one is drawn, and judged by the built-in model");
  } else if (s.model.is_toy()) {
    inform(kTinyKnows);
  }
  if (!s.watch.folder.empty() && !moeclip::is_directory(s.watch.folder))
    moeclip::fail(moeclip::ErrorCode::io, moeclip::concat(s.watch.folder, ": there is no such folder to watch"));
  for (const std::string& folder : {s.out, s.watch.move_to})
    if (!folder.empty()) prepare_folder(folder);
  StopSignal stop;  // now: loading and learning may take their time
  stop.set_exit_code(s.is_endless() ? kOk : kFailed);
  moeclip::Context context({.threads = static_cast<int>(s.model.threads)});
  const Judge judge = make_judge(context, s.model, s.is_json);
  say_learned(judge, inputs.pictures);
  return detect_all(judge, context, inputs, s, stop);
}

}  // namespace cli
