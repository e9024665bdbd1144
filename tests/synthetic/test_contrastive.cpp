// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <moeclip/synthetic/contrastive.hpp>
#include <vector>

#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

template <class T>
struct Outcome {
  ContrastiveLoss loss;
  Tensor<T> images, texts;  // gradients
  T logit_scale;
};

template <class T>
Outcome<T> run(const Tensor<T>& images, const Tensor<T>& texts, T logit_scale, const Tensor<std::uint8_t>& matches,
               int threads) {
  Context context({.threads = threads});
  Outcome<T> result{{}, Tensor<T>(images.shape()), Tensor<T>(texts.shape()), T(0)};
  ContrastiveInput<T> input{images.template view<2>(), texts.template view<2>(), logit_scale, {}};
  if (!matches.empty()) input.matches = matches.view<2>();
  ContrastiveGradient<T> gradient{result.images.template view<2>(), result.texts.template view<2>()};
  result.loss = contrastive_loss<T>(context, input, &gradient);
  result.logit_scale = gradient.logit_scale;
  CHECK(contrastive_loss<T>(context, input, nullptr).total() == result.loss.total());
  return result;
}

/// Own captions, and caption 2 for picture 0, 1 for 3, 3 for 1.
Tensor<std::uint8_t> some_matches() {
  Tensor<std::uint8_t> matches({4, 4});
  for (const index_t place : {0, 5, 10, 15, 2, 13, 7}) matches[place] = 1;
  return matches;
}

void check_near(const Tensor<double>& found, const std::array<double, 12>& wanted) {
  for (std::size_t i = 0; i < 12; ++i) CHECK(std::abs(found[static_cast<index_t>(i)] - wanted[i]) < 1e-13);
}

}  // namespace

TEST_CASE("values and gradients are torch's") {
  const auto images = random_tensor<double>({4, 3}, "images"), texts = random_tensor<double>({4, 3}, "texts");
  const auto own = run<double>(images, texts, 1.5, Tensor<std::uint8_t>(), 1);
  CHECK(std::abs(own.loss.image_to_text - 3.7718720800030257) < 1e-13);
  CHECK(std::abs(own.loss.text_to_image - 3.439576398939784) < 1e-13);
  CHECK(std::abs(own.loss.total() - (3.7718720800030257 + 3.439576398939784) / 2) < 1e-13);
  CHECK(std::abs(own.logit_scale - 3.1029105298853086) < 1e-13);
  check_near(own.images, {0.12129935593599861, 0.271040002326968, -0.3734108560380234, -0.5950672585481368,
                          -0.406890219012617, 0.22543342366062957, -0.24438085975504809, 2.3970233823656195,
                          0.766383978142243, 0.21707920317605778, -0.02906749568304079, -0.1266073667219168});
  check_near(own.texts, {0.3894093109228046, -0.23595249260738815, -0.7393039349391545, -1.3381863358017612,
                         1.7228067988884785, 0.24072067408861542, -0.5278086889415885, -0.3400857702725529,
                         0.15193719818545012, -0.7357708330682003, 0.04144079122703703, -0.2643724607523718});
  const auto shared = run<double>(images, texts, 1.5, some_matches(), 1);
  CHECK(std::abs(shared.loss.image_to_text - 4.1724949053740845) < 1e-13);
  CHECK(std::abs(shared.loss.text_to_image - 4.333465291034819) < 1e-13);
  CHECK(std::abs(shared.logit_scale - 3.750166388618356) < 1e-13);
  check_near(shared.images, {0.30718538483226965, 0.2897520371966582, 0.025383778464638185, -0.301561993294439,
                             -0.4378004367979542, -0.27298870412398507, -0.2210575499323444, 1.879398600224699,
                             0.2534472724523099, -0.20758445374103737, -0.09227450514687394, 0.26843498669199906});
  check_near(shared.texts, {0.32535146316221775, -0.17082768638553947, -0.5860477392802335, -0.19746871116345455,
                            -0.5143969622039051, -0.7575947088515, -0.07264457696059795, -0.34581433567079506,
                            0.3047279148806401, -0.7126650604794194, 0.39237102557545045, -0.6458981451572803});
}

