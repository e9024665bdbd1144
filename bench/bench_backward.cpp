// SPDX-License-Identifier: MIT
// The backward pass of one ViT-L/14 block at 518 px, batch 2, and its parts: attention (beside its forward pass), the
// products with repacked weights (beside those with packed ones), and what lies between. Weights are frozen: gradients
// of activations only. Every result is checked before it is timed; FLOP/s count multiply-adds of the products alone.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <moeclip/nn/block.hpp>
#include <moeclip/tensor/visit.hpp>

#include "bench.hpp"

using namespace moeclip;
using namespace moeclip::kernels;

namespace {

constexpr index_t kBatch = 2, kTokens = 1370, kRows = kBatch * kTokens, kWidth = 1024, kHidden = 4096, kHeads = 16;
constexpr double kPairs = static_cast<double>(kBatch * kTokens * kTokens * kWidth);  // key and query and channel

void expect(bool is_right, const char* what) {
  if (is_right) return;
  std::fprintf(stderr, "%s is wrong\n", what);
  std::exit(1);
}

struct AttentionWork {
  std::vector<float> qkv = bench::random_values(kRows * 3 * kWidth, "qkv", 3.0f);
  std::vector<float> d_out = bench::random_values(kRows * kWidth, "d_out");
  std::vector<float> out = std::vector<float>(d_out.size()), d_qkv = std::vector<float>(qkv.size());
  Attention<float> args{qkv.data(),
                        qkv.data() + kWidth,
                        qkv.data() + 2 * kWidth,
                        3 * kWidth,
                        out.data(),
                        kWidth,
                        kBatch,
                        kTokens,
                        kHeads,
                        64,
                        0.125f,
                        false};
  AttentionGradient<float> gradient{
      d_out.data(), kWidth, d_qkv.data(), d_qkv.data() + kWidth, d_qkv.data() + 2 * kWidth, 3 * kWidth};

  void check() const {  // the last head of the last image against the reference in double
    const index_t head = kHeads - 1, first = (kBatch - 1) * kTokens;
    std::vector<double> wide(3 * 64 * kTokens), o(64 * kTokens), d_o(o.size()), d_wide(wide.size()),
        scratch(2 * kTokens);
    for (index_t t = 0; t < kTokens; ++t)
      for (index_t d = 0; d < 64; ++d) {
        const auto at = [&](index_t i) { return static_cast<std::size_t>(i); };
        for (index_t part = 0; part < 3; ++part)
          wide[at((3 * t + part) * 64 + d)] = qkv[at((first + t) * 3 * kWidth + part * kWidth + head * 64 + d)];
        d_o[at(t * 64 + d)] = d_out[at((first + t) * kWidth + head * 64 + d)];
      }
    const Attention<double> one{
        wide.data(), wide.data() + 64, wide.data() + 128, 192, o.data(), 64, 1, kTokens, 1, 64, 0.125, false};
    reference::attend_backward(one, {d_o.data(), 64, d_wide.data(), d_wide.data() + 64, d_wide.data() + 128, 192}, 0, 0,
                               scratch.data());
    double worst = 0, largest = 0;
    for (index_t i = 0; i < 192 * kTokens; ++i) {
      const index_t t = i / 192, part = i % 192 / 64, d = i % 64;
      const double found = d_qkv[static_cast<std::size_t>((first + t) * 3 * kWidth + part * kWidth + head * 64 + d)];
      const double expected = d_wide[static_cast<std::size_t>(i)];
      worst = std::max(worst, std::fabs(found - expected)), largest = std::max(largest, std::fabs(expected));
    }
    expect(worst <= 1e-5 * largest, "attention backward");
  }
};

struct BlockWork {
  Block<float> block{kWidth, kHeads, kHidden};
  Tensor<float> x{Shape{kRows, kWidth}}, d_y{Shape{kRows, kWidth}}, d_x{Shape{kRows, kWidth}};
  BlockSaved<float> saved;

  BlockWork() {
    visit_parameters(block, "", [](const std::string& name, Tensor<float>& tensor) {
      const Rng rng(1, name);
      const bool is_gamma = name == "ln_1.weight" || name == "ln_2.weight";
      for (index_t i = 0; i < tensor.size(); ++i) tensor[i] = rng.uniform(i, 0.03f, is_gamma ? 1.0f : 0.0f);
    });
    Context context({.threads = 2});
    pack(context, block);
    const Rng rng(1, "x"), other(1, "d_y");
    for (index_t i = 0; i < x.size(); ++i) x[i] = rng.uniform(i), d_y[i] = other.uniform(i);
  }

  void forward(Context& context, bool has_saved) {
    d_x = x;
    block_forward<float>(context, block, Activation::gelu, {kBatch, kTokens, false}, d_x.view<2>(),
                         has_saved ? &saved : nullptr);
  }
  void backward(Context& context) {
    std::copy_n(d_y.data(), d_y.size(), d_x.data());
    block_backward<float>(context, block, Activation::gelu, {kBatch, kTokens, false}, saved, d_x.view<2>(), nullptr);
  }

