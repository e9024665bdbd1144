// SPDX-License-Identifier: MIT
// The image tower at full size, one pass per line of standard input: prints milliseconds, and a checksum of the tokens
// so that whoever asks can see that it computed something. bench/onnxruntime/compare.mjs asks, in turns with ONNX
// Runtime, which is how two programs are compared on a machine that others use too.
//
//   moeclip_bench_encoder CLIP IMAGE.safetensors [THREADS [f32|bf16|int8]]
//   IMAGE holds inputs/image (1,3,S,S)

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <moeclip/clip/checkpoint.hpp>
#include <string>

using namespace moeclip;  // NOLINT

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s CLIP IMAGE.safetensors [THREADS [f32|bf16|int8]]\n", argv[0]);
    return 2;
  }
  Context context({.threads = argc > 3 ? std::atoi(argv[3]) : 0});
  const ClipFile file = open_clip(argv[1]);
  const auto precision = kernels::find_precision(argc > 4 ? argv[4] : "f32");
  if (!precision) return 2;
  const VisionTower<float> tower = load_vision<float>(context, file, kernels::Activation::gelu, {*precision, {}});
  const Tensor<float> all = WeightFile::open(argv[2]).read<float>("inputs/image");
  const View<const float, 4> image = all.view<4>().rows(0, 1);
  const Tensor<float> positions =
      resize_positions(tower.positional_embedding, image.extent(3) / tower.config.patch_size);
  Tensor<float> tokens({1, positions.extent(0), tower.config.width});
  const auto nothing = [](index_t, View<float, 2>) {};
  std::printf("ready\n");
  std::fflush(stdout);
  for (char line[256]; std::fgets(line, sizeof line, stdin) != nullptr;) {
    const auto start = std::chrono::steady_clock::now();
    vision_forward<float>(context, tower, image, positions, tokens.view<3>(), {nothing, nullptr});
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    double sum = 0, square = 0;
    for (const float value : tokens)
      sum += static_cast<double>(value), square += static_cast<double>(value) * static_cast<double>(value);
    std::printf("%.3f %.9g %.9g\n", ms, sum, square);
    std::fflush(stdout);
  }
  return 0;
}
