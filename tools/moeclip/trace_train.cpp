// SPDX-License-Identifier: MIT
#include "trace_train.hpp"

#include <algorithm>
#include <moeclip/train/adam.hpp>
#include <moeclip/train/adapter_step.hpp>
#include <utility>

namespace cli {
namespace {

using namespace moeclip;  // NOLINT: this file is about the library's types

constexpr double kLearningRate = 5e-5;  // as released

template <class T>
struct Training {
  Adapter<T> adapter;
  AdapterGradient<T> gradient;
  TrainingBatch<T> batch;
  std::vector<ClassText<T>> texts;
  StepOptions options;
  AdapterWorkspace<T> work;
  Adam<T> adam;
};

/// The tensor `name` of the input, whose first extent must be at least `count`, cut to that.
template <class T>
Tensor<T> read_first(const WeightFile& input, const std::string& name, index_t count) {
  const Tensor<T> all = input.read<T>(name);
  if (all.rank() == 0 || all.extent(0) < count)
    fail(ErrorCode::mismatch, concat(input.path(), ": ", name, " is ", to_string(all.shape()), "; --train names ",
                                     moeclip::counted(count, "image")));
  std::vector<index_t> extents(all.shape().extents().begin(), all.shape().extents().end());
  extents[0] = count;
  Tensor<T> first{Shape(extents)};
  std::copy_n(all.data(), first.size(), first.data());
  return first;
}

template <class T>
void read_batch(Context& context, const TraceTask& task, const WeightFile& input, const TraceModel<T>& model,
                Training<T>& training) {
  const index_t count = std::ssize(task.train);
  TrainingBatch<T>& batch = training.batch;
  batch.images = read_first<T>(input, "inputs/image", count);
  batch.masks = read_first<T>(input, "inputs/mask", count);
  for (const double label : read_first<double>(input, "inputs/label", count))
    batch.labels.push_back(static_cast<int>(label));
  if (!(batch.masks.shape() == Shape{count, batch.images.extent(2), batch.images.extent(3)}))
    fail(ErrorCode::mismatch, concat(input.path(), ": inputs/mask is ", to_string(batch.masks.shape()),
                                     " beside images ", to_string(batch.images.shape())));
  for (const std::string& name : task.train) {
    const Tensor<std::int32_t> tokens = read_tokens(input, "text/" + name + "/tokens");
    ClassText<T>& text = training.texts.emplace_back();
    text = {name, Tensor<T>({tokens.extent(0), model.text.config.width}), kNormalSentences};
    text_forward<T>(context, model.text, tokens.view<2>(), text.encodings.template view<2>());
    batch.classes.push_back(std::ssize(batch.classes));
  }
}

template <class T>
void record_losses(const LossReport& losses, bool is_training, Recorder<T>& record) {
  const auto sum = [](const std::vector<double>& terms) {
    double all = 0;
    for (const double term : terms) all += term;
    return all;
  };
  record.keep_number("loss/total", losses.total);
  record.keep_number("loss/cross_entropy", losses.cross_entropy);
  record.keep_number("loss/etf", sum(losses.etf));
  record.keep_number("loss/balance", sum(losses.balance));
  record.keep_numbers("loss/focal", losses.focal);
  record.keep_numbers("loss/dice_normal", losses.dice_normal);
  record.keep_numbers("loss/dice_abnormal", losses.dice_abnormal);
  record.keep_numbers("loss/etf_per_layer", is_training ? losses.etf : std::vector<double>());
  record.keep_numbers("loss/balance_per_layer", losses.balance);
}

/// "train/map/MM" from the similarities (B, 2, g, g) of map MM: upsampled, then softmax over the two channels.
template <class T>
void record_map(const std::string& name, const Shape& shape, const T* similarities, index_t size, Recorder<T>& record) {
  Tensor<T> map({shape[0], 2, size, size});
  const index_t cells = shape[2] * shape[3], pixels = size * size;
  for (index_t i = 0; i < 2 * shape[0]; ++i)
    upsample_bilinear<T>(View<const T, 2>(similarities + i * cells, {shape[2], shape[3]}),
                         View<T, 2>(map.data() + i * pixels, {size, size}));
  for (index_t b = 0; b < shape[0]; ++b)
    for (index_t i = 0; i < pixels; ++i) {
      T &normal = map[2 * b * pixels + i], &abnormal = map[(2 * b + 1) * pixels + i];
      const T difference = abnormal - normal;
      normal = kernels::reference::sigmoid(-difference);
      abnormal = kernels::reference::sigmoid(difference);
    }
  record.keep(name, std::move(map));
}

/// Losses and gradients of the first step: everything that the probe sees, and the gradient of every parameter.
template <class T>
void record_gradients(Context& context, const TraceModel<T>& model, Training<T>& training, Recorder<T>& record) {
  const index_t size = training.batch.images.extent(2), last = training.adapter.config.maps() - 1;
  auto on_values = [&](const std::string& name, const Shape& shape, const T* values) {
    record.keep(name, shape, values);
    for (const index_t map : {index_t{0}, last})
      if (name == "train/sim/" + two_digits(map))
        record_map("train/map/" + two_digits(map), shape, values, size, record);
  };
  auto on_indices = [](const std::string&, const Shape&, const std::int32_t*) {};
  const Probe<T> probe{on_values, on_indices};
  zero_parameters(training.gradient.values);
  const LossReport& losses = adapter_forward_backward<T>(context, {model.vision, model.positions, training.adapter},
                                                         {training.batch, training.texts, training.options, &probe},
                                                         training.work, &training.gradient);
  record_losses(losses, training.options.is_training, record);
  for (const auto& parameter : trained_parameters<T>(training.adapter, training.gradient.values))
    record.keep("grad/" + parameter.name, *parameter.gradient);
}

/// "adam_m_stepN/", "adam_v_stepN/" and "adam_t_stepN" of all parameters, zeros where Adam has no state yet.
template <class T>
void record_adam(const Training<T>& training, std::span<const TrainedParameter<T>> parameters, index_t step,
                 Recorder<T>& record) {
  std::vector<std::int32_t> counts;
  for (const auto& parameter : parameters) {
    const auto found = training.adam.states().find(parameter.name);
    const bool is_known = found != training.adam.states().end();
    counts.push_back(is_known ? static_cast<std::int32_t>(found->second.step) : 0);
    const Tensor<T> none(parameter.value->shape());
    record.keep(concat("adam_m_step", step, "/", parameter.name), is_known ? found->second.m : none);
    record.keep(concat("adam_v_step", step, "/", parameter.name), is_known ? found->second.v : none);
  }
  record.keep_indices(concat("adam_t_step", step), {std::ssize(counts)}, counts.data());
}

/// The steps themselves; parameters after the first, the second and the last.
template <class T>
void record_steps(Context& context, const TraceTask& task, const TraceModel<T>& model, Training<T>& training,
                  Recorder<T>& record) {
  std::vector<double> totals;
  for (index_t step = 1; step <= task.train_steps; ++step) {
    zero_parameters(training.gradient.values);
    totals.push_back(adapter_forward_backward<T>(context, {model.vision, model.positions, training.adapter},
                                                 {training.batch, training.texts, training.options}, training.work,
                                                 &training.gradient)
                         .total);
    auto parameters = trained_parameters<T>(training.adapter, training.gradient.values);
    mark_experts(parameters, training.adapter, training.gradient.expert_has_gradient);
    training.adam.step(context, std::span<const TrainedParameter<T>>(parameters), kLearningRate);
    if (step <= 2 || step == task.train_steps)
      for (const auto& parameter : parameters)
        record.keep(concat("param_step", step, "/", parameter.name), *parameter.value);
    if (step == task.train_steps) record_adam<T>(training, parameters, step, record);
  }
  if (!totals.empty()) record.keep_numbers("loss/total_per_step", totals);
}

}  // namespace

template <class T>
void trace_training(Context& context, const TraceTask& task, const WeightFile& input, const TraceModel<T>& model,
                    Recorder<T>& record) {
  Training<T> training;
  training.adapter = read_adapter<T>(WeightFile::open(task.adapter), open_clip(task.clip).config, task.adapter_options);
  training.gradient = AdapterGradient<T>(training.adapter);
  training.options.is_training = task.is_dense;
  read_batch(context, task, input, model, training);
  record_gradients(context, model, training, record);
  record_steps(context, task, model, training, record);
}

template void trace_training<float>(Context&, const TraceTask&, const WeightFile&, const TraceModel<float>&,
                                    Recorder<float>&);
template void trace_training<double>(Context&, const TraceTask&, const WeightFile&, const TraceModel<double>&,
                                     Recorder<double>&);

}  // namespace cli
