// SPDX-License-Identifier: MIT
// The model of `moeclip eval` and its walk over the pictures.

#include <chrono>
#include <map>
#include <moeclip/anomaly/fingerprint.hpp>
#include <moeclip/anomaly/load_detector.hpp>
#include <mutex>
#include <set>

#include "commands.hpp"
#include "detect.hpp"
#include "eval.hpp"
#include "long_words.hpp"
#include "stop.hpp"
#include "tiny_model.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::index_t;
using Clock = std::chrono::steady_clock;

/// SHA-256 over the sentences about all classes of the data.
std::string words_hash(const moeclip::ClassWords& words, const EvalData& data) {
  std::map<std::string, moeclip::Prompts> classes;
  for (const EvalPicture& picture : data.pictures) {
    const std::string& name = picture.record.class_name;
    if (!classes.contains(name)) classes.emplace(name, words.prompts(name));
  }
  std::string text;
  for (const auto& [name, prompts] : classes)
    for (const auto* sentences : {&prompts.normal, &prompts.abnormal}) {
      text += concat(name, ":\n");
      for (const std::string& sentence : *sentences) text += concat(sentence, "\n");
    }
  return moeclip::sha256_hex(moeclip::as_bytes(text));
}

/// Reads pictures one ahead of who judges them.
class PictureReader {
 public:
  PictureReader(const std::vector<const EvalPicture*>& pictures, const moeclip::ImageOptions& images)
      : pictures_(pictures), images_(images) {
    begin();
  }

  /// The next one with its hash, valid until the call after. Rethrows why it cannot be read; the call after that goes
  /// on behind it.
  struct Read {
    moeclip::Sample sample;
    std::uint64_t hash = 0;
  };
  Read next() {
    try {
      worker_.wait();  // what it reads is pictures_[next_]: only then may that change
    } catch (...) {
      ++next_;
      begin();
      throw;
    }
    ++next_;
    Read ready = std::move(read_);
    begin();
    return ready;
  }

  void operator()() {
    const moeclip::DatasetEntry& entry = pictures_[next_]->entry;
    read_.hash = moeclip::picture_hash(entry.image_path);
    read_.sample = moeclip::load_sample(entry, images_);
  }

 private:
  void begin() {
    if (next_ < pictures_.size()) worker_.start(*this);
  }

  const std::vector<const EvalPicture*>& pictures_;
  const moeclip::ImageOptions images_;
  std::size_t next_ = 0;
  Read read_;
  moeclip::BackgroundWorker worker_;  // last: it stops before the rest goes
};

/// Anchors of classes, made once.
class Anchors {
 public:
  explicit Anchors(const EvalModel& model) : model_(model) {}
  const moeclip::TextAnchors<float>& of(const std::string& class_name) {
    const auto known = anchors_.find(class_name);
    if (known != anchors_.end()) return known->second;
    return anchors_.emplace(class_name, model_.detector->anchors(class_name, model_.words.prompts(class_name)))
        .first->second;
  }

 private:
  const EvalModel& model_;
  std::map<std::string, moeclip::TextAnchors<float>> anchors_;
};

/// Judges a picture or a tile by its class' memory if there is one, else by words.
void look(moeclip::Context& context, const EvalModel& model, Anchors& anchors, const std::string& class_name,
          moeclip::ImageView picture, moeclip::Detection& found) {
  const auto memory = model.memories.find(class_name);
  if (memory == model.memories.end()) return model.detector->detect(context, picture, anchors.of(class_name), found);
  const bool has_text = memory->second.record.text_weight > 0;
  moeclip::detect_by_memory<float>(context, *model.detector, memory->second,
                                   has_text ? &anchors.of(class_name) : nullptr, picture, found);
}

