// SPDX-License-Identifier: MIT
// Matrix multiplication with bias at the shapes of ViT-L/14, beside OpenBLAS and oneDNN where they are found (with the
// instruction set they choose; OPENBLAS_CORETYPE and DNNL_MAX_CPU_ISA pin them). Every product is checked before it
// is timed.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <moeclip/kernels/gemm.hpp>

#include "bench.hpp"

#if defined(MOECLIP_BENCH_OPENBLAS)
#include <cblas.h>
extern "C" void openblas_set_num_threads(int);
#endif
#if defined(MOECLIP_BENCH_ONEDNN)
#include <oneapi/dnnl/dnnl.hpp>
extern "C" void omp_set_num_threads(int);
#endif

using namespace moeclip;
using namespace moeclip::kernels;

namespace {

struct Product {
  std::string name;
  GemmShape shape;
  std::vector<float> a, b, bias, c;  // (m, k), (n, k): as in a linear layer, (n), (m, n)

  Product(std::string label, GemmShape s)
      : name(std::move(label)),
        shape(s),
        a(bench::random_values(s.m * s.k, "a")),
        b(bench::random_values(s.n * s.k, "b")),
        bias(bench::random_values(s.n, "bias")),
        c(static_cast<std::size_t>(s.m * s.n)) {}

  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  }

  void check(const char* who) const {  // some elements against double, all over c
    for (index_t sample = 0; sample < 200; ++sample) {
      const index_t i = sample * 7919 % shape.m, j = sample * 104729 % shape.n;
      double sum = bias[static_cast<std::size_t>(j)], size = 1;
      for (index_t p = 0; p < shape.k; ++p) {
        const double x =
            double{a[static_cast<std::size_t>(i * shape.k + p)]} * double{b[static_cast<std::size_t>(j * shape.k + p)]};
        sum += x;
        size += std::fabs(x);
      }
      const double found = c[static_cast<std::size_t>(i * shape.n + j)];
      if (!(std::fabs(found - sum) <= 0x1p-24 * static_cast<double>(shape.k) * size)) {
        std::fprintf(stderr, "%s: c(%td,%td) of %s is %g, not %g\n", who, i, j, name.c_str(), found, sum);
        std::exit(1);
      }
    }
  }
};

void add_own(const std::shared_ptr<Product>& product) {
  bench::for_each_setting([&](Isa isa, int threads, const std::string& label) {
    bench::add(product->name + "/moeclip/" + label, [=](benchmark::State& state) {
      select(isa);
      Context context({.threads = threads});
      Product& p = *product;
      const auto packed = pack(context, p.shape.k, p.shape.n, transposed(row_major(p.b.data(), p.shape.k)));
      const auto run = [&] {
        gemm(context, p.shape.m, row_major(p.a.data(), p.shape.k), packed, p.c.data(), p.shape.n,
             {.bias = p.bias.data()});
      };
      run();
      p.check("moeclip");
      bench::time_flops(state, p.flops(), run);
    });
  });
}

#if defined(MOECLIP_BENCH_OPENBLAS)
void add_openblas(const std::shared_ptr<Product>& product, int threads) {
  bench::add(product->name + "/openblas/threads:" + std::to_string(threads), [=](benchmark::State& state) {
    openblas_set_num_threads(threads);
    Product& p = *product;
    const auto m = static_cast<int>(p.shape.m), n = static_cast<int>(p.shape.n), k = static_cast<int>(p.shape.k);
    const auto run = [&] {
      for (index_t i = 0; i < p.shape.m; ++i) std::copy(p.bias.begin(), p.bias.end(), p.c.begin() + i * p.shape.n);
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0f, p.a.data(), k, p.b.data(), k, 1.0f,
                  p.c.data(), n);
    };
    run();
    p.check("OpenBLAS");
    bench::time_flops(state, p.flops(), run);
  });
}
#endif

#if defined(MOECLIP_BENCH_ONEDNN)
void add_onednn(const std::shared_ptr<Product>& product, int threads) {
  bench::add(product->name + "/onednn/threads:" + std::to_string(threads), [=](benchmark::State& state) {
    using namespace dnnl;
    omp_set_num_threads(threads);
    Product& p = *product;
    const engine cpu(engine::kind::cpu, 0);
    stream queue(cpu);
    const auto dims = [](index_t x, index_t y) { return memory::dims{x, y}; };
    const auto f32 = memory::data_type::f32;
    const memory::desc a(dims(p.shape.m, p.shape.k), f32, memory::format_tag::ab);
    const memory::desc b(dims(p.shape.k, p.shape.n), f32, memory::format_tag::ba);
    const memory::desc any(dims(p.shape.k, p.shape.n), f32, memory::format_tag::any);
    const memory::desc bias(dims(1, p.shape.n), f32, memory::format_tag::ab);
    const memory::desc c(dims(p.shape.m, p.shape.n), f32, memory::format_tag::ab);
    const matmul::primitive_desc plan(matmul::desc(a, any, bias, c), cpu);
    memory b_plain(b, cpu, p.b.data()), b_packed(plan.weights_desc(), cpu);  // packed once, as ours
    reorder(b_plain, b_packed).execute(queue, b_plain, b_packed);
    const matmul product_of(plan);
    const std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, memory(a, cpu, p.a.data())},
                                                    {DNNL_ARG_WEIGHTS, b_packed},
                                                    {DNNL_ARG_BIAS, memory(bias, cpu, p.bias.data())},
                                                    {DNNL_ARG_DST, memory(c, cpu, p.c.data())}};
    const auto run = [&] {
      product_of.execute(queue, arguments);
      queue.wait();
    };
    run();
    p.check("oneDNN");
    bench::time_flops(state, p.flops(), run);
  });
}
#endif

void add_product(GemmShape shape) {
  const auto product = std::make_shared<Product>(concat(shape.m, "x", shape.n, "x", shape.k), shape);
  bench::add_ceiling(product->name);
  add_own(product);
  for (const int threads : {1, 2}) {
    static_cast<void>(threads);
#if defined(MOECLIP_BENCH_OPENBLAS)
    add_openblas(product, threads);
#endif
#if defined(MOECLIP_BENCH_ONEDNN)
    add_onednn(product, threads);
#endif
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const index_t m : {197, 257, 577, 1370}) {  // tokens of ViT-B/16 at 224 px, of ViT-L/14 at 224, 336, 518 px
    for (const index_t n : {768, 3072}) add_product({m, n, 768});
    for (const index_t n : {1024, 3072, 4096}) add_product({m, n, 1024});
    add_product({m, 1024, 4096});
  }
  for (const index_t m : {1, 4, 16, 77}) add_product({m, 1024, 1024});  // few rows: a text, a pooled token
  add_product({1232, 3072, 768});                                       // sixteen texts
  for (const index_t r : {4, 8, 16}) {                                  // the router and LoRA, down and up
    add_product({1370, r, 1024});
    add_product({1370, 1024, r});
  }
  add_product({64, 64, 64});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
