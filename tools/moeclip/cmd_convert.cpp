// SPDX-License-Identifier: MIT
// moeclip convert: adapters between this library's safetensors and the official code's .pth.

#include <algorithm>
#include <moeclip/train/official_checkpoint.hpp>

#include "commands.hpp"

namespace cli {
namespace {

using moeclip::concat;

struct ConvertSettings {
  std::string in, out;
  bool is_forced = false;
};

bool parse(Words words, ConvertSettings& s) {
  Options options("convert",
                  "Convert a trained adapter between the .safetensors files of `moeclip train` and the .pth files of "
                  "the official code, the optimiser's state included. The ending of OUT says which it becomes.");
  options.positional("IN", s.in, "adapter to read, of either kind");
  options.positional("OUT", s.out, "file to write: .safetensors, .pth or .pt");
  options.flag("force", s.is_forced, "replace OUT");
  if (!options.parse(words)) return false;
  const std::string extension = moeclip::file_extension(s.out);
  if (extension != ".safetensors" && extension != ".pth" && extension != ".pt")
    throw UsageError(concat(s.out, ": OUT ends in .safetensors, .pth or .pt"));
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

}  // namespace

int run_convert(Words words) {
  ConvertSettings s;
  if (!parse(words, s)) return kOk;
  expect_writable(s.out, s.is_forced);
  const moeclip::WeightFile weights = moeclip::WeightFile::open(s.in);
  const moeclip::ClipConfig sizes = sizes_for(weights);
  const moeclip::Adapter<float> adapter = moeclip::read_adapter<float>(weights, sizes);
  const auto moments = moeclip::read_moments<float>(weights, adapter);
  moeclip::CheckpointRecord record;
  record.position.epoch = moeclip::trained_epochs(weights);
  if (moeclip::holds_run(weights)) record = moeclip::read_record(weights);
  record.adapter = adapter.config;
  record.identity.recipe.use_fofs = !has_trained_inputs(moments);
  if (moeclip::file_extension(s.out) != ".safetensors")
    moeclip::write_official<float>(s.out, adapter, moments, record.identity.recipe, record.position);
  else if (moeclip::holds_run(weights))
    moeclip::write_checkpoint<float>(s.out, record, adapter, moments);
  else
    moeclip::write_adapter<float>(s.out, record.position.epoch, adapter, moments);
  print(concat(printable(s.out), ": ", record.position.epoch, " epochs, the optimiser's state of ", moments.size(),
               " parameters\n"));
  return kOk;
}

}  // namespace cli