/// Judges a whole picture.
void judge(moeclip::Context& context, const EvalModel& model, Anchors& anchors, const std::string& class_name,
           moeclip::ImageView picture, moeclip::Detection& found) {
  if (model.method != nullptr) {
    const std::string words = model.words.words(class_name);
    const auto shown = model.shown.find(class_name);
    const moeclip::Method<float>& method = shown != model.shown.end() ? *shown->second : *model.method;
    const auto look_at = [&](moeclip::ImageView part, moeclip::Detection& seen) {
      method.detect(context, part, words, 0.5f, seen);  // the threshold is that of verdicts, which metrics lack
    };
    return moeclip::judge_in_tiles(context, picture, model.settings.tiles, look_at, found);
  }
  if (model.file)  // one set of words is for whatever the data call it
    return model.file->detect(context, picture, found, model.file->anchors.size() > 1 ? class_name : "");
  const auto look_at = [&](moeclip::ImageView part, moeclip::Detection& seen) {
    look(context, model, anchors, class_name, part, seen);
  };
  moeclip::judge_in_tiles(context, picture, model.settings.tiles, look_at, found);
}

double seconds_since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

/// Pictures of the shard that are not judged yet; those that failed are tried again. Throws mismatch if one that was
/// judged has been replaced since: what it added to the curves cannot be taken out of them.
std::vector<const EvalPicture*> open_pictures(const EvalData& data, const moeclip::EvaluationRun& run) {
  std::vector<const EvalPicture*> open;
  for (const EvalPicture& picture : data.pictures) {
    if (!run.shard.holds(picture.record.path)) continue;
    const auto known = run.pictures.find(picture.record.key());
    if (known == run.pictures.end() || !known->second.is_judged())
      open.push_back(&picture);
    else if (known->second.hash != moeclip::picture_hash(picture.entry.image_path))
      moeclip::fail(moeclip::ErrorCode::mismatch,
                    concat(picture.entry.image_path,
                           ": is another picture than the one that was judged; judge all anew, without --resume"));
  }
  return open;
}

}  // namespace

ModelHashes model_hashes(const moeclip::Detector& detector) {
  return {moeclip::clip_fingerprint(detector.clip().vision(), detector.clip().text()),
          moeclip::adapter_fingerprint(detector.adapter())};
}

ModelHashes model_hashes(const moeclip::Method<float>& method, const std::string& name, const std::string& weights) {
  ModelHashes hashes{moeclip::clip_fingerprint(method.clip().vision(), method.clip().text()), name};
  if (!weights.empty()) hashes.adapter += concat(" ", moeclip::sha256_hex(moeclip::WeightBytes::map(weights).bytes()));
  return hashes;
}

ModelHashes model_hashes(const std::string& model) {
  return {moeclip::sha256_hex(moeclip::WeightBytes::map(model).bytes()), ""};
}

