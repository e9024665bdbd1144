// SPDX-License-Identifier: MIT
// moeclip convert: adapters between this library's safetensors and the official code's .pth.

#include <algorithm>
#include <moeclip/train/official_checkpoint.hpp>

#include "adapter_flags.hpp"
#include "commands.hpp"

namespace cli {
namespace {

using moeclip::concat;

struct ConvertSettings {
  std::string in, out;
  AdapterFlags adapter_flags;
  bool is_lossy = false, is_forced = false;

  [[nodiscard]] bool is_official() const { return moeclip::file_extension(out) != ".safetensors"; }
};

bool parse(Words words, ConvertSettings& s) {
  Options options(
      "convert",
      "Convert a trained adapter between the .safetensors files of `moeclip train` and the .pth files of "
      "the official code, the optimiser's state included. The ending of OUT says which it becomes.\n"
      "A .pth has no place for the adapter's settings and the record of its training: they go into OUT.json, "
      "where all commands find them as long as it lies beside OUT.");
  options.positional("IN", s.in, "adapter to read, of either kind");
  options.positional("OUT", s.out, "file to write: .safetensors, .pth or .pt");
  s.adapter_flags.add_to(options);
  options.flag("lossy", s.is_lossy, "write a .pth without OUT.json: what it cannot hold is lost");
  options.flag("force", s.is_forced, "replace OUT, and OUT.json");
  if (!options.parse(words)) return false;
  s.adapter_flags.check(true);
  const std::string extension = moeclip::file_extension(s.out);
  if (extension != ".safetensors" && extension != ".pth" && extension != ".pt")
    throw UsageError(concat(s.out, ": OUT ends in .safetensors, .pth or .pt"));
  if (s.is_lossy && !s.is_official()) throw UsageError("--lossy is about .pth files; a .safetensors file holds all");
  return true;
}

/// The sizes of the CLIP that an adapter was trained on, as far as its tensors tell. Blocks stay at the numbers that
/// the file records, or at places that only the CLIP itself knows.
moeclip::ClipConfig sizes_for(const moeclip::WeightFile& weights) {
  const moeclip::AdapterFile file = moeclip::recognise_adapter_file(weights);
  const std::string projection = "image_adapter.seg_proj.0.fc.weight";
  const moeclip::Shape& text = file.shape("text_adapter.0.fc.0.weight");
  const moeclip::Shape& image =
      file.shape(file.has(projection) ? projection : std::string("image_adapter.seg_proj.0.fc.0.weight"));
  if (text.rank() != 2 || image.rank() != 2)
    moeclip::fail(moeclip::ErrorCode::mismatch, concat(weights.path(), ": its projections are no matrices"));
  moeclip::ClipConfig config;
  config.embed = text[0];
  config.text.width = text[1];
  config.vision.width = image[1];
  config.vision.layers = moeclip::AdapterFile::kMostNumbered;
  return config;
}

/// True if A was trained: the official numbering of parameters counts it then.
bool has_trained_inputs(const moeclip::Adam<float>::States& moments) {
  return std::ranges::any_of(moments, [](const auto& item) { return item.first.ends_with(".lora_A.weight"); });
}

/// Throws io if what is to be written is there already.
void expect_free(const ConvertSettings& s) {
  expect_writable(s.out, s.is_forced);
  if (!s.is_official()) return;
  const std::string sidecar = moeclip::sidecar_path(s.out);
  if (s.is_lossy && moeclip::file_exists(sidecar))
    moeclip::fail(moeclip::ErrorCode::io,
                  concat(sidecar, ": would be taken for the settings of ", s.out, "; take it away first"));
  expect_writable(sidecar, s.is_forced);
}

std::string numbers(const moeclip::Json& list) {
  std::string text;
  for (const moeclip::Json& item : list.items()) text += concat(" ", item.as_int64());
  return text;
}

/// What a .pth has no place for, for people.
std::string settings_text(const moeclip::AdapterConfig& config, const moeclip::Json& record) {
  const moeclip::Json& adapter = record.at("adapter");
  std::string text =
      concat("top-k ", config.chosen, ", alpha ", config.scale * static_cast<double>(config.rank), ", mix weight ",
             config.mix_weight, ", similarity scale ", config.similarity_scale, ", activation ",
             adapter.at("activation").as_string(), ", patch aggregation ", config.windows.size() > 1 ? "on" : "off");
  if (adapter.at("mixture_blocks").size() > 0)
    text += concat(", mixtures after blocks", numbers(adapter.at("mixture_blocks")));
  if (adapter.at("level_blocks").size() > 0)
    text += concat(", levels after blocks", numbers(adapter.at("level_blocks")));
  if (const moeclip::Json* size = record.find("image_size"); size != nullptr)
    text += concat(", pictures of ", moeclip::counted(size->as_int64(), "pixel"));
  if (record.find("recipe") != nullptr) text += ", and the record of its training";
  return text;
}

/// An adapter as it was read, with all that is known about it.
struct Converted {
  moeclip::Adapter<float> adapter;
  moeclip::Adam<float>::States moments;
  moeclip::RunPosition position;
  moeclip::Recipe recipe;
  moeclip::Json record;
};

void write_pth(const ConvertSettings& s, const Converted& c) {
  const std::string sidecar = moeclip::sidecar_path(s.out);
  try {
    moeclip::write_official<float>(s.out, c.adapter, c.moments, c.recipe, c.position,
                                   s.is_lossy ? moeclip::Json() : c.record);
  } catch (const moeclip::Error& error) {
    const std::string message = error.what();
    if (!message.starts_with(sidecar)) throw;
    moeclip::fail(error.code(), concat(message,
                                       "; nothing was written, since the adapter's settings would be lost; "
                                       "--lossy writes the .pth alone"));
  }
  say(concat(s.out, " cannot hold these settings: ", settings_text(c.adapter.config, c.record),
             s.is_lossy ? std::string("; they are lost (--lossy)")
                        : concat("; they are in ", sidecar, ", which belongs beside it")));
}

}  // namespace

int run_convert(Words words) {
  ConvertSettings s;
  if (!parse(words, s)) return kOk;
  expect_free(s);
  const moeclip::WeightFile weights = moeclip::WeightFile::open(s.in);
  const moeclip::ClipConfig sizes = sizes_for(weights);
  moeclip::AdapterOptions options;
  s.adapter_flags.apply(options);
  Converted c;
  c.adapter = moeclip::read_adapter<float>(weights, sizes, options);
  s.adapter_flags.say_assumed(s.in);
  c.moments = moeclip::read_moments<float>(weights, c.adapter);
  c.record = moeclip::record_of(weights, c.adapter.config);
  c.position.epoch = moeclip::trained_epochs(weights);
  c.recipe.use_fofs = !has_trained_inputs(c.moments);
  if (moeclip::holds_run(weights)) {
    const moeclip::CheckpointRecord run = moeclip::read_record(weights);
    c.position = run.position;
    c.recipe = run.identity.recipe;
  }
  if (s.is_official())
    write_pth(s, c);
  else
    moeclip::write_adapter<float>(s.out, c.record, c.adapter, c.moments);
  print(concat(printable(s.out), ": ", moeclip::counted(c.position.epoch, "epoch"), ", the optimiser's state of ",
               moeclip::counted(c.moments.size(), "parameter"), "\n"));
  return kOk;
}

}  // namespace cli
