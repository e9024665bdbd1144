// SPDX-License-Identifier: MIT
// moeclip export: CLIP, adapter, words, good pictures and thresholds in; one file with all of it out.

#include <algorithm>
#include <moeclip/clip/save_quantized.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/sha256.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/memory/save_model.hpp>

#include "commands.hpp"
#include "export.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::kernels::Precision;

namespace {

/// The names between commas.
std::vector<std::string> names_in(const std::string& list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    const std::string name = list.substr(at, end - at);
    if (name.empty()) throw UsageError("--classes are names with commas between them: nut,screw,metal plate");
    if (std::ranges::find(names, name) != names.end()) throw UsageError(concat("--classes names ", name, " twice"));
    names.push_back(name);
    at = end + 1;
  }
  return names;
}

bool parse(Words words, ExportSettings& s) {
  Options options(
      "export",
      "Put all that judges pictures of a part into one file, for a machine that has nothing else: the image "
      "tower of a CLIP, an adapter, words that are encoded already, what good pictures showed, thresholds. "
      "`moeclip detect --model FILE` and `serve --model FILE` then say to the bit what they say with the "
      "options that are given here.");
  options.value("out", s.out, "FILE", "to write, such as part.moeclip");
  options.value("classes", s.classes, "A,B,C", "several classes in place of --class, of which `detect` is told one");
  options.value("memory", s.memory, "FILE", "of `moeclip learn`; the same as --good FILE");
  options.repeated("check", s.check, "IMAGES",
                   "with --dtype bf16 or int8: pictures, folders or data sets; nothing is written if maps and scores "
                   "on them are not "
                   "near those in full precision, as `moeclip quantize` measures it");
  s.limits.declare(options);
  s.model.declare(options, false);
  options.flag("json", s.is_json, "one JSON object");
  options.flag("force", s.is_forced, "replace FILE");
  options.progress();
  if (!options.parse(words)) return false;
  if (s.out.empty()) throw UsageError("--out FILE is needed");
  if (!s.memory.empty()) {
    if (!is_memory_name(s.memory) || !s.model.good.empty())
      throw UsageError("--memory is one file of `moeclip learn`, NAME.moeclip, in place of --good");
    s.model.good.push_back(s.memory);
  }
  s.model.check(options);
  if (!s.model.method.empty())
    throw UsageError(concat(s.model.adapter, ": is of the method ", s.model.method,
                            "; a model file holds MoECLIP or good pictures alone"));
  s.limits.check();
  if (s.model.good.empty() && s.model.has_memory())
    throw UsageError("without good pictures, textures have nothing to export; give --good");
  if (s.classes.empty()) return true;
  s.model.classes = names_in(s.classes);
  if (std::ranges::find(options.given(), "class") != options.given().end())
    throw UsageError("--class and --classes say the same; choose one");
  if (s.model.classes.size() > 1 && (!s.model.good.empty() || !s.model.prompts.empty()))
    throw UsageError("good pictures and sentences of one's own are of one class; --classes names several");
  s.model.class_name = s.model.classes.front();
  return true;
}

/// A file that something was taken from.
moeclip::Json source_json(const char* what, const std::string& path) {
  const auto file = moeclip::MappedFile::open(path);
  return moeclip::Json::object()
      .set("what", what)
      .set("name", moeclip::file_name(path))
      .set("bytes", file->size())
      .set("sha256", moeclip::sha256_hex(file->bytes()));
}

/// Where the model comes from, without dates and folders: what is the same gives the same bytes.
moeclip::Json provenance_of(const ExportSettings& s, const Judge& judge, const moeclip::Json& check) {
  moeclip::Json sources = moeclip::Json::array();
  const auto add = [&](const char* what, const std::string& path) {
    if (!path.empty())
      sources.push_back(source_json(what, moeclip::is_directory(path) ? moeclip::WeightFile::open(path).path() : path));
  };
  if (judge.detector) {
    add("clip", s.model.clip.empty() ? find_tiny(kTinyClip) : s.model.clip);
    add("adapter", adapter_path(s.model.clip, s.model.adapter));
  }
  if (is_learned(s.model.good)) add("memory", s.model.good.front());
  add("prompts", s.model.prompts);
  add("calibration", s.model.calibration);
  moeclip::Json json = moeclip::Json::object()
                           .set("program", concat("moeclip ", MOECLIP_VERSION_STRING))
                           .set("sources", std::move(sources));
  if (judge.detector) {
    const ModelHashes hashes = model_hashes(*judge.detector);
    json.set("clip", hashes.clip).set("adapter", hashes.adapter);
  }
  if (!check.is_null()) json.set("check", check);
  return json;
}

