// SPDX-License-Identifier: MIT
// Pictures: resizing a photo of 12 megapixels to the model's input, and PNG both ways. Each result is checked first.
#include <benchmark/benchmark.h>

#include <moeclip/image/png.hpp>
#include <moeclip/image/resize.hpp>

namespace {

using namespace moeclip;

/// Soft shapes with a little noise, about as hard to compress as a photo.
Image photo(index_t width, index_t height) {
  Image image(width, height, 3);
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x)
      for (index_t c = 0; c < 3; ++c) {
        const auto wave = static_cast<index_t>((x * (c + 2) / 37 + y / 23) % 180);
        const auto noise = (x * 7919 + y * 104729 + x * y * 31) % 5;
        image.row(y)[3 * x + c] = static_cast<std::uint8_t>(std::min(wave, 180 - wave) * 2 + noise);
      }
  return image;
}

void resize(benchmark::State& state) {
  const Image in = photo(4000, 3000);
  Context one({.threads = 1}), context({.threads = static_cast<int>(state.range(0))});
  Image expected(518, 518, 3), out(518, 518, 3);
  resize_bicubic(one, in.view(), 518, 518, expected.data());
  resize_bicubic(context, in.view(), 518, 518, out.data());
  if (!std::equal(out.data(), out.data() + out.size(), expected.data())) state.SkipWithError("results differ");
  for (auto _ : state) resize_bicubic(context, in.view(), 518, 518, out.data());
  state.counters["MPix/s"] = benchmark::Counter(12.0, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(resize)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void png_decode(benchmark::State& state) {
  const Image image = photo(2000, 1500);
  const auto file = encode_png(image.view());
  const Image back = decode_png(file, "bench");
  if (!std::equal(back.data(), back.data() + back.size(), image.data())) state.SkipWithError("results differ");
  for (auto _ : state) benchmark::DoNotOptimize(decode_png(file, "bench"));
  state.SetBytesProcessed(state.iterations() * image.size());
}
BENCHMARK(png_decode)->Unit(benchmark::kMillisecond);

void png_encode(benchmark::State& state) {
  const Image image = photo(2000, 1500);
  const auto file = encode_png(image.view());
  for (auto _ : state) benchmark::DoNotOptimize(encode_png(image.view()));
  state.SetBytesProcessed(state.iterations() * image.size());
  state.counters["ratio"] = static_cast<double>(file.size()) / static_cast<double>(image.size());
}
BENCHMARK(png_encode)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
