// SPDX-License-Identifier: MIT
// Attention at the shapes of the two towers. Beside it what one would write with a library: per head, oneDNN's product,
// softmax, product, with the scores in memory. The result is checked before it is timed.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <moeclip/kernels/attention.hpp>

#include "bench.hpp"

#if defined(MOECLIP_BENCH_ONEDNN)
#include <oneapi/dnnl/dnnl.hpp>
extern "C" void omp_set_num_threads(int);
#endif

using namespace moeclip;
using namespace moeclip::kernels;

namespace {

struct Workload {
  std::string name;
  Attention<float> args;
  std::vector<float> qkv, out;

  Workload(std::string label, index_t batch, index_t tokens, index_t heads, bool causal) : name(std::move(label)) {
    const index_t head_width = 64, width = heads * head_width;
    qkv = bench::random_values(batch * tokens * 3 * width, "qkv", 3.0f);
    out.resize(static_cast<std::size_t>(batch * tokens * width));
    args = {qkv.data(),
            qkv.data() + width,
            qkv.data() + 2 * width,
            3 * width,
            out.data(),
            width,
            batch,
            tokens,
            heads,
            head_width,
            0.125f,
            causal};
  }

  /// Counting all pairs, or those that a causal mask leaves.
  [[nodiscard]] double flops() const {
    const auto tokens = static_cast<double>(args.tokens);
    const double pairs = args.causal ? tokens * (tokens + 1) / 2 : tokens * tokens;
    return 4.0 * pairs * static_cast<double>(args.batch * args.heads * args.head_width);
  }

  void check(const char* who) const {  // some queries against the reference in double
    const std::vector<double> wide(qkv.begin(), qkv.end());
    std::vector<double> expected(out.size()), weights(static_cast<std::size_t>(args.tokens));
    const index_t width = args.out_stride;
    const Attention<double> exact{
        wide.data(), wide.data() + width, wide.data() + 2 * width, 3 * width, expected.data(), width, args.batch,
        args.tokens, args.heads,          args.head_width,         0.125,     args.causal};
    for (index_t sample = 0; sample < 20; ++sample) {
      const index_t head = sample % args.heads, query = sample * 7919 % args.tokens;
      reference::attend(exact, 0, head, query, weights.data());
      for (index_t d = 0; d < args.head_width; ++d) {
        const auto at = static_cast<std::size_t>(query * width + head * args.head_width + d);
        if (!(std::fabs(double{out[at]} - expected[at]) <= 1e-4)) {
          std::fprintf(stderr, "%s: %s is wrong at head %td, query %td\n", who, name.c_str(), head, query);
          std::exit(1);
        }
      }
    }
  }
};

void add_own(const std::shared_ptr<Workload>& workload) {
  bench::for_each_setting([&](Isa isa, int threads, const std::string& label) {
    bench::add(workload->name + "/moeclip/" + label, [=](benchmark::State& state) {
      select(isa);
      Context context({.threads = threads});
      const auto run = [&] { attention(context, workload->args); };
      run();
      workload->check("moeclip");
      bench::time_flops(state, workload->flops(), run);
    });
  });
}

#if defined(MOECLIP_BENCH_ONEDNN)
class OneDnnHeads {
 public:
  explicit OneDnnHeads(const Attention<float>& args)
      : args_(args),
        scores_(static_cast<std::size_t>(args.tokens * args.tokens)),
        cpu_(dnnl::engine::kind::cpu, 0),
        queue_(cpu_) {
    using namespace dnnl;
    const auto f32 = memory::data_type::f32;
    const index_t t = args.tokens, d = args.head_width;
    q_ = {{t, d}, f32, memory::dims{args.stride, 1}};
    k_ = {{d, t}, f32, memory::dims{1, args.stride}};
    o_ = {{t, d}, f32, memory::dims{args.out_stride, 1}};
    s_ = {{t, t}, f32, memory::format_tag::ab};
    primitive_attr scaled;
    scaled.set_output_scales(0, {args.scale});
    first_ = matmul({{q_, k_, s_}, scaled, cpu_});
    softmax_ = softmax_forward({{prop_kind::forward_inference, s_, 1}, cpu_});
    second_ = matmul({{s_, q_, o_}, cpu_});
  }

  void run() {
    using namespace dnnl;
    const auto at = [&](const memory::desc& desc, const float* data) {
      return memory(desc, cpu_, const_cast<float*>(data));
    };
    memory scores(s_, cpu_, scores_.data());
    for (index_t head = 0; head < args_.heads; ++head) {
      const index_t column = head * args_.head_width;
      first_.execute(queue_, {{DNNL_ARG_SRC, at(q_, args_.query + column)},
                              {DNNL_ARG_WEIGHTS, at(k_, args_.key + column)},
                              {DNNL_ARG_DST, scores}});
      softmax_.execute(queue_, {{DNNL_ARG_SRC, scores}, {DNNL_ARG_DST, scores}});
      second_.execute(queue_, {{DNNL_ARG_SRC, scores},
                               {DNNL_ARG_WEIGHTS, at(q_, args_.value + column)},
                               {DNNL_ARG_DST, at(o_, args_.out + column)}});
    }
    queue_.wait();
  }

 private:
  Attention<float> args_;
  std::vector<float> scores_;
  dnnl::engine cpu_;
  dnnl::stream queue_;
  dnnl::memory::desc q_, k_, o_, s_;
  dnnl::matmul first_, second_;
  dnnl::softmax_forward softmax_;
};

void add_onednn(const std::shared_ptr<Workload>& workload, int threads) {
  bench::add(workload->name + "/onednn/threads:" + std::to_string(threads), [=](benchmark::State& state) {
    omp_set_num_threads(threads);
    OneDnnHeads heads(workload->args);
    heads.run();
    workload->check("oneDNN");
    bench::time_flops(state, workload->flops(), [&] { heads.run(); });
  });
}
#endif

void add_workload(const std::string& name, index_t batch, index_t tokens, index_t heads, bool causal) {
  const auto workload = std::make_shared<Workload>(name, batch, tokens, heads, causal);
  bench::add_ceiling(name);
  add_own(workload);
#if defined(MOECLIP_BENCH_ONEDNN)
  if (batch == 1 && !causal)
    for (const int threads : {1, 2}) add_onednn(workload, threads);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  add_workload("1370_tokens", 1, 1370, 16, false);
  add_workload("577_tokens", 1, 577, 16, false);
  add_workload("257_tokens", 1, 257, 16, false);
  add_workload("197_tokens", 1, 197, 12, false);
  add_workload("77_tokens", 1, 77, 12, false);
  add_workload("16_texts", 16, 77, 12, true);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
