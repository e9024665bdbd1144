// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/train/adam.hpp>
#include <moeclip/train/schedule.hpp>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;

namespace {

template <class T>
struct Pair {
  Tensor<T> value, gradient;

  TrainedParameter<T> named(const std::string& name, bool has_gradient = true) {
    return {name, &value, &gradient, has_gradient};
  }
};

/// Six steps of torch.optim.Adam(lr=0.01, betas=(0.5, 0.999), eps=1e-8) with MultiStepLR([3, 5], 0.5) on two tensors;
/// the second has no gradient (None) at steps 0, 2 and 3, and a first one of 1e7, as the experts of METHOD section 5.
template <class T>
void run_six_steps(Adam<T>& adam, Pair<T>& a, Pair<T>& b) {
  const auto set = [](Tensor<T>& tensor, std::initializer_list<double> values) {
    tensor = Tensor<T>({std::ssize(values)});
    index_t i = 0;
    for (const double value : values) tensor[i++] = static_cast<T>(value);
  };
  set(a.value, {0.5, -1.25, 3.0});
  set(b.value, {1.0, -2.0});
  const MultiStepSchedule schedule{0.01, {3, 5}, 0.5};
  Context context({.threads = 1});
  for (int t = 0; t < 6; ++t) {
    set(a.gradient, {0.1 * (t + 1), -0.5 + 0.3 * t, 1e-9});
    set(b.gradient, {2.0 * t, t == 1 ? -1e7 : 0.25});
    const TrainedParameter<T> parameters[] = {a.named("a"), b.named("b", t == 1 || t > 3)};
    adam.step(context, parameters, schedule.at(t));
  }
}

template <class T>
void check_near(const Tensor<T>& found, std::initializer_list<double> wanted, double ulps) {
  index_t i = 0;
  for (const double value : wanted) {
    CAPTURE(i);
    CHECK(std::abs(static_cast<double>(found[i]) - value) <= ulps * eps_of<T>() * std::abs(value));
    ++i;
  }
}

TEST_CASE_TEMPLATE("steps are torch's, with parameters that have no gradient", T, float, double) {
  Adam<T> adam({.lr = 0.01});
  Pair<T> a, b;
  run_six_steps(adam, a, b);
  constexpr double kUlps = 8;  // each of six steps rounds a few times, at most to the size of the parameter
  check_near(a.value, {0.4527215645375699, -1.240849473561903, 2.9961363636363636}, kUlps);
  check_near(b.value, {0.9820889056532563, -1.9870234886307134}, kUlps);
  const AdamState<T>&first = adam.states().at("a"), &second = adam.states().at("b");
  CHECK(first.step == 6);
  CHECK(second.step == 3);
  check_near(first.m, {0.5015625, 0.7171875, 9.84375e-10}, kUlps);
  check_near(first.v, {0.0009089507696500909, 0.0019477529273312913, 5.985019985006005e-21}, 64);
  check_near(second.m, {7.25, -1249999.8125}, kUlps);
  check_near(second.v, {0.16792800400000013, 99800100000.00021},
             64);  // beta2 itself is rounded: 1 - 0.999 has few digits
}

TEST_CASE("a parameter with a rate of its own moves by so many times the step of the others") {
  Context context({.threads = 1});
  Adam<double> adam;
  Pair<double> plain{Tensor<double>({2}), random_tensor<double>({2}, "gradient")}, fast = plain;
  TrainedParameter<double> parameters[] = {plain.named("plain"), fast.named("fast")};
  parameters[1].rate = 64;
  for (int t = 0; t < 3; ++t) adam.step(context, parameters, 0.5);
  for (index_t i = 0; i < 2; ++i) CHECK(fast.value[i] == 64 * plain.value[i]);
}

TEST_CASE("a parameter that never had a gradient has no state") {
  Adam<float> adam;
  Pair<float> a{random_tensor<float>({7}, "a"), random_tensor<float>({7}, "g")};
  const Tensor<float> before = a.value;
  Context context({.threads = 1});
  const TrainedParameter<float> parameters[] = {a.named("a", false)};
  adam.step(context, parameters, 0.1);
  CHECK(adam.states().empty());
  CHECK(same_bits(a.value, before));
}

TEST_CASE("the same bits for any number of threads, and from a state that was put back") {
  const index_t size = 50'001;  // several pieces, the last one short
  const auto run = [&](int threads, bool is_resumed) {
    Pair<float> a{random_tensor<float>({size}, "value"), random_tensor<float>({size}, "gradient")};
    Context context({.threads = threads});
    Adam<float> adam;
    const TrainedParameter<float> parameters[] = {a.named("a")};
    for (int t = 0; t < 3; ++t) {
      adam.step(context, parameters, 1e-3);
      if (!is_resumed) continue;
      Adam<float> other;
      other.set_state("a", adam.states().at("a"));
      adam = std::move(other);
    }
    return a.value;
  };
  CHECK(same_bits(run(1, false), run(2, false)));
  CHECK(same_bits(run(1, false), run(1, true)));
}

TEST_CASE("moments of another shape are refused") {
  Adam<float> adam;
  adam.set_state("a", {Tensor<float>({3}), Tensor<float>({3}), 1});
  Pair<float> a{Tensor<float>({4}), Tensor<float>({4})};
  Context context({.threads = 1});
  const TrainedParameter<float> parameters[] = {a.named("a")};
  expect_error(ErrorCode::contract, {"a", "(3)", "(4)"}, [&] { adam.step(context, parameters, 0.1); });
}

TEST_CASE("the trained parameters of an adapter come in the official order") {
  AdapterConfig config;
  config.mixture_blocks = config.level_blocks = {1, 2};
  config.experts = 2;
  Adapter<float> adapter(config, 8, 4, 6), gradient(config, 8, 4, 6);
  auto parameters = trained_parameters(adapter, gradient);
  std::vector<std::string> names;
  for (const auto& parameter : parameters) names.push_back(parameter.name);
  const std::string image = "image_adapter.";
  CHECK(names == std::vector<std::string>{
                     "text_adapter.0.fc.0.weight", image + "seg_proj.0.fc.weight", image + "seg_proj.1.fc.weight",
                     image + "det_proj.ln.weight", image + "det_proj.ln.bias", image + "det_proj.adapter.0.weight",
                     image + "det_proj.adapter.2.weight", image + "moe_adapters.0.gate.weight",
                     image + "moe_adapters.0.experts.0.lora_B.weight", image + "moe_adapters.0.experts.1.lora_B.weight",
                     image + "moe_adapters.1.gate.weight", image + "moe_adapters.1.experts.0.lora_B.weight",
                     image + "moe_adapters.1.experts.1.lora_B.weight"});
  mark_experts(parameters, adapter, {{true, false}, {false, true}});
  std::string skipped;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (!parameters[i].has_gradient) skipped += concat(i, " ");
  CHECK(skipped == "9 11 ");
  CHECK(trained_parameters(adapter, gradient, true).size() == 17);
  Adapter<float> other(config, 8, 5, 6);
  expect_error(ErrorCode::contract, {"text_adapter.0.fc.0.weight", "(5,6)"},
               [&] { trained_parameters(adapter, other); });
}

}  // namespace
