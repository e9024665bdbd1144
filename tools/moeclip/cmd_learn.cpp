// SPDX-License-Identifier: MIT
// moeclip learn: good pictures in; a memory of their patches with thresholds that hold, for `moeclip detect --good`,
// out.

#include <algorithm>
#include <chrono>
#include <moeclip/data/class_words.hpp>
#include <moeclip/memory/memory_file.hpp>

#include "adapter_flags.hpp"
#include "commands.hpp"
#include "good.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;

namespace {

struct LearnSettings {
  std::vector<std::string> arguments;
  std::string clip, adapter, class_name = "object", vocabulary, out;
  std::int64_t image_size = 0, threads = 0;
  AdapterFlags adapter_flags;
  GoodOptions good;
  PictureOptions pictures;
  TileFlags tiles;
  bool is_json = false, is_forced = false;
};

bool parse(Words words, LearnSettings& s) {
  Options options("learn",
                  "Remember what good pictures of a part look like, and find the threshold that keeps false alarms "
                  "rare. `moeclip detect photos/ --good FILE` then calls defective what is unlike all of them.");
  options.positionals("GOOD", s.arguments, 1, "pictures without any defect, and folders of them");
  options.value("out", s.out, "FILE", "to write, such as part.moeclip");
  options.value("clip", s.clip, "FILE", "CLIP weights; without them, patches are known by their textures");
  options.value("adapter", s.adapter, "FILE", "MoECLIP adapter (.pth or .safetensors)");
  s.adapter_flags.add_to(options);
  options.value("class", s.class_name, "NAME", "what is in the pictures, where the words have a say; default object");
  s.good.declare(options);
  s.pictures.declare(options);
  s.tiles.declare(options);
  options.value("image-size", s.image_size, "S",
                "side of the square that the model sees; default: that of the adapter's training, 518 if it "
                "does not say; of a CLIP alone its own");
  options.value("vocab", s.vocabulary, "FILE", "tokenizer; default: beside the weights, else the installed one");
  options.flag("json", s.is_json, "one JSON object");
  options.flag("force", s.is_forced, "replace FILE if it exists");
  options.value("threads", s.threads, "N", "default: one per core");
  options.progress();
  if (!options.parse(words)) return false;
  if (s.out.empty()) throw UsageError("--out FILE is needed");
  if (!is_memory_name(s.out)) throw UsageError("--out should end in .moeclip");
  expect_size_and_threads(s.image_size, s.threads);
  s.adapter_flags.check(!s.adapter.empty());
  const bool has_clip = !s.clip.empty() || !s.adapter.empty();
  s.good.check(has_clip);
  s.tiles.check();
  if (s.good.takes_textures(has_clip) && std::ranges::find(options.given(), "image-size") != options.given().end())
    throw UsageError(
        "without --clip, patches are known by their textures, which have one size; --features encoder takes the "
        "built-in model");
  return true;
}

void report(const LearnSettings& s, const moeclip::PatchMemory<float>& memory, double seconds) {
  const moeclip::MemoryRecord& record = memory.record;
  const auto megabytes = static_cast<double>(memory.patches.rows().size()) * sizeof(float) / 1e6;
  moeclip::Json held_out = moeclip::Json::array();
  for (const float score : record.held_out) held_out.push_back(score);
  JsonLine json(s.is_json);
  json.member("file", s.out);
  json.member("features", to_string(record.features));
  json.member("pictures", record.pictures);
  json.member("things", std::max<std::size_t>(1, record.held_out.size()));
  json.member("patches", memory.patches.size());
  json.member("width", memory.patches.rows().extent(1));
  json.member("text_weight", record.text_weight);
  if (record.tiles.is_on()) json.member("tiles", moeclip::to_json(record.tiles));
  json.member("threshold", record.threshold);
  json.member("pixel_threshold", record.pixel_threshold);
  json.member("held_out", held_out);
  json.member("false_positive_rate", promise_json(record));
  json.member("seconds", seconds);
  json.finish();
  if (s.is_json) return;
  print(concat(printable(s.out), ": ", moeclip::counted(memory.patches.size(), "patch"), " of ",
               moeclip::counted(record.pictures, "good picture"), ", ", fixed(megabytes, 1), " MB, ", fixed(seconds, 1),
               " s\n", promise_text(record)));
}

}  // namespace

int run_learn(Words words) {
  LearnSettings s;
  if (!parse(words, s)) return kOk;
  expect_writable(s.out, s.is_forced);
  const auto start = std::chrono::steady_clock::now();
  const moeclip::ImageOptions images = s.pictures.image_options();
  const GoodInputs good = collect_good(s.arguments, images);
  if (!good.remark.empty()) inform(good.remark);
  moeclip::DetectorOptions options;
  options.image_size = s.image_size;
  options.vocabulary = s.vocabulary;
  options.threads = static_cast<int>(s.threads);
  s.adapter_flags.apply(options.adapter);
  s.adapter_flags.say_assumed(s.adapter);
  std::optional<moeclip::Detector> detector;
  if (!s.good.takes_textures(!s.clip.empty() || !s.adapter.empty()))
    detector = load_detector(s.clip, s.adapter, options);
  if (detector && s.clip.empty()) inform(kTinySees);
  const double weight = s.good.weight(!s.adapter.empty());
  std::optional<moeclip::TextAnchors<float>> anchors;
  if (weight > 0) anchors = detector->anchors(s.class_name, moeclip::load_class_words().prompts(s.class_name));
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  const moeclip::PatchMemory<float> memory = learn_good(
      context, {detector ? &*detector : nullptr, anchors ? &*anchors : nullptr, s.class_name, weight, s.tiles.tiles()},
      good, s.good, images);
  moeclip::save_memory(s.out, memory, moeclip::to_json(pictures_of(good.pictures)));
  report(s, memory, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return good.failures == 0 ? kOk : kInputFailed;
}

}  // namespace cli
