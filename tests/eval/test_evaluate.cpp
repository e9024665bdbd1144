// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/anomaly/seeded.hpp>
#include <moeclip/eval/evaluate.hpp>
#include <moeclip/image/write_image.hpp>
#include <moeclip/synthetic/source.hpp>
#include <string>

#include "eval_test.hpp"
#include "exif_picture.hpp"
#include "expect_error.hpp"
#include "golden.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// A sample whose mask is picture i of `p`, doubled in size; good if that is empty.
Sample sample_of(const Pictures& p, index_t i, const std::string& name) {
  Sample sample;
  sample.class_name = name;
  sample.mask = resize_nearest(p.mask(i), 2 * p.w, 2 * p.h);
  sample.label =
      std::any_of(sample.mask.data(), sample.mask.data() + sample.mask.size(), [](auto v) { return v != 0; });
  return sample;
}

EvaluationOptions protocol(bool is_released) {
  EvaluationOptions options;
  options.is_released = is_released;
  return options;
}

/// Random weights, and the vocabulary of 600 words.
Detector micro_detector() {
  const ClipConfig config{{56, 14, 64, 2, 1, 128}, {77, 600, 64, 1, 1, 128}, 32, kernels::Activation::gelu};
  VisionTower<float> vision(config.vision, config.embed, config.activation);
  TextTower<float> text(config.text, config.embed, config.activation);
  AdapterConfig switches;
  switches.mixture_blocks = switches.level_blocks = {1, 2};
  Adapter<float> adapter(switches, 64, 32, 64);
  const auto draw = [](const std::string& name, Tensor<float>& tensor) { fill_uniform(tensor, 1, name, 0.2f); };
  visit_parameters(vision, "visual", draw);
  visit_parameters(text, "", draw);
  visit_parameters(adapter, "", draw);
  return Detector(Clip<float>(config, std::move(vision), std::move(text), golden_path("tokenizer/bpe_micro.txt.gz")),
                  std::move(adapter), {});
}

float largest(const Pictures& p, index_t i) { return *std::max_element(p.map(i).data(), p.map(i).data() + p.h * p.w); }

}  // namespace

TEST_CASE("metrics per class, at the size of the map, and their mean") {
  Context context({.threads = 1});
  const Pictures p = random_pictures(4, 12, 16);
  EvaluationOptions options;
  options.pixels.is_exact = true;
  Evaluation evaluation(options);
  Pictures first{0, p.h, p.w, {}, {}};
  for (index_t i = 0; i < p.n; ++i) {
    evaluation.add(context, sample_of(p, i, i < 6 ? "a" : "b"), {p.map(i), largest(p, i)});
    if (i >= 6) continue;
    ++first.n;
    first.maps.insert(first.maps.end(), p.map(i).data(), p.map(i).data() + p.h * p.w);
    first.masks.insert(first.masks.end(), p.mask(i).data, p.mask(i).data + p.h * p.w);
  }
  const auto rows = evaluation.classes();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].name == "a");
  CHECK(rows[0].pictures == 6);
  CHECK(rows[0].anomalous == 4);
  CHECK(rows[0].unmarked == 0);
  CHECK(rows[0].pixel.auroc.value == doctest::Approx(slow_auroc({first.maps, first.masks})).epsilon(1e-12));
  CHECK(rows[0].pixel.aupro.value == doctest::Approx(slow_aupro(first, 0.3)).epsilon(1e-12));
  const ClassResult mean = mean_of(rows);
  CHECK(mean.pictures == 12);
  CHECK(mean.image.auroc.value == (rows[0].image.auroc.value + rows[1].image.auroc.value) / 2);
  CHECK(mean.pixel.aupro.value == (rows[0].pixel.aupro.value + rows[1].pixel.aupro.value) / 2);
  CHECK(mean.image.aupro.undefined == "there are no anomalous regions");
  CHECK_FALSE(mean.released.has_value());
}