/// The pictures that adapter and memory were trained on; null if neither says.
moeclip::Json trained_on(const ExportSettings& s, const Judge& judge) {
  moeclip::TrainingPictures all;
  const auto add = [&](const std::string& path) {
    if (path.empty()) return;
    if (const auto known = moeclip::trained_on(moeclip::WeightFile::open(path))) all.add(*known);
  };
  if (judge.detector) add(adapter_path(s.model.clip, s.model.adapter));
  if (is_learned(s.model.good)) add(s.model.good.front());
  all.add(pictures_of(judge.good));
  return all.empty() ? moeclip::Json() : moeclip::to_json(all);
}

void report(const ExportSettings& s, const Judge& judge, Precision precision, const moeclip::Json& check) {
  const auto bytes = moeclip::MappedFile::open(s.out)->size();
  moeclip::Json classes = moeclip::Json::array();
  std::string names;
  for (const auto& words : judge.anchors) {
    classes.push_back(words.name);
    names += concat(names.empty() ? "" : ", ", words.name);
  }
  JsonLine json(s.is_json);
  json.member("file", s.out);
  json.member("bytes", bytes);
  json.member("precision", judge.detector ? moeclip::Json(to_string(precision)) : moeclip::Json());
  json.member("image_size", judge.detector ? judge.detector->options().image_size : moeclip::kTextureSize);
  json.member("classes", classes);
  json.member("patches", judge.memory ? judge.memory->patches.size() : 0);
  json.member("threshold_source", judge.threshold_source);
  if (!check.is_null()) json.member("check", check);
  json.finish();
  if (s.is_json) return;
  std::string text = concat(printable(s.out), ": ", fixed(static_cast<double>(bytes) / 1e6, 1), " MB");
  if (judge.detector)
    text += concat(", image tower in ", to_string(precision), " at ", judge.detector->options().image_size, " px");
  if (!names.empty()) text += concat(", words about ", printable(names));
  if (judge.memory) text += concat(", ", moeclip::counted(judge.memory->patches.size(), "patch"), " of good pictures");
  if (!check.is_null())
    text += concat("\nagainst f32 on ", moeclip::counted(check.at("pictures").as_number(), "picture"),
                   ": rank correlation of maps ", fixed(check.at("rank_correlation").as_number(), 4),
                   ", scores differ by at most ", fixed(check.at("largest_score_difference").as_number(), 4));
  const moeclip::Json* const other = check.is_null() ? nullptr : check.find("other_verdicts");
  if (other != nullptr)
    text += concat(", ", moeclip::counted(other->as_number(), "verdict"), " by good pictures are others");
  print(text + "\n");
}

}  // namespace

int run_export(Words words) {
  ExportSettings s;
  if (!parse(words, s)) return kOk;
  expect_writable(s.out, s.is_forced);
  if (s.model.is_toy()) inform(kTinyKnows);
  moeclip::Context context({.threads = static_cast<int>(s.model.threads)});
  const Judge judge = make_judge(context, s.model, s.is_json);
  if (!s.classes.empty() && judge.anchors.empty())
    throw UsageError("words have no say here (--text-weight), so there is no use for --classes");
  const auto precision =
      judge.detector ? moeclip::precision_of_blocks(judge.detector->clip().vision()) : Precision::f32;
  if (!s.check.empty() && precision == Precision::f32)
    throw UsageError("--check compares with full precision; give --dtype bf16 or int8");
  moeclip::Json check;
  if (!s.check.empty()) check = check_precision(s, judge, precision);
  write_outputs([&] { moeclip::save_model(s.out, judge, provenance_of(s, judge, check), trained_on(s, judge)); });
  report(s, judge, precision, check);
  return judge.failures == 0 ? kOk : kInputFailed;
}

}  // namespace cli