namespace {

/// What the bytes of an evaluation depend on, but for the model.
moeclip::RunSettings settings_of(const EvalSettings& s, const EvalData& data) {
  moeclip::RunSettings settings;
  std::vector<moeclip::PictureRecord> records;
  for (const EvalPicture& picture : data.pictures) records.push_back(picture.record);
  settings.data = moeclip::listing_hash(std::move(records));
  settings.pictures = std::ssize(data.pictures);
  settings.has_default = s.protocol != "released";
  settings.has_released = s.protocol != "default";
  settings.pixels.is_exact = s.is_exact;
  settings.mask_from = s.layout.mask_from;
  return settings;
}

/// All classes of the data, each once.
std::vector<std::string> classes_of(const EvalData& data) {
  std::set<std::string> classes;
  for (const EvalPicture& picture : data.pictures) classes.insert(picture.record.class_name);
  return {classes.begin(), classes.end()};
}

/// The model in a file, which decides how pictures are read and cut, and what is looked for.
EvalModel read_model(const EvalSettings& s, const EvalData& data) {
  EvalModel model{{}, {}, settings_of(s, data), {}};
  const moeclip::PartModel& part = model.file.emplace(moeclip::PartModel::load(s.model, static_cast<int>(s.threads)));
  say_tiny_inside(s.model);
  moeclip::RunSettings& settings = model.settings;
  if (part.detector) {
    if (!part.memory && part.detector->options().map != moeclip::MapKind::probability)
      moeclip::fail(moeclip::ErrorCode::mismatch,
                    concat(s.model,
                           ": makes the released sum of maps; figures take the mean probability, which "
                           "`moeclip export` without --map reference makes"));
    settings.domain = part.detector->options().domain;
  }
  const std::vector<std::string> classes = classes_of(data);
  if (part.memory && classes.size() > 1)
    throw UsageError(concat(s.model, " knows one part, but the data have ", moeclip::counted(classes.size(), "class"),
                            "; give the folder of one"));
  if (part.anchors.size() > 1)
    for (const std::string& name : classes) static_cast<void>(part.anchors_of(name));
  model.trained_on = moeclip::trained_on(moeclip::WeightFile::open(s.model));
  settings.clip = model_hashes(s.model).clip;
  settings.image_size = part.side();
  settings.images = part.images;
  settings.tiles = part.tiles;
  if (s.threshold) model.file->set_threshold(static_cast<float>(*s.threshold));
  return model;
}

/// Another method than MoECLIP.
EvalModel read_method(const EvalSettings& s, const EvalData& data) {
  EvalModel model{{}, moeclip::load_class_words(s.words), settings_of(s, data), {}};
  model.method = load_method({s.method, s.clip, s.adapter, s.vocabulary, s.dtype, s.image_size, s.threads});
  moeclip::RunSettings& settings = model.settings;
  const ModelHashes hashes = model_hashes(*model.method, s.method, s.adapter);
  settings.clip = hashes.clip;
  settings.adapter = hashes.adapter;
  if (!s.adapter.empty()) model.trained_on = moeclip::trained_on(moeclip::WeightFile::open(s.adapter));
  expect_words_fit(*model.method, model.words, classes_of(data));
  settings.words = words_hash(model.words, data);
  settings.image_size = model.method->image_size();
  settings.images = s.pictures.image_options();
  settings.tiles = s.tiles.tiles();
  return model;
}

}  // namespace

EvalModel load_model(const EvalSettings& s, const EvalData& data) {
  if (!s.model.empty()) return read_model(s, data);
  if (!s.method.empty()) return read_method(s, data);
  moeclip::DetectorOptions options;
  options.image_size = s.image_size;
  options.domain = s.domain == "medical"      ? moeclip::Domain::medical
                   : s.domain == "industrial" ? moeclip::Domain::industrial
                                              : data.domain.value_or(moeclip::Domain::industrial);
  options.makes_both_maps = s.protocol != "default";
  if (s.threshold) options.threshold = static_cast<float>(*s.threshold);
  options.vocabulary = s.vocabulary;
  options.threads = static_cast<int>(s.threads);
  options.precision = plan_of_dtype(s.dtype);
  options.activation = s.activation;
  s.adapter_flags.apply(options.adapter);
  s.adapter_flags.say_assumed(s.adapter);
  const std::string adapter = adapter_path(s.clip, s.adapter);
  EvalModel model{
      load_detector(s.clip, s.adapter, options), moeclip::load_class_words(s.words), settings_of(s, data), {}};
  if (!adapter.empty()) {
    const auto file = moeclip::WeightFile::open(adapter);
    model.trained_on = moeclip::trained_on(file);
    model.judged_by = moeclip::judged_by(file);
  }
  if (!s.has_memory()) expect_words_fit(model.detector->clip(), model.words, classes_of(data));
  const ModelHashes hashes = model_hashes(*model.detector);
  moeclip::RunSettings& settings = model.settings;
  settings.clip = hashes.clip;
  settings.adapter = hashes.adapter;
  settings.words = words_hash(model.words, data);
  settings.image_size = model.detector->options().image_size;
  settings.domain = options.domain;
  settings.images = s.pictures.image_options();
  settings.tiles = s.tiles.tiles();
  return model;
}