TEST_CASE("parts of a data set merge to the whole") {
  Context context({.threads = 1});
  const Pictures p = random_pictures(9, 9, 14);
  for (const bool is_released : {false, true}) {
    const EvaluationOptions options = protocol(is_released);
    Evaluation whole(options), first(options), second(options);
    for (index_t i = 0; i < p.n; ++i) {
      const Sample sample = sample_of(p, i, i % 2 == 0 ? "even" : "odd");
      const Finding found{p.map(i), largest(p, i), 0.5f};
      whole.add(context, sample, found);
      (i < 4 ? first : second).add(context, sample, found);
    }
    second.merge(first);
    const auto wanted = whole.classes(), merged = second.classes();
    REQUIRE(wanted.size() == merged.size());
    for (std::size_t c = 0; c < wanted.size(); ++c) {
      CHECK(merged[c].name == wanted[c].name);
      CHECK(merged[c].pictures == wanted[c].pictures);
      CHECK(merged[c].image.auroc.value == wanted[c].image.auroc.value);
      CHECK(merged[c].pixel.average_precision.value == wanted[c].pixel.average_precision.value);
      CHECK(merged[c].pixel.aupro.value == wanted[c].pixel.aupro.value);
      CHECK(merged[c].released.has_value() == is_released);
    }
    CHECK(mean_of(merged).released.has_value() == is_released);
  }
}

TEST_CASE("a class without masks, a class of one label") {
  Context context({.threads = 1});
  const Pictures p = random_pictures(4, 6, 16);
  Evaluation evaluation;
  for (index_t i = 0; i < p.n; ++i) {
    Sample sample = sample_of(p, i, "scan");
    if (sample.label != 0) sample.mask = Image();
    evaluation.add(context, sample, {p.map(i), largest(p, i)});
    sample.class_name = "good";
    if (sample.label == 0) evaluation.add(context, sample, {p.map(i), largest(p, i)});
  }
  const auto rows = evaluation.classes();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].image.auroc.undefined == "nothing is anomalous");
  CHECK(rows[1].unmarked == rows[1].anomalous);
  CHECK(rows[1].image.auroc.is_defined());
  CHECK(rows[1].pixel.auroc.undefined == "no anomalous picture has a mask");
  CHECK(mean_of(rows).image.auroc.value == rows[1].image.auroc.value);  // the only class that has one
}

TEST_CASE("a detector over drawn pictures") {
  const Detector detector = micro_detector();
  SyntheticPlan plan;
  plan.categories = {std::string(unseen_categories()[0])};
  plan.count = 6;
  plan.size = 64;
  const SampleSource source(drawn_samples(plan_synthetic(plan)));
  Context context({.threads = 1});
  Evaluation evaluation;
  index_t seen = 0;
  evaluate(context, detector, source, evaluation, [&](index_t i) { CHECK(i == seen++); });
  CHECK(seen == 6);
  const auto rows = evaluation.classes();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].pictures == 6);
  Evaluation released(protocol(true));
  expect_error(ErrorCode::contract, {"released", "map"},
               [&] { evaluate(context, detector, source, released, [](index_t) {}); });
}

TEST_CASE("pictures and masks are read as the options of the evaluation say") {
  const Detector detector = micro_detector();
  SyntheticPlan plan;
  plan.categories = {std::string(unseen_categories()[0])};
  plan.count = 1;
  plan.size = 64;
  plan.defective_share = 1;
  const Sample sample = SampleSource(drawn_samples(plan_synthetic(plan))).load(0);
  const TemporaryFolder folder("evaluate_exif");
  const auto path = [&](const char* name) { return join_path(folder.path(), name); };
  write_png(path("p.png"), sample.picture), write_png(path("m.png"), sample.mask);
  write_oriented_png(path("turned.png"), apply_orientation(Image(sample.picture), 8), 6);
  write_png(path("turned_mask.png"), apply_orientation(Image(sample.mask), 8));
  Context context({.threads = 1});
  const auto auroc = [&](const DatasetEntry& entry, bool use_exif) {
    EvaluationOptions options;
    options.images.apply_exif_orientation = use_exif;
    Evaluation evaluation(options);
    evaluate(context, detector, SampleSource({entry}), evaluation, [](index_t) {});
    return evaluation.result("x").pixel.auroc.value;
  };
  const DatasetEntry turned{path("turned.png"), 1, "x", path("turned_mask.png")};
  const double expected = auroc({path("p.png"), 1, "x", path("m.png")}, false);
  CHECK(auroc(turned, true) == expected);
  CHECK(auroc(turned, false) != expected);
}
