// SPDX-License-Identifier: MIT
#include "tiny_model.hpp"

#include <algorithm>
#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/io/data_directories.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/record.hpp>
#include <moeclip/io/weight_use.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/tensor/visit.hpp>
#include <vector>

#include "progress.hpp"

namespace cli {

using moeclip::Adapter;
using moeclip::concat;
using moeclip::Tensor;

std::string find_tiny(std::string_view name) {
  std::string tried;
  for (const std::string& folder : moeclip::data_directories()) {
    std::string path = moeclip::join_path(folder, std::string(name));
    if (moeclip::file_exists(path)) return path;
    tried += concat(tried.empty() ? "" : ", ", folder);
  }
  moeclip::fail(moeclip::ErrorCode::missing, concat("the built-in model's ", name, " was not found in ", tried));
}

std::string adapter_path(const std::string& clip, const std::string& adapter) {
  return clip.empty() && adapter.empty() ? find_tiny(kTinyAdapter) : adapter;
}

namespace {

void say_unused(const std::string& path, const std::vector<std::string>& unused) {
  if (!unused.empty()) inform(concat(path, ": ", moeclip::count_and_names(unused), " that nothing here uses"));
}

}  // namespace

moeclip::Detector load_detector(const std::string& clip, const std::string& adapter,
                                const moeclip::DetectorOptions& options) {
  const std::string clip_path = clip.empty() ? find_tiny(kTinyClip) : clip, adapter_file = adapter_path(clip, adapter);
  moeclip::Detector detector = moeclip::Detector::load(clip_path, adapter_file, options);
  say_unused(clip_path, detector.clip().unused_tensors());
  if (!adapter_file.empty())
    say_unused(adapter_file, moeclip::recognise_adapter_file(moeclip::WeightFile::open(adapter_file)).unused());
  return detector;
}

void say_tiny_inside(const std::string& model) {
  const moeclip::Json record = moeclip::detail::recorded(moeclip::WeightFile::open(model));
  const moeclip::Json* json = record.is_object() ? &record : nullptr;
  for (const char* const name : {"model", "provenance", "sources"})
    if (json != nullptr) json = json->is_object() ? json->find(name) : nullptr;
  if (json == nullptr || !json->is_array()) return;
  for (const moeclip::Json& source : json->items()) {
    const moeclip::Json* const name = source.is_object() ? source.find("name") : nullptr;
    if (name != nullptr && name->is_string() && name->as_string() == kTinyClip)
      inform(concat(model,
                    ": holds the built-in model, a toy that knows drawn pictures, and its verdicts on photographs are "
                    "noise; export one of another CLIP, or of good pictures (--good)"));
  }
}

std::optional<moeclip::PrecisionPlan> plan_of_dtype(std::string_view dtype) {
  const auto precision = moeclip::kernels::find_precision(dtype);
  if (!precision) return std::nullopt;
  return moeclip::PrecisionPlan{*precision, {}};
}

moeclip::SampleSource adapter_pictures(moeclip::index_t count, moeclip::index_t size, std::uint64_t seed,
                                       double defective_share) {
  moeclip::SyntheticPlan plan;
  plan.categories.assign(moeclip::adapter_categories().begin(), moeclip::adapter_categories().end());
  plan.count = count;
  plan.size = size;
  plan.seed = seed;
  plan.defective_share = defective_share;
  return moeclip::SampleSource(moeclip::drawn_samples(moeclip::plan_synthetic(plan)));
}

Adapter<float> packed_copy(moeclip::Context& context, const Adapter<float>& adapter) {
  const auto& projection = adapter.projections.at(0);
  Adapter<float> copy(adapter.config, projection.inputs(), projection.outputs(), adapter.text.inputs());
  std::vector<const Tensor<float>*> values;
  moeclip::visit_parameters(adapter, "", [&](const std::string&, const Tensor<float>& t) { values.push_back(&t); });
  auto value = values.begin();
  moeclip::visit_parameters(copy, "", [&](const std::string&, Tensor<float>& t) { t = **value++; });
  moeclip::pack(context, copy);
  return copy;
}

moeclip::Json pretrain_json(const moeclip::PretrainReport& report) {
  return moeclip::Json::object()
      .set("step", report.step)
      .set("loss", report.loss.total())
      .set("image_to_text", report.loss.image_to_text)
      .set("text_to_image", report.loss.text_to_image)
      .set("logit_scale", report.logit_scale)
      .set("gradient_norm", report.gradient_norm)
      .set("lr", report.lr);
}

}  // namespace cli
