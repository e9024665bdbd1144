// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/anomaly/adapter.hpp>
#include <moeclip/tensor/visit.hpp>
#include <string>
#include <vector>

using namespace moeclip;  // NOLINT

namespace {

std::vector<std::string> parameter_names(const AdapterConfig& config) {
  const Adapter<float> adapter(config, 8, 6, 4);
  std::vector<std::string> names;
  visit_parameters(adapter, "", [&](const std::string& name, const Tensor<float>&) { names.push_back(name); });
  return names;
}

}  // namespace

TEST_CASE("maps and projections are counted, the detection map is the third from the end") {
  AdapterConfig config;
  config.level_blocks = {6, 12, 18, 24};
  CHECK(config.maps() == 12);
  CHECK(config.projections() == 4);
  CHECK(config.detection_map() == 9);  // last level, window 1
  config.use_separate_projections = true;
  CHECK(config.projections() == 12);
  config.use_separate_projections = false;
  config.windows = {1};
  CHECK(config.maps() == 4);
  CHECK(config.detection_map() == 1);  // as released: the second level
  config.level_blocks = {12};
  CHECK(config.detection_map() == 0);
}

TEST_CASE("parameters have the names of the official checkpoints") {
  AdapterConfig config;
  config.level_blocks = config.mixture_blocks = {1, 2};
  config.experts = 1;
  CHECK(parameter_names(config) ==
        std::vector<std::string>{
            "text_adapter.0.fc.0.weight", "image_adapter.seg_proj.0.fc.weight", "image_adapter.seg_proj.1.fc.weight",
            "image_adapter.det_proj.ln.weight", "image_adapter.det_proj.ln.bias",
            "image_adapter.det_proj.adapter.0.weight", "image_adapter.det_proj.adapter.2.weight",
            "image_adapter.moe_adapters.0.gate.weight", "image_adapter.moe_adapters.0.experts.0.lora_A.weight",
            "image_adapter.moe_adapters.0.experts.0.lora_B.weight", "image_adapter.moe_adapters.1.gate.weight",
            "image_adapter.moe_adapters.1.experts.0.lora_A.weight",
            "image_adapter.moe_adapters.1.experts.0.lora_B.weight"});
  config.use_relu = config.use_separate_projections = true;
  CHECK(parameter_names(config)[6] == "image_adapter.seg_proj.5.fc.0.weight");
}

TEST_CASE("the switches reach the mixtures") {
  AdapterConfig config;
  config.level_blocks = config.mixture_blocks = {1};
  config.chosen = 3;
  config.scale = 1.5;
  const Adapter<double> adapter(config, 8, 6, 4);
  REQUIRE(adapter.mixtures.size() == 1);
  CHECK(adapter.mixtures[0].chosen == 3);
  CHECK(adapter.mixtures[0].scale == 1.5);
  CHECK(adapter.mixtures[0].expert_count() == 4);
  CHECK(adapter.mixtures[0].experts[0].lora_b.shape() == Shape{8, 8});
}
