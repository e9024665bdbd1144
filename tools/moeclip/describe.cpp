// SPDX-License-Identifier: MIT
#include "describe.hpp"

#include <algorithm>
#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/memory/memory_file.hpp>
#include <moeclip/memory/model_file.hpp>
#include <moeclip/methods/make_method.hpp>

namespace cli {
namespace {

using moeclip::concat;
using moeclip::index_t;
using moeclip::Json;

bool has_name(const moeclip::WeightFile& file, std::string_view part) {
  return std::ranges::any_of(file.entries(),
                             [&](const auto& entry) { return entry.name.find(part) != std::string::npos; });
}

/// "; 2 tensors (a, b) that nothing uses", or nothing.
std::string in_words(const std::vector<std::string>& unused) {
  return unused.empty() ? "" : concat("; ", moeclip::count_and_names(unused), " that nothing uses");
}

Json as_list(const std::vector<std::string>& names) {
  Json list = Json::array();
  for (const std::string& name : names) list.push_back(name);
  return list;
}

ModelDescription describe_clip(const moeclip::WeightFile& file) {
  const moeclip::ClipFile clip = moeclip::recognise_clip(file);
  const moeclip::ClipConfig& config = clip.config;
  const std::string name(moeclip::preset_name(config));
  const char* family = clip.naming.family == moeclip::ClipFamily::openai ? "OpenAI names" : "Hugging Face names";
  const char* activation = to_string(config.activation);
  ModelDescription description;
  description.text = concat(
      "CLIP ", name, ": ", config.vision.image_size, " px, patch ", config.vision.patch_size, ", image tower ",
      config.vision.layers, " x ", config.vision.width, " (", moeclip::counted(config.vision.heads, "head"),
      "), text tower ", config.text.layers, " x ", config.text.width, " (", moeclip::counted(config.text.heads, "head"),
      "), ", moeclip::counted(config.text.vocabulary, "token"), ", context ", config.text.context_length, ", joint ",
      config.embed, "; activation ", activation, " (", clip.activation_source, "); ", family, in_words(clip.unused));
  const auto tower = [](const auto& sizes) {
    return Json::object()
        .set("width", sizes.width)
        .set("layers", sizes.layers)
        .set("heads", sizes.heads)
        .set("hidden", sizes.hidden);
  };
  description.facts = Json::object()
                          .set("kind", "clip")
                          .set("name", name)
                          .set("names", family)
                          .set("activation", activation)
                          .set("activation_source", clip.activation_source)
                          .set("embed", config.embed)
                          .set("image_size", config.vision.image_size)
                          .set("patch_size", config.vision.patch_size)
                          .set("vision", tower(config.vision))
                          .set("context_length", config.text.context_length)
                          .set("vocabulary", config.text.vocabulary)
                          .set("text", tower(config.text))
                          .set("unused", as_list(clip.unused));
  return description;
}

/// How many blocks the CLIP has is not in an adapter, so which blocks it acts after is left open.
ModelDescription describe_adapter(const moeclip::WeightFile& file) {
  const moeclip::AdapterFile adapter = moeclip::recognise_adapter_file(file);
  const index_t mixtures = adapter.count_numbered("image_adapter.moe_adapters.");
  const moeclip::AdapterConfig config = moeclip::recognise_adapter(adapter, moeclip::AdapterFile::kMostNumbered, {});
  const double alpha = config.scale * static_cast<double>(config.rank);
  const bool is_recorded = moeclip::records_switches(file);
  const moeclip::Shape& text = adapter.shape("text_adapter.0.fc.0.weight");
  const index_t width = adapter.shape("image_adapter.det_proj.ln.weight")[0];
  const std::string sharing = config.use_separate_projections ? "separate" : "shared";
  ModelDescription description;
  description.text = concat(
      "MoECLIP adapter: ", moeclip::counted(mixtures, "mixture"), " of ", moeclip::counted(config.experts, "expert"),
      " of rank ", config.rank, ", ", moeclip::counted(config.levels(), "level"), ", ", sharing + " projections",
      config.use_relu ? " with LeakyReLU" : "",
      is_recorded ? concat(", top-k ", config.chosen, ", alpha ", alpha)
                  : std::string(", top-k and alpha not recorded"),
      "; for image width ", width, ", text width ", text[1], ", joint ", text[0], in_words(adapter.unused()));
  description.facts = Json::object()
                          .set("kind", "moeclip_adapter")
                          .set("mixtures", mixtures)
                          .set("experts", config.experts)
                          .set("rank", config.rank)
                          .set("levels", config.levels())
                          .set("projections", config.projections())
                          .set("sharing", sharing)
                          .set("relu", config.use_relu)
                          .set("top_k", is_recorded ? Json(config.chosen) : Json())
                          .set("alpha", is_recorded ? Json(alpha) : Json())
                          .set("image_width", width)
                          .set("text_width", text[1])
                          .set("embed", text[0])
                          .set("unused", as_list(adapter.unused()));
  return description;
}

/// What `moeclip export` or `moeclip learn` wrote, by its record.
ModelDescription describe_part(const moeclip::WeightFile& file) {
  const std::string& source = file.path();
  const Json record = moeclip::detail::recorded(file);
  const Json* const model = record.find(moeclip::detail::kModelKey);
  ModelDescription description;
  description.text = model == nullptr
                         ? std::string("moeclip memory")
                         : concat("moeclip model, version ", moeclip::member<index_t>(*model, "format", source));
  if (has_name(file, "visual.conv1.weight")) {
    const moeclip::ClipFile clip = moeclip::recognise_vision(file);
    description.text += concat(": image tower ", clip.config.vision.layers, " x ", clip.config.vision.width, ", ",
                               to_string(clip.precision.precision), ", at ",
                               moeclip::member<index_t>(*model, "image_size", source), " px");
    for (const Json& name : moeclip::member(*model, "classes", source).items())
      description.text += concat(", words about ", moeclip::in_quotes(name.as_string()));
  }
  if (moeclip::holds_memory(file)) {
    const moeclip::MemoryRecord memory = moeclip::read_memory_record(file);
    description.text += concat("; ", moeclip::counted(file.entry("patches").shape[0], "patch"), " (",
                               to_string(memory.features), ") of ", moeclip::counted(memory.pictures, "good picture"));
  }
  description.facts = Json::object().set("kind", model == nullptr ? "moeclip_memory" : "moeclip_model");
  description.facts.set("record", record);
  return description;
}

/// Weights of another method than MoECLIP, which `moeclip train --method` wrote.
ModelDescription describe_method(const moeclip::WeightFile& file) {
  const moeclip::MethodRecord record = moeclip::read_method_record(file);
  ModelDescription description;
  description.text = concat("weights of ", moeclip::method_kind(record.method).about, "; at ", record.image_size,
                            " px, after ", moeclip::counted(record.run.steps, "step"));
  description.facts = Json::object()
                          .set("kind", "method")
                          .set("method", record.method)
                          .set("image_size", record.image_size)
                          .set("steps", record.run.steps);
  return description;
}

/// The same of its official code.
ModelDescription describe_official(std::string_view method) {
  return {concat("of the official code of ", moeclip::method_kind(method).about, "; give it with --method ", method),
          Json::object().set("kind", "method").set("method", method)};
}

}  // namespace

ModelDescription describe_model(const moeclip::WeightFile& file) {
  try {
    if (moeclip::holds_model(file) || moeclip::holds_memory(file)) return describe_part(file);
    if (moeclip::is_method_file(file)) return describe_method(file);
    if (const auto method = moeclip::official_method(file); !method.empty()) return describe_official(method);
    if (has_name(file, "text_adapter") && has_name(file, "image_adapter")) return describe_adapter(file);
    if (has_name(file, "visual.conv1.weight") || has_name(file, "vision_model.embeddings.patch_embedding.weight"))
      return describe_clip(file);
  } catch (const moeclip::Error& error) {
    return {error.what(), {}};
  }
  return {};
}

}  // namespace cli
