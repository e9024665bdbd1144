// SPDX-License-Identifier: MIT
// A training step at full size, one per line of standard input: prints milliseconds, the loss and the length of the
// gradient. bench/peers/train_step.py asks, in turns with PyTorch; as for encoder.cpp the milliseconds are those of the
// processor where there is one thread. The recipe is `released`, Adam not included.
//
//   moeclip_bench_train_step CLIP ADAPTER BATCH.safetensors [THREADS [f32|bf16]]
//   BATCH holds images (B,3,S,S), masks (B,S,S) and encodings (N,Dt), the first NORMAL of which are of good parts

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/clip/checkpoint.hpp>
#include <moeclip/nn/position.hpp>
#include <moeclip/train/adapter_step.hpp>
#include <moeclip/train/recipe.hpp>

using namespace moeclip;  // NOLINT

namespace {

constexpr index_t kNormal = 6;  // sentences

double length(const AdapterGradient<float>& gradient) {
  double sum = 0;
  visit_parameters(gradient.values, "", [&](const std::string&, const Tensor<float>& tensor) {
    for (const float value : tensor) sum += static_cast<double>(value) * static_cast<double>(value);
  });
  return std::sqrt(sum);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s CLIP ADAPTER BATCH.safetensors [THREADS [f32|bf16]]\n", argv[0]);
    return 2;
  }
  Context context({.threads = argc > 4 ? std::atoi(argv[4]) : 0});
  const ClipFile file = open_clip(argv[1]);
  const auto precision = kernels::find_precision(argc > 5 ? argv[5] : "f32");
  if (!precision) return 2;
  const VisionTower<float> tower = load_vision<float>(context, file, kernels::Activation::gelu, {*precision, {}});
  const Adapter<float> adapter = read_adapter<float>(WeightFile::open(argv[2]), file.config);
  const WeightFile given = WeightFile::open(argv[3]);
  TrainingBatch<float> batch{given.read<float>("images"), given.read<float>("masks"), {}, {}, {}};
  for (index_t b = 0; b < batch.images.extent(0); ++b) {
    batch.labels.push_back(b % 2 == 0 ? 0 : 1);
    batch.classes.push_back(0);
  }
  std::vector<ClassText<float>> texts;
  texts.push_back({"part", given.read<float>("encodings"), kNormal});
  const Tensor<float> positions =
      resize_positions(tower.positional_embedding, batch.images.extent(3) / tower.config.patch_size);
  const StepOptions options = step_options(Recipe::released());
  AdapterGradient<float> gradient(adapter);
  AdapterWorkspace<float> work;
  std::printf("ready\n");
  std::fflush(stdout);
  for (char line[256]; std::fgets(line, sizeof line, stdin) != nullptr;) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t start_of_processor = std::clock();
    zero_parameters(gradient.values);
    const LossReport& loss =
        adapter_forward_backward<float>(context, {tower, positions, adapter}, {batch, texts, options}, work, &gradient);
    const double wall = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    const double processor = 1e3 * static_cast<double>(std::clock() - start_of_processor) / CLOCKS_PER_SEC;
    std::printf("%.3f %.9g %.9g\n", context.threads() == 1 ? processor : wall, loss.total, length(gradient));
    std::fflush(stdout);
  }
  return 0;
}
