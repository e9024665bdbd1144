// SPDX-License-Identifier: MIT
// The image tower at full size, one pass per line of standard input: prints milliseconds, and a checksum of the tokens
// of the first picture so that whoever asks can see that it computed something. bench/onnxruntime/compare.mjs asks, in
// turns with ONNX Runtime, which is how two programs are compared on a machine that others use too. For the same reason
// the milliseconds are those of the processor where there is one thread.
//
//   moeclip_bench_encoder CLIP IMAGE.safetensors [THREADS [BATCH [f32|bf16|int8]]]
//   IMAGE holds inputs/image (1,3,S,S)

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <moeclip/clip/checkpoint.hpp>
#include <string>

using namespace moeclip;  // NOLINT

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s CLIP IMAGE.safetensors [THREADS [BATCH [f32|bf16|int8]]]\n", argv[0]);
    return 2;
  }
  Context context({.threads = argc > 3 ? std::atoi(argv[3]) : 0});
  const ClipFile file = open_clip(argv[1]);
  const auto precision = kernels::find_precision(argc > 5 ? argv[5] : "f32");
  if (!precision) return 2;
  const VisionTower<float> tower = load_vision<float>(context, file, kernels::Activation::gelu, {*precision, {}});
  const Tensor<float> all = WeightFile::open(argv[2]).read<float>("inputs/image");
  const index_t batch = argc > 4 ? std::atoi(argv[4]) : 1, size = all.extent(3);
  Tensor<float> images({batch, 3, size, size});
  for (index_t i = 0; i < images.size(); ++i) images[i] = all[i % (3 * size * size)];
  const Tensor<float> positions = resize_positions(tower.positional_embedding, size / tower.config.patch_size);
  Tensor<float> tokens({batch, positions.extent(0), tower.config.width});
  const auto nothing = [](index_t, View<float, 2>) {};
  std::printf("ready\n");
  std::fflush(stdout);
  for (char line[256]; std::fgets(line, sizeof line, stdin) != nullptr;) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t start_of_processor = std::clock();
    vision_forward<float>(context, tower, images.view<4>(), positions, tokens.view<3>(), {nothing, nullptr});
    const double wall = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    const double processor = 1e3 * static_cast<double>(std::clock() - start_of_processor) / CLOCKS_PER_SEC;
    const double ms = context.threads() == 1 ? processor : wall;
    double sum = 0, square = 0;
    for (index_t i = 0; i < tokens.size() / batch; ++i) {
      const auto value = static_cast<double>(tokens[i]);
      sum += value, square += value * value;
    }
    std::printf("%.3f %.9g %.9g\n", ms, sum, square);
    std::fflush(stdout);
  }
  return 0;
}
