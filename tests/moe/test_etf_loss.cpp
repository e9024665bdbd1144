// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/moe/etf_loss.hpp>
#include <set>

#include "golden_data.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// (N, E, D) as recorded to (E, N, D), and back.
template <class T>
Tensor<T> exchange(const Tensor<T>& from) {
  const index_t a = from.extent(0), b = from.extent(1), width = from.extent(2);
  Tensor<T> to({b, a, width});
  for (index_t i = 0; i < a; ++i)
    for (index_t j = 0; j < b; ++j) std::copy_n(&from[(i * b + j) * width], width, &to[(j * a + i) * width]);
  return to;
}

}  // namespace

TEST_CASE_TEMPLATE("ETF losses and gradients equal the recorded ones", T, float, double) {
  constexpr double kFactor = 8;  // of the distance between the official code's float and double runs
  const GoldenData golden("components/etf_loss.safetensors");
  Context context({.threads = 2});
  int cases = 0;
  for (const auto& entry : golden.file().entries()) {
    if (!entry.name.ends_with("/in")) continue;
    const std::string name = entry.name.substr(0, entry.name.size() - 3);
    CAPTURE(name);
    const Tensor<T> outputs = exchange(golden.file().read<T>(entry.name));
    Tensor<T> d(outputs.shape());
    const double loss = etf_loss<T>(context, outputs.template view<3>(), 1, d.template view<3>());
    CHECK(golden.distance(name + "/loss", &loss, 1) <= kFactor);
    d = exchange(d);
    CHECK(golden.distance(name + "/grad", d.data(), d.size()) <= kFactor);
    ++cases;
  }
  CHECK(cases >= 15);
}

TEST_CASE("the gradient of the ETF loss, lengths of outputs far apart") {
  Context context({.threads = 1});
  for (const index_t experts : {2, 3, 5}) {
    Tensor<double> outputs = random_tensor<double>({experts, 4, 7}, "outputs"), d(outputs.shape());
    for (index_t i = 0; i < 7; ++i) outputs[i] *= 1e3;           // a long one
    for (index_t i = 0; i < 7; ++i) outputs[4 * 7 + i] *= 1e-2;  // a short one
    etf_loss<double>(context, outputs.view<3>(), 0.7, d.view<3>());
    expect_gradient([&] { return 0.7 * etf_loss<double>(context, std::as_const(outputs).view<3>(), 0, {}); },
                    {{"outputs", outputs, d}});
  }
}

TEST_CASE("one expert costs nothing, and threads do not matter") {
  Context one({.threads = 1}), two({.threads = 2});
  Tensor<float> alone = random_tensor<float>({1, 3, 5}, "alone"), d_alone({1, 3, 5});
  d_alone.fill(3);
  CHECK(etf_loss<float>(one, alone.view<3>(), 1, d_alone.view<3>()) == 0);
  for (const float value : d_alone) CHECK(value == 0);

  const Tensor<float> outputs = random_tensor<float>({4, 61, 33}, "outputs");
  Tensor<float> a({4, 61, 33}), b({4, 61, 33});
  CHECK(etf_loss<float>(one, outputs.view<3>(), 1, a.view<3>()) ==
        etf_loss<float>(two, outputs.view<3>(), 1, b.view<3>()));
  CHECK(same_bits(a, b));
}
