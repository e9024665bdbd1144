// SPDX-License-Identifier: MIT
#include "tiny_model.hpp"

#include <algorithm>
#include <moeclip/io/file.hpp>
#include <moeclip/tensor/visit.hpp>
#include <vector>

namespace cli {

using moeclip::Adapter;
using moeclip::concat;
using moeclip::Tensor;

std::string find_tiny(std::string_view name) {
  std::vector<std::string> folders;
  if (const std::string program = moeclip::executable_directory(); !program.empty())
    folders = {program, moeclip::join_path(moeclip::parent_directory(program), "share/moeclip")};
  folders.insert(folders.end(), {"/usr/local/share/moeclip", "/usr/share/moeclip"});
  std::string tried;
  for (const std::string& folder : folders) {
    std::string path = moeclip::join_path(folder, std::string(name));
    if (moeclip::file_exists(path)) return path;
    tried += concat(tried.empty() ? "" : ", ", folder);
  }
  moeclip::fail(moeclip::ErrorCode::missing, concat("the built-in model's ", name, " was not found in ", tried));
}

moeclip::SampleSource adapter_pictures(moeclip::index_t count, moeclip::index_t size, std::uint64_t seed,
                                       double defective_share) {
  moeclip::SyntheticPlan plan;
  plan.categories.assign(moeclip::adapter_categories().begin(), moeclip::adapter_categories().end());
  plan.count = count;
  plan.size = size;
  plan.seed = seed;
  plan.defective_share = defective_share;
  return moeclip::SampleSource(moeclip::plan_synthetic(plan));
}

void save_adapter(const std::string& path, const moeclip::Trainer<float>& trainer, const moeclip::Clip<float>& clip,
                  const moeclip::SampleSource& source) {
  const moeclip::TrainerOptions& options = trainer.options();
  const std::string clip_hash = moeclip::clip_fingerprint<float>(clip.vision(), clip.text());
  const moeclip::CheckpointRecord record{
      {trainer.recipe(), options.seed, options.batch, options.image_size, clip_hash, source.fingerprint()},
      trainer.position(),
      trainer.adapter().config,
      clip.vision().activation,
      moeclip::kernels::to_string(moeclip::kernels::active_isa()),
      MOECLIP_VERSION_STRING};
  moeclip::write_checkpoint<float>(path, record, trainer.adapter(), {});
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

}  // namespace cli