TEST_CASE("gradients agree with differences") {
  for (const index_t size : {1, 4}) {
    auto images = random_tensor<double>({size, 5}, "images"), texts = random_tensor<double>({size, 5}, "texts");
    const Tensor<std::uint8_t> matches = size == 4 ? some_matches() : Tensor<std::uint8_t>();
    double logit_scale = 2;
    const auto loss = [&] { return run<double>(images, texts, logit_scale, matches, 2).loss.total(); };
    const auto claimed = run<double>(images, texts, logit_scale, matches, 2);
    expect_gradient(loss, {{"images", images, claimed.images},
                           {"texts", texts, claimed.texts},
                           {"logit scale", &logit_scale, &claimed.logit_scale, 1}});
  }
}

TEST_CASE("cosines are never scaled by more than 100") {
  const auto images = random_tensor<double>({4, 5}, "images"), texts = random_tensor<double>({4, 5}, "texts");
  const auto at_limit = run<double>(images, texts, kMaxLogitScale, {}, 1), above = run<double>(images, texts, 9, {}, 1);
  CHECK(above.loss.total() == at_limit.loss.total());
  CHECK(at_limit.logit_scale != 0);
  CHECK(above.logit_scale == 0);
  CHECK(same_bits(above.images, at_limit.images));
  // float rounds the limit up; a scale that was set to it must be free to come down again
  const auto images32 = random_tensor<float>({4, 5}, "images"), texts32 = random_tensor<float>({4, 5}, "texts");
  CHECK(run<float>(images32, texts32, static_cast<float>(kMaxLogitScale), {}, 1).logit_scale != 0);
}

TEST_CASE("vectors of any length count alike, and perfect pairs cost next to nothing") {
  auto images = random_tensor<double>({6, 8}, "images");
  Tensor<double> longer = images;
  for (index_t i = 0; i < 8; ++i) longer[i] *= 8;
  const auto a = run<double>(images, images, std::log(50.0), {}, 1),
             b = run<double>(longer, images, std::log(50.0), {}, 1);
  CHECK(a.loss.total() < 1e-6);
  CHECK(std::abs(a.loss.total() - b.loss.total()) < 1e-14);
}

TEST_CASE_TEMPLATE("the same bits on any number of threads", T, float, double) {
  const auto images = random_tensor<T>({67, 24}, "images"), texts = random_tensor<T>({67, 24}, "texts");
  const auto one = run<T>(images, texts, T(3), {}, 1), two = run<T>(images, texts, T(3), {}, 2);
  CHECK(one.loss.total() == two.loss.total());
  CHECK(one.logit_scale == two.logit_scale);
  CHECK(same_bits(one.images, two.images));
  CHECK(same_bits(one.texts, two.texts));
}

TEST_CASE("float follows double") {
  const auto single =
      run<float>(random_tensor<float>({67, 24}, "images"), random_tensor<float>({67, 24}, "texts"), 3, {}, 1);
  const auto wide =
      run<double>(random_tensor<double>({67, 24}, "images"), random_tensor<double>({67, 24}, "texts"), 3, {}, 1);
  CHECK(std::abs(single.loss.total() - wide.loss.total()) < 20 * 24 * eps_of<float>());  // logits up to e^3 = 20
  double largest = 0, error = 0;
  for (index_t i = 0; i < wide.images.size(); ++i) {
    largest = std::max(largest, std::abs(wide.images[i]));
    error = std::max(error, std::abs(static_cast<double>(single.images[i]) - wide.images[i]));
  }
  CHECK(error < 20 * 24 * eps_of<float>() * largest);
}

TEST_CASE("batches that make no sense are told") {
  const auto images = random_tensor<double>({3, 5}, "images"), texts = random_tensor<double>({2, 5}, "texts");
  expect_error(ErrorCode::contract, {"3 images", "2 texts"}, [&] { run<double>(images, texts, 1, {}, 1); });
  expect_error(ErrorCode::contract, {"matches nothing"}, [&] {
    run<double>(images, images, 1, Tensor<std::uint8_t>({3, 3}), 1);
  });
}
