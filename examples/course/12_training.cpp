// SPDX-License-Identifier: MIT
// Lesson 12. Training on drawn parts. A step: loss and gradient of a batch (losses, heads, mixtures and blocks
// backwards, in one function of the library), which is scaled down to length 1 over all tensors if it is longer, then
// Adam, for each number p with its gradient g and its own running means m and v:
//
//   m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
//   p <- p - lr/(1 - b1^t) m / (sqrt(v)/sqrt(1 - b2^t) + eps)                                     (ADAM-1)
//
// m and v start at 0; dividing by 1 - b^t makes means of them. Pictures are drawn, with exact masks, so there is
// something to learn from without a download: parts and defects of some kinds to train on, others to judge by.
//   12_training [FOLDER]      where tiny.safetensors is
//
// Output:
// loss, mean of the first 5 steps and of the last 5: 16.6 and 13.5
// weights after 3 steps, by the lesson and by the library: the same numbers
// of 9216 numbers, step 1 moved 99 % by the learning rate, whatever their gradients
// unseen parts, unseen defects, pixel AUROC: 0.5 before, 0.8 after ... seconds

#include <chrono>
#include <memory>
#include <moeclip/anomaly/detector.hpp>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/eval/score_table.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/train/trainer.hpp>
#include <string>
#include <vector>

#include "lesson.hpp"

using moeclip::Adapter;
using Clip = moeclip::Clip<float>;

/// ADAM-1 for one tensor.
struct Adam {
  double b1, b2, eps;
  std::vector<double> m, v;
  int t = 0;

  void step(Tensor<float>& p, const Tensor<float>& g, double lr) {
    m.resize(static_cast<std::size_t>(p.size()));
    v.resize(m.size());
    ++t;
    for (index_t i = 0; i < p.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto slope = static_cast<double>(g[i]);
      m[at] = b1 * m[at] + (1 - b1) * slope;
      v[at] = b2 * v[at] + (1 - b2) * slope * slope;
      p[i] -= static_cast<float>(lr / (1 - std::pow(b1, t)) * m[at] /
                                 (std::sqrt(v[at]) / std::sqrt(1 - std::pow(b2, t)) + eps));
    }
  }
};

/// Drawn pictures of these categories, from the kinds of defects in `defects` (none: those to train on).
static moeclip::SampleSource drawn_parts(std::span<const std::string_view> categories, std::vector<std::string> defects,
                                         index_t count) {
  moeclip::SyntheticPlan plan;
  plan.categories.assign(categories.begin(), categories.end());
  plan.defects = std::move(defects);
  plan.count = count, plan.size = 64, plan.seed = 12, plan.defective_share = 0.8, plan.lowest_severity = 0.6;
  return moeclip::SampleSource(moeclip::drawn_samples(moeclip::plan_synthetic(plan)));
}

/// A detector of its own needs weights of its own: a copy, tensor by tensor.
static Adapter<float> copy_of(const Adapter<float>& from) {
  Adapter<float> to(from.config, from.projections[0].inputs(), from.projections[0].outputs(), from.text.inputs());
  std::vector<const Tensor<float>*> values;
  moeclip::visit_parameters(from, "", [&](const std::string&, const Tensor<float>& t) { values.push_back(&t); });
  std::size_t i = 0;
  moeclip::visit_parameters(to, "", [&](const std::string&, Tensor<float>& t) { t = *values[i++]; });
  return to;
}

/// Judges parts and defects that were never trained on by AUROC: how often a defective pixel scores higher than a good
/// one.
static double pixel_auroc(Context& context, const std::shared_ptr<const Clip>& clip, const Adapter<float>& adapter) {
  moeclip::DetectorOptions options;
  options.image_size = 64;
  const moeclip::Detector detector(clip, copy_of(adapter), options);
  const auto parts = drawn_parts(moeclip::unseen_categories(), {"foreign thread", "dent", "burn"}, 18);
  moeclip::ScoreTable pixels;
  moeclip::Detection found;
  for (index_t i = 0; i < parts.size(); ++i) {
    const moeclip::Sample sample = parts.load(i);
    detector.detect(context, sample.picture.view(), detector.anchors(sample.class_name), found);
    pixels.add_map(context, std::as_const(found.map).view<2>(), sample.mask.view());
  }
  return pixels.metrics().auroc.value;
}

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "tools/moeclip/data";
  moeclip::ClipOptions clip_options;
  clip_options.activation = moeclip::kernels::Activation::gelu;
  clip_options.threads = 1;
  const auto clip = std::make_shared<const Clip>(Clip::load(folder + "/tiny.safetensors", clip_options));
  moeclip::Recipe recipe = moeclip::Recipe::moeclip();
  recipe.lr = 1e-3;
  moeclip::Trainer<float> trainer(*clip, recipe, {.batch = 8, .image_size = 64, .threads = 1});
  Context context({.threads = 1});
  const double before = pixel_auroc(context, clip, trainer.adapter());

  // The trainer's loop, with an Adam of our own beside it, which follows one of its tensors.
  Adam adam{recipe.beta1, recipe.beta2, recipe.eps, {}, {}};
  const Tensor<float>& followed = trainer.adapter().projections[3].weight;  // of the last level
  const Tensor<float> start = followed;
  Tensor<float> own = followed;
  double first = 0, last = 0, off = 0, seconds = 0;
  index_t moved_by_lr = 0;
  const auto on_step = [&](const moeclip::StepReport& report) {
    for (const auto& parameter : trainer.parameters())
      if (parameter.value == &followed) adam.step(own, *parameter.gradient, report.lr);
    for (index_t i = 0; report.step == 1 && i < own.size(); ++i)
      moved_by_lr += std::abs(std::abs(followed[i] - start[i]) / static_cast<float>(report.lr) - 1) < 0.02f;
    if (report.step <= 3) off = std::max(off, farthest(own, followed));
    if (report.step <= 5) first += report.loss.total / 5;
    if (report.step > report.batches - 5) last += report.loss.total / 5;
  };
  const auto begin = std::chrono::steady_clock::now();
  trainer.fit(drawn_parts(moeclip::adapter_categories(), {}, 160), {.epochs = 1}, on_step);
  seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("loss, mean of the first 5 steps and of the last 5: %.1f and %.1f\n", first, last);
  compare("weights after 3 steps, by the lesson and by the library", off, 1e-6);

  // The surprise of Adam: in step 1, m/(1 - b1) = g and the root of v/(1 - b2) is |g|, so every number moves by lr,
  // large gradient or small. Only eps = 1e-8 knows the difference.
  std::printf("of %td numbers, step 1 moved %.0f %% by the learning rate, whatever their gradients\n", own.size(),
              100 * static_cast<double>(moved_by_lr) / static_cast<double>(own.size()));

  // The surprise of the method: a few seconds with drawn parts, and the frozen CLIP finds defects of kinds and on parts
  // that were not among them. Chance is 0.5.
  std::printf("unseen parts, unseen defects, pixel AUROC: %.1f before, %.1f after %.0f seconds\n", before,
              pixel_auroc(context, clip, trainer.adapter()), seconds);
} catch (const moeclip::Error& error) {
  return complain(error);
}

// Exercise 1. The recipe "released" starts experts at B = 0 (lesson 10) and scales no gradient down. Take 40 steps with
//   it. How long is the first gradient, and how far do the 1st, 2nd, 10th and 40th step move the B of an expert that
//   was chosen? Which of them is moved by m, which held by v, and how long does v remember?