std::vector<std::string> guard_against_leakage(const EvalSettings& s, const EvalModel& model, const EvalData& data,
                                               const moeclip::Shard& shard) {
  if (!model.trained_on) {
    const std::optional<moeclip::Detector>& detector = model.file ? model.file->detector : model.detector;
    const bool is_builtin = s.clip.empty() && !model.file && !model.method;
    if (model.method != nullptr && s.adapter.empty()) return {};
    if (is_builtin || (!detector && !model.method) || (detector && detector->adapter().mixtures.empty())) return {};
    return {"the adapter does not say what it was trained on; whether it has seen these pictures cannot be told"};
  }
  const moeclip::TrainingPictures& seen = *model.trained_on;
  const char* const who = model.has_memory() || !model.good.empty() ? "the model" : "the adapter";
  std::string first;
  std::size_t count = 0, choosing = 0;
  std::set<std::string> classes;
  for (const EvalPicture& picture : data.pictures) {
    if (seen.has_class(picture.record.class_name)) classes.insert(picture.record.class_name);
    if (!shard.holds(picture.record.path)) continue;
    try {
      const std::uint64_t hash = moeclip::picture_hash(picture.entry.image_path);
      choosing += model.judged_by.has_picture(hash) ? 1 : 0;
      if (!seen.has_picture(hash)) continue;
    } catch (const moeclip::Error&) {
      continue;  // it is told when it is to be judged
    }
    if (count++ == 0) first = picture.entry.image_path;
  }
  if (count > 0 && !s.allows_training_pictures)
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  concat(first, ": ", who, " was trained on this picture",
                         count > 1 ? concat(" and ", count - 1, " more of these") : "",
                         ", so the figures would say nothing about new ones; judge others, or give "
                         "--allow-training-pictures"));
  std::vector<std::string> notes;
  if (count > 0) notes.push_back(concat(who, " was trained on ", count, " of these pictures"));
  if (choosing > 0)
    notes.push_back(concat("by ", choosing,
                           " of these pictures training chose the weights that it kept (they were held "
                           "out), so the figures flatter it a little"));
  if (!classes.empty()) {
    std::string names;
    for (const std::string& name : classes) names += concat(names.empty() ? "" : ", ", name);
    notes.push_back(concat(who, " was trained on pictures of classes of the same name: ", names));
  }
  return notes;
}

void say_stopped(const std::string& state) {
  say(state.empty() ? "stopped; nothing is kept" : concat("stopped; ", state, " is written, --resume goes on"));
}

bool judge_pictures(const EvalSettings& s, const EvalModel& model, const EvalData& data, const std::string& state,
                    moeclip::EvaluationRun& run) {
  const std::vector<const EvalPicture*> open = open_pictures(data, run);
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  moeclip::Detection found;
  Anchors anchors(model);
  PictureReader reader(open, model.settings.images);
  Progress progress("judge", open.size());
  StopSignal stop;
  stop.set_exit_code(kFailed);
  stop.set_last_act([&] {
    if (!state.empty()) moeclip::write_run(state, run);
    say_stopped(state);
  });
  Clock::time_point last_write = Clock::now();
  for (const EvalPicture* picture : open) {
    if (stop.is_wanted()) break;
    progress.step(picture->record.path);
    moeclip::PictureRecord record = picture->record;
    const Clock::time_point start = Clock::now();
    try {
      const PictureReader::Read read = reader.next();
      say_remark(picture->entry.image_path, read.sample.remark);
      record.hash = read.hash;
      record.was_trained_on = model.trained_on && model.trained_on->has_picture(read.hash);
      judge(context, model, anchors, record.class_name, read.sample.picture.view(), found);
      record.seconds = seconds_since(start);
      const std::lock_guard reporting(stop.reporting());
      moeclip::add_picture(context, run, std::move(record), read.sample, found);
    } catch (const moeclip::Error& error) {
      say(error.what());
      const std::lock_guard reporting(stop.reporting());
      moeclip::add_failure(run, picture->record, error.code());
    }
    const std::lock_guard reporting(stop.reporting());
    if (state.empty() || seconds_since(last_write) < static_cast<double>(s.checkpoint_seconds)) continue;
    moeclip::write_run(state, run);
    last_write = Clock::now();
  }
  const std::lock_guard reporting(stop.reporting());
  const bool is_written_later = run.is_complete() && run.shard.count == 1;  // with the results
  if (!state.empty() && !is_written_later) moeclip::write_run(state, run);
  return run.is_complete();
}

}  // namespace cli