  /// The loss <y, d_y> changes along d_x by |d_x|^2 h.
  void check(Context& context) {
    const Tensor<float> gradient = d_x;
    double square = 0, change = 0;
    for (const float value : gradient) square += double{value} * double{value};
    constexpr float h = 1e-3f;
    for (const float step : {h, -h}) {
      Tensor<float> moved = x;
      for (index_t i = 0; i < x.size(); ++i) moved[i] += step * gradient[i];
      block_forward<float>(context, block, Activation::gelu, {kBatch, kTokens, false}, moved.view<2>());
      for (index_t i = 0; i < x.size(); ++i) change += (step > 0 ? 1 : -1) * double{moved[i]} * double{d_y[i]};
    }
    expect(std::fabs(change / (2.0 * double{h}) - square) <= 2e-3 * square, "block backward");
  }
};

void add_attention(const std::shared_ptr<AttentionWork>& work) {
  bench::for_each_setting([&](Isa isa, int threads, const std::string& label) {
    for (const bool is_backward : {false, true})
      bench::add(concat(is_backward ? "attention_backward/" : "attention_forward/", label),
                 [=](benchmark::State& state) {
                   select(isa);
                   Context context({.threads = threads});
                   attention(context, work->args);
                   attention_backward(context, work->args, work->gradient);
                   work->check();
                   bench::time_flops(state, (is_backward ? 10.0 : 4.0) * kPairs, [&] {
                     if (is_backward)
                       attention_backward(context, work->args, work->gradient);
                     else
                       attention(context, work->args);
                   });
                 });
  });
}

void add_block(const std::shared_ptr<BlockWork>& work) {
  bench::for_each_setting([&](Isa isa, int threads, const std::string& label) {
    constexpr double kProducts = 24.0 * static_cast<double>(kRows * kWidth * kWidth);
    if (isa != active_isa()) return;  // the weights are packed for that one
    const auto add = [&](const char* name, double flops, auto run) {
      bench::add(concat(name, label), [=](benchmark::State& state) {
        Context context({.threads = threads});
        work->forward(context, true);
        work->backward(context);
        work->check(context);
        bench::time_flops(state, flops, [&] { run(context); });
      });
    };
    add("block_forward/", kProducts + 4 * kPairs, [work](Context& context) { work->forward(context, false); });
    add("block_forward_saved/", kProducts + 4 * kPairs, [work](Context& context) { work->forward(context, true); });
    add("block_backward/", kProducts + 10 * kPairs, [work](Context& context) { work->backward(context); });
  });
}

/// y (rows, outputs) -> x (rows, inputs): d_y W with W^T packed, beside the product of the same shape with W packed.
void add_product(index_t inputs, index_t outputs) {
  bench::for_each_setting([&](Isa isa, int threads, const std::string& label) {
    for (const bool is_repacked : {false, true})
      bench::add(concat(is_repacked ? "d_x_repacked/" : "d_x_packed/", outputs, "_to_", inputs, "/", label),
                 [=](benchmark::State& state) {
                   select(isa);
                   Context context({.threads = threads});
                   const auto d_y = bench::random_values(kRows * outputs, "d_y");
                   const auto weight = bench::random_values(outputs * inputs, "weight");
                   const auto w = row_major(weight.data(), inputs);
                   const auto packed = pack(context, inputs, outputs, transposed(w));
                   const auto other = pack(context, outputs, inputs, w);
                   std::vector<float> d_x(static_cast<std::size_t>(kRows * inputs)), same(d_x.size());
                   const auto run = [&] {
                     if (is_repacked)
                       gemm(context, kRows, row_major(d_y.data(), outputs), transposed(packed), d_x.data(), inputs);
                     else
                       gemm(context, kRows, row_major(d_y.data(), outputs), other, d_x.data(), inputs);
                   };
                   run();
                   gemm(context, {kRows, inputs, outputs}, row_major(d_y.data(), outputs), w, same.data(), inputs);
                   expect(d_x == same, "d_y W");
                   const double flops = 2.0 * static_cast<double>(kRows * inputs) * static_cast<double>(outputs);
                   bench::time_flops(state, flops, run);
                 });
  });
}

void add_between() {
  bench::for_each_setting([&](Isa isa, int threads, const std::string& label) {
    bench::add("gelu_backward/" + label, [=](benchmark::State& state) {
      select(isa);
      Context context({.threads = threads});
      const auto x = bench::random_values(kRows * kHidden, "x", 3.0f);
      const std::vector<float> d_y(x.size(), 1.0f);
      std::vector<float> d(x.size());
      activate_backward(context, Activation::gelu, kRows * kHidden, x.data(), d_y.data(), d.data());
      for (std::size_t i = 0; i < x.size(); i += 997)
        expect(std::fabs(double{d[i]} - reference::slope(Activation::gelu, double{x[i]})) <= 1e-6, "gelu backward");
      for (auto _ : state)
        activate_backward(context, Activation::gelu, kRows * kHidden, x.data(), d_y.data(), d.data());
    });
    bench::add("layer_norm_backward/" + label, [=](benchmark::State& state) {
      select(isa);
      Context context({.threads = threads});
      const auto x = bench::random_values(kRows * kWidth, "x"), d_y = bench::random_values(kRows * kWidth, "d_y");
      const std::vector<float> gamma(kWidth, 1.5f);
      std::vector<float> d_x(x.size());
      const auto run = [&] {
        layer_norm_backward<float>(context, {kRows, kWidth, kWidth}, x.data(), {gamma.data(), nullptr, 1e-5f},
                                   {.d_y = d_y.data(), .d_y_stride = kWidth, .d_x = d_x.data(), .d_x_stride = kWidth});
      };
      run();
      double sum = 0;  // the gradient of a normalised row has mean zero
      for (std::size_t i = 0; i < kWidth; ++i) sum += double{d_x[i]};
      expect(std::fabs(sum) <= 1e-3, "layer norm backward");
      for (auto _ : state) run();
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::add_ceiling("backward");
  add_attention(std::make_shared<AttentionWork>());
  add_block(std::make_shared<BlockWork>());
  for (const auto& [inputs, outputs] :
       {std::pair<index_t, index_t>{1024, 3072}, {1024, 1024}, {1024, 4096}, {4096, 1024}})
    add_product(inputs, outputs);
  add_between();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
