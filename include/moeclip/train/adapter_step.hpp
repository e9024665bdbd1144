// SPDX-License-Identifier: MIT
#pragma once
// One training step of the adapters on a frozen CLIP: losses and all gradients (METHOD sections 2 to 4; the way through
// it is told in this folder's README). The tower runs forward; mixtures act after their blocks. The losses of a level
// depend on nothing behind it, so its heads run forward and backward at once, and only the gradient of its tokens waits
// for the backward pass. The tower keeps nothing before the first mixture, since nothing is trained there.

#include <algorithm>
#include <vector>

#include "adapter_step_level.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// After block n, on the way forward.
template <class T>
void visit_block(const StepRun<T>& run, index_t block, View<T, 2> x) {
  AdapterWorkspace<T>& work = run.work;
  const AdapterConfig& config = run.model.adapter.config;
  for (std::size_t j = 0; j < config.mixture_blocks.size(); ++j) {
    if (config.mixture_blocks[j] != block) continue;
    const Mixture<T>& mixture = run.model.adapter.mixtures[j];
    const MixingLosses losses = mixing_forward<T>(run.context, mixture, run.mixing(j), x, work.mixtures[j]);
    work.report.etf[j] = losses.etf;
    work.report.balance[j] = losses.balance;
    work.report.expert_tokens[j].assign(mixture.experts.size(), 0);
    for (const std::int32_t e : work.mixtures[j].chosen) ++work.report.expert_tokens[j][static_cast<std::size_t>(e)];
  }
  const Shape shape{run.batch(), run.patches() + 1, run.width()};
  for (std::size_t l = 0; l < config.level_blocks.size(); ++l) {
    if (config.level_blocks[l] != block) continue;
    View<T, 3> d_x;
    if (run.gradient != nullptr && block >= run.first_mixture_block()) {
      d_x = fit(work.d_levels[l], shape).template view<3>();
      std::fill_n(d_x.data(), d_x.size(), T(0));
    }
    for (index_t w = 0; w < std::ssize(config.windows); ++w)
      run_map<T>(run, static_cast<index_t>(l), w, View<const T, 3>(x.data(), {shape[0], shape[1], shape[2]}), d_x);
  }
}

/// Before the backward pass of block n: the gradient of what visit_block left becomes that of what it found.
template <class T>
void visit_block_backward(const StepRun<T>& run, index_t block, View<T, 2> d_x) {
  AdapterWorkspace<T>& work = run.work;
  const AdapterConfig& config = run.model.adapter.config;
  for (std::size_t l = 0; l < config.level_blocks.size(); ++l) {
    if (config.level_blocks[l] != block) continue;
    const T* from = work.d_levels[l].data();
    run.context.parallel_for(d_x.extent(0), [&](index_t i, int) {
      add_scaled_row<T>(T(1), from + i * run.width(), &d_x(i, 0), run.width());
    });
  }
  for (std::size_t j = 0; j < config.mixture_blocks.size(); ++j) {
    if (config.mixture_blocks[j] != block) continue;
    mixing_backward<T>(run.context, run.model.adapter.mixtures[j], run.mixing(j), work.mixtures[j], d_x,
                       {&run.gradient->values.mixtures[j], &run.gradient->expert_has_gradient[j]});
    show<T>(
        run.input.probe, [=] { return concat("grad_x/moe_", j); }, {run.batch(), run.patches() + 1, run.width()},
        d_x.data());
  }
}

template <class T>
void run_tower(const StepRun<T>& run) {
  AdapterWorkspace<T>& work = run.work;
  const VisionConfig& config = run.model.tower.config;
  const index_t first = run.first_mixture_block() + 1, tokens = run.patches() + 1;
  const bool has_backward = run.gradient != nullptr && first <= config.layers + 1;
  const TokenLayout layout{run.batch(), tokens, false};
  if (has_backward)
    work.blocks.plan =
        run.input.options.memory_budget_bytes == 0
            ? SavePlan{first, config.layers + 1 - first}
            : plan_for<T>(transformer_config(config), layout, first, run.input.options.memory_budget_bytes);
  const View<const T, 4> images = run.input.batch.images.template view<4>();
  auto after_block = [&](index_t block, View<T, 2> x) { visit_block<T>(run, block, x); };
  vision_forward<T>(run.context, run.model.tower, images, run.model.positions,
                    fit(work.tokens, {run.batch(), tokens, config.width}).template view<3>(),
                    {after_block, nullptr, has_backward ? &work.blocks : nullptr});
  if (!has_backward) return;
  auto before_block = [&](index_t block, View<T, 2> d_x) { visit_block_backward<T>(run, block, d_x); };
  fit(work.d_tokens, work.tokens.shape()).fill(T(0));
  vision_backward<T>(run.context, run.model.tower, {images, run.model.positions}, work.d_tokens.template view<3>(),
                     {before_block, work.blocks, nullptr});
}

/// The weighted sum of the terms.
template <class T>
double total_loss(const StepRun<T>& run) {
  const LossReport& report = run.work.report;
  const auto sum = [](const std::vector<double>& terms) {
    double all = 0;
    for (const double term : terms) all += term;
    return all;
  };
  return report.cross_entropy +
         run.map_weight() * (sum(report.focal) + sum(report.dice_normal) + sum(report.dice_abnormal)) +
         run.input.options.lambda_balance * sum(report.balance) + run.input.options.lambda_etf * sum(report.etf);
}

}  // namespace detail

/// Losses of a batch, and their gradients added to `gradient` (null: losses only). The report lives in `work`. The
/// same bits for any number of threads.
template <class T>
const LossReport& adapter_forward_backward(Context& context, const AdaptedModel<T>& model, const StepInput<T>& input,
                                           AdapterWorkspace<T>& work, AdapterGradient<T>* gradient) {
  const detail::StepRun<T> run{context, model, input, work, gradient};
  detail::check_step(run);
  const AdapterConfig& config = model.adapter.config;
  const auto maps = static_cast<std::size_t>(config.maps()), mixtures = config.mixture_blocks.size();
  LossReport& report = work.report;
  for (std::vector<double>* terms : {&report.focal, &report.dice_normal, &report.dice_abnormal}) terms->assign(maps, 0);
  for (std::vector<double>* terms : {&report.etf, &report.balance}) terms->assign(mixtures, 0);
  report.expert_tokens.resize(mixtures);
  work.mixtures.resize(mixtures);
  work.d_levels.resize(config.level_blocks.size());

  detail::encode_classes(run);
  detail::run_tower(run);
  if (gradient != nullptr) {
    detail::encode_classes_backward(run);
    detail::show_d_anchors(run);
  }
  report.total = detail::total_loss(run);
  return report;
}

}}  // namespace moeclip::abi_v0_1
