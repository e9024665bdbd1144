// SPDX-License-Identifier: MIT
// Products with frozen matrices in float, bfloat16 and 8-bit integers, and attention in float and bfloat16, at the
// shapes of ViT-L/14, and what the instructions behind them do in registers. Every result is checked against double
// before it is timed.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <moeclip/base/half.hpp>
#include <moeclip/kernels/attention.hpp>
#include <moeclip/kernels/packed_weight.hpp>

#include "bench.hpp"

using namespace moeclip;
using namespace moeclip::kernels;

namespace {

struct FrozenProduct {
  GemmShape shape;
  std::vector<float> a, weight, c;  // (m, k), (n, k), (m, n)

  explicit FrozenProduct(GemmShape s)
      : shape(s),
        a(bench::random_values(s.m * s.k, "a")),
        weight(bench::random_values(s.n * s.k, "weight")),
        c(static_cast<std::size_t>(s.m * s.n)) {}

  [[nodiscard]] double operations() const {
    return 2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  }

  /// Some elements against double: b as it was packed; a within the rounding of its precision.
  void check(const PackedWeight<float>& b) const {
    const double step = b.precision() == Precision::int8 ? 1.0 / 255 : b.precision() == Precision::bf16 ? 0x1p-9 : 0;
    for (index_t sample = 0; sample < 50; ++sample) {
      const index_t i = sample * 7919 % shape.m, j = sample * 104729 % shape.n;
      double sum = 0, size = 0;
      for (index_t p = 0; p < shape.k; ++p) {
        const double w = static_cast<double>(b(p, j));
        sum += static_cast<double>(a[static_cast<std::size_t>(i * shape.k + p)]) * w;
        size += std::fabs(w);  // |a| <= 1
      }
      const double found = static_cast<double>(c[static_cast<std::size_t>(i * shape.n + j)]);
      if (std::fabs(found - sum) <= (step + 0x1p-23 * static_cast<double>(shape.k)) * size) continue;
      std::fprintf(stderr, "%s: c(%td,%td) is %g, not %g\n", to_string(b.precision()), i, j, found, sum);
      std::exit(1);
    }
  }
};

/// Dot products of words in registers, beside the products; those of float are in the row f32.
void add_dot_ceilings() {
  bench::add_ceiling("f32");
  for (const Isa isa : compiled()) {
    if (isa == Isa::scalar || !supported(isa)) continue;
    for (const Precision precision : {Precision::bf16, Precision::int8})
      for (const int threads : {1, 2}) {
        const NarrowTable& table = narrow_table_of(isa);
        const NarrowKernels& kernels = precision == Precision::int8 ? table.int8 : table.bf16;
        if (kernels.spin == nullptr) continue;
        bench::add_spin(
            std::string(to_string(precision)) + "/ceiling/" + to_string(isa) + "/threads:" + std::to_string(threads),
            threads, kernels.spin, kernels.spin_operations);
      }
  }
}

void add_products(const std::string& name, GemmShape shape) {
  const auto product = std::make_shared<FrozenProduct>(shape);
  for (const Isa isa : compiled()) {
    if (isa == Isa::scalar || !supported(isa)) continue;
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8})
      for (const int threads : {1, 2})
        bench::add(name + "/" + to_string(precision) + "/" + to_string(isa) + "/threads:" + std::to_string(threads),
                   [=](benchmark::State& state) {
                     select(isa);
                     Context context({.threads = threads});
                     FrozenProduct& p = *product;
                     const auto b = pack_weight<float>(context, p.shape.k, p.shape.n,
                                                       transposed(row_major(p.weight.data(), p.shape.k)), precision);
                     const auto run = [&] {
                       gemm<float>(context, p.shape.m, row_major(p.a.data(), p.shape.k), b, p.c.data(), p.shape.n);
                     };
                     run();
                     p.check(b);
                     bench::time_flops(state, p.operations(), run);
                   });
  }
}

void add_attention(const std::string& name, index_t tokens) {
  const index_t heads = 16, width = 64, row = heads * width;
  const auto qkv = std::make_shared<std::vector<float>>(bench::random_values(3 * tokens * row, "qkv"));
  for (const Isa isa : compiled()) {
    if (!supported(isa) || narrow_table_of(isa).attention == nullptr) continue;
    for (const Precision precision : {Precision::f32, Precision::bf16})
      bench::add(name + "/" + to_string(precision) + "/" + to_string(isa) + "/threads:1", [=](benchmark::State& state) {
        select(isa);
        Context context({.threads = 1});
        std::vector<float> out(static_cast<std::size_t>(tokens * row)), expected = out;
        Attention<float> args{};
        args.query = qkv->data();
        args.key = qkv->data() + row;
        args.value = qkv->data() + 2 * row;
        args.stride = 3 * row;
        args.out = expected.data();
        args.out_stride = row;
        args.batch = 1;
        args.tokens = tokens;
        args.heads = heads;
        args.head_width = width;
        args.scale = 0.125f;
        attention<float>(context, args);
        args.out = out.data();
        args.precision = precision;
        attention<float>(context, args);
        for (std::size_t i = 0; i < out.size(); ++i)
          if (!(std::fabs(out[i] - expected[i]) <= 0.066f)) std::exit(1);  // tests/kernels/test_narrow.cpp derives it
        const double operations = 4.0 * static_cast<double>(tokens) * static_cast<double>(tokens * row);
        bench::time_flops(state, operations, [&] { attention<float>(context, args); });
      });
  }
}

}  // namespace

int main(int argc, char** argv) {
  add_dot_ceilings();
  add_products("fc1_518px", {1370, 4096, 1024});
  add_products("fc2_518px", {1370, 1024, 4096});
  add_products("qkv_518px", {1370, 3072, 1024});
  add_products("proj_518px", {1370, 1024, 1024});
  add_products("fc1_224px", {257, 4096, 1024});
  add_products("fc2_224px", {257, 1024, 4096});
  add_attention("attention_518px", 1370);
  add_attention("attention_224px", 257);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
