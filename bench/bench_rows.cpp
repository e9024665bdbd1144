// SPDX-License-Identifier: MIT
// What runs between the products: layer normalisation, activations, softmax, at the sizes of ViT-L/14 at 518 px. They
// are bound by memory or close to it, so the figure is bytes read and written a second.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <moeclip/kernels/elementwise.hpp>
#include <moeclip/kernels/rows.hpp>

#include "bench.hpp"

using namespace moeclip;
using namespace moeclip::kernels;

namespace {

struct Rows {
  index_t rows, width;
  std::vector<float> x, y, gamma, beta;

  Rows(index_t r, index_t w)
      : rows(r),
        width(w),
        x(bench::random_values(r * w, "x", 4.0f)),
        y(x.size()),
        gamma(bench::random_values(w, "gamma")),
        beta(bench::random_values(w, "beta")) {}
};

/// run(context, data) is timed after exact(x row in double) has been compared with its first row.
template <class Run, class Exact>
void add_rows(const std::string& name, index_t rows, index_t width, const Run& run, const Exact& exact) {
  const auto data = std::make_shared<Rows>(rows, width);
  bench::for_each_setting([&](Isa isa, int threads, const std::string& label) {
    bench::add(name + "/" + label, [=](benchmark::State& state) {
      select(isa);
      Context context({.threads = threads});
      run(context, *data);
      std::vector<double> row(data->x.begin(), data->x.begin() + width);
      exact(*data, row);
      for (index_t j = 0; j < width; ++j) {
        const auto at = static_cast<std::size_t>(j);
        if (!(std::fabs(double{data->y[at]} - row[at]) <= 1e-5)) {
          std::fprintf(stderr, "%s is wrong at column %td\n", name.c_str(), j);
          std::exit(1);
        }
      }
      for (auto _ : state) run(context, *data);
      state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * rows * width * 8);
    });
  });
}

void add_activation(Activation activation) {
  add_rows(
      to_string(activation), 1370, 4096,
      [=](Context& c, Rows& d) { activate(c, activation, d.rows * d.width, d.x.data(), d.y.data()); },
      [=](const Rows&, std::vector<double>& row) {
        for (double& value : row) value = reference::activate(activation, value);
      });
}

}  // namespace

int main(int argc, char** argv) {
  add_rows(
      "layer_norm", 1370, 1024,
      [](Context& c, Rows& d) {
        layer_norm(c, d.rows, d.width, d.x.data(), d.width, {d.gamma.data(), d.beta.data(), 1e-5f}, d.y.data(),
                   d.width);
      },
      [](const Rows& d, std::vector<double>& row) {
        const std::vector<double> gamma(d.gamma.begin(), d.gamma.end()), beta(d.beta.begin(), d.beta.end());
        reference::layer_norm_row(d.width, row.data(), gamma.data(), beta.data(), 1e-5, row.data());
      });
  add_rows(
      "softmax", 1370, 1370, [](Context& c, Rows& d) { softmax_rows(c, d.rows, d.width, d.x.data(), d.y.data()); },
      [](const Rows& d, std::vector<double>& row) { reference::softmax_row(d.width, row.data(), row.data()); });
  add_activation(Activation::gelu);
  add_activation(Activation::quick_gelu);
  add_activation(Activation::leaky_relu);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
