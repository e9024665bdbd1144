// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "trace_recorder.hpp"
#include "trace_train.hpp"

namespace cli {
namespace {

using namespace moeclip;  // NOLINT: this file is about the library's types

template <class T>
TraceModel<T> load_model(Context& context, const TraceTask& task, const WeightFile& input) {
  TraceModel<T> model;
  const ClipFile clip = open_clip(task.clip);
  model.vision = load_vision<T>(context, clip, task.activation);
  model.text = load_text<T>(context, clip, task.activation);
  model.adapter = task.adapter.empty() ? plain_adapter<T>(context, model.vision, model.text)
                                       : load_adapter<T>(context, task.adapter, clip.config, task.adapter_options);
  model.images = input.read<T>("inputs/image");
  const Shape& shape = model.images.shape();
  const index_t patch = clip.config.vision.patch_size;
  if (shape.rank() != 4 || shape[0] < 1 || shape[1] != 3 || shape[2] != shape[3] || shape[2] < patch ||
      shape[2] % patch != 0)
    fail(ErrorCode::mismatch, concat(input.path(), ": inputs/image is ", to_string(shape),
                                     "; (B, 3, S, S) is wanted, S a multiple of the patch size ", patch));
  model.positions = resize_positions(model.vision.positional_embedding, shape[2] / patch);
  return model;
}

/// The first `count` images.
template <class T>
View<const T, 4> first_images(const Tensor<T>& images, index_t count) {
  return images.template view<4>().rows(0, count);
}

/// Token rows of every class in the input: "text/NAME/tokens" -> NAME.
std::vector<std::string> class_names(const WeightFile& input) {
  constexpr std::string_view kStart = "text/", kEnd = "/tokens";
  std::vector<std::string> names;
  for (const WeightEntry& entry : input.entries()) {
    const std::string_view name = entry.name;
    if (name.starts_with(kStart) && name.ends_with(kEnd) && name.size() > kStart.size() + kEnd.size())
      names.emplace_back(name.substr(kStart.size(), name.size() - kStart.size() - kEnd.size()));
  }
  return names;
}

/// "text/NAME/...": blocks of the first sentence, eot, adapted, plain and features (C, 2).
template <class T>
void trace_text(Context& context, TraceModel<T>& model, const WeightFile& input, Recorder<T>& record) {
  for (const std::string& name : class_names(input)) {
    const std::string folder = "text/" + name + "/";
    const Tensor<std::int32_t> tokens = read_tokens(input, folder + "tokens");
    const index_t embed = model.text.projection.extent(1), width = model.text.config.width;
    Tensor<T> plain({tokens.extent(0), embed});
    auto on_values = [&](const std::string& step, const Shape& shape, const T* values) {
      record.keep(folder + step, shape, values);
      if (step == "eot")
        kernels::gemm<T>(context, {shape[0], embed, width}, kernels::row_major<T>(values, width),
                         kernels::row_major<T>(model.text.projection.data(), embed), plain.data(), embed);
    };
    auto on_indices = [](const std::string&, const Shape&, const std::int32_t*) {};
    const Probe<T> probe{on_values, on_indices};
    TextAnchors<T> anchors =
        anchors_forward<T>(context, model.text, model.adapter, {name, tokens.view<2>(), kNormalSentences}, &probe);
    record.keep(folder + "plain", std::move(plain));
    record.keep(folder + "features", moeclip::detail::transpose(anchors.vectors));
    record.keep_indices(folder + "tokens", tokens.shape(), tokens.data());
    model.anchors.insert_or_assign(name, std::move(anchors));
  }
}

/// Every intermediate of the image pass over the first `count` images.
template <class T>
void trace_images(Context& context, const TraceModel<T>& model, index_t count, bool is_dense, Recorder<T>& record) {
  auto on_values = [&](const std::string& name, const Shape& shape, const T* values) {
    record.keep(name, shape, values);
  };
  auto on_indices = [&](const std::string& name, const Shape& shape, const std::int32_t* values) {
    record.keep_indices(name, shape, values);
  };
  const Probe<T> probe{on_values, on_indices};
  Tensor<T> embedding({count, model.vision.projection.extent(1)});
  auto on_map = [](index_t, View<const T, 2>) {};
  features_forward<T>(context, model.vision, model.adapter, model.positions, first_images(model.images, count),
                      {on_map, embedding.template view<2>(), &probe, is_dense});
  record.keep("vision/positional_embedding_resized", model.positions);
  record.keep("det_token", std::move(embedding));
}

/// Min-max over all values, if any lies outside [0, 1]; constant values become 0 (METHOD section 8).
template <class T>
void normalize_class(Tensor<T>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const T least = *low, range = *high - least;
  if (least >= T(0) && *high <= T(1)) return;
  for (T& value : values) value = range > T(0) ? (value - least) / range : T(0);
}

/// "test_DOMAIN/map_raw/MM", "map_blur/MM", "map_up/MM" and "map_sum" from similarities (B, M, 2, L).
template <class T>
Tensor<T> trace_maps(const TraceModel<T>& model, const Tensor<T>& similarities, const TraceTest& test,
                     const std::string& folder, Recorder<T>& record) {
  const index_t batch = similarities.extent(0), maps = similarities.extent(1), patches = similarities.extent(3);
  const index_t size = model.images.extent(2), grid = size / model.vision.config.patch_size;
  const GaussianBlur blur = reference_blur(test.domain);
  std::vector<T> scratch(static_cast<std::size_t>(gaussian_blur_scratch(blur, grid, grid)));
  Tensor<T> sum({batch, size, size});
  for (index_t m = 0; m < maps; ++m) {
    Tensor<T> raw({batch, grid, grid}), blurred({batch, grid, grid}), large({batch, size, size});
    for (index_t b = 0; b < batch; ++b) {
      const View<T, 2> raw_b = raw.template view<3>()[b], blurred_b = blurred.template view<3>()[b];
      raw_map<T>(View<const T, 2>(similarities.data() + (b * maps + m) * 2 * patches, {2, patches}), raw_b.data());
      gaussian_blur<T>(blur, raw_b, blurred_b, scratch.data());
      upsample_bilinear<T>(blurred_b, large.template view<3>()[b]);
    }
    for (index_t i = 0; i < sum.size(); ++i) sum[i] += large[i];
    record.keep(folder + "map_raw/" + two_digits(m), std::move(raw));
    record.keep(folder + "map_blur/" + two_digits(m), std::move(blurred));
    if (m == 0 || m + 1 == maps) record.keep(folder + "map_up/" + two_digits(m), std::move(large));
  }
  record.keep(folder + "map_sum", sum);
  return sum;
}

/// The released test protocol over all images as one class.
template <class T>
void trace_test(Context& context, const TraceModel<T>& model, const TraceTest& test, Recorder<T>& record) {
  const auto found = model.anchors.find(test.name);
  if (found == model.anchors.end())
    fail(ErrorCode::missing,
         concat("the input has no text/", test.name, "/tokens, which --test ", test.name, " needs"));
  const TextAnchors<T>& anchors = found->second;
  const std::string folder = test.domain == Domain::industrial ? "test_industrial/" : "test_medical/";
  const index_t batch = model.images.extent(0), maps = model.adapter.config.maps(),
                patches = model.positions.extent(0) - 1;
  Tensor<T> similarities({batch, maps, 2, patches}), embedding({batch, anchors.vectors.extent(1)});
  for (index_t b = 0; b < batch; ++b) {  // one at a time: memory does not grow with their number
    auto on_map = [&](index_t map, View<const T, 2> features) {
      const View<T, 2> s(similarities.data() + (b * maps + map) * 2 * patches, {2, patches});
      similarities_forward<T>(context, features, anchors, s);
    };
    features_forward<T>(context, model.vision, model.adapter, model.positions,
                        model.images.template view<4>().rows(b, b + 1),
                        {on_map, embedding.template view<2>().rows(b, b + 1), nullptr, false});
  }
  Tensor<T> map = trace_maps(model, similarities, test, folder, record);
  normalize_class(map);
  Tensor<T> raw_score({batch}), score({batch});
  for (index_t b = 0; b < batch; ++b) raw_score[b] = class_score<T>(&embedding[b * embedding.extent(1)], anchors);
  Tensor<T> class_values = raw_score;
  normalize_class(class_values);
  const index_t pixels = map.size() / batch;
  for (index_t b = 0; b < batch; ++b)
    score[b] =
        image_score<T>(test.domain, *std::max_element(&map[b * pixels], &map[b * pixels] + pixels), class_values[b]);
  record.keep(folder + "det_token", std::move(embedding));
  record.keep(folder + "image_score_raw", std::move(raw_score));
  record.keep(folder + "image_score", std::move(score));
  record.keep(folder + "map_normalised", std::move(map));
}

}  // namespace

Tensor<std::int32_t> read_tokens(const WeightFile& input, const std::string& name) {
  const Tensor<double> values = input.read<double>(name);
  if (values.rank() != 2)
    fail(ErrorCode::mismatch,
         concat(input.path(), ": ", name, " is ", to_string(values.shape()), "; (rows, S) is wanted"));
  auto tokens = Tensor<std::int32_t>::uninitialised(values.shape());
  std::transform(values.begin(), values.end(), tokens.begin(), [](double id) { return static_cast<std::int32_t>(id); });
  return tokens;
}

template <class T>
void trace(const TraceTask& task) {
  Context context({.threads = task.threads});
  const WeightFile input = WeightFile::open(task.input);
  Recorder<T> record(task.output);
  TraceModel<T> model = load_model<T>(context, task, input);
  trace_text(context, model, input, record);
  const index_t available = model.images.extent(0), images = task.images == 0 ? available : task.images;
  if (images > available)
    fail(ErrorCode::mismatch,
         concat(input.path(), ": holds ", moeclip::counted(available, "image"), ", ", images, " were asked for"));
  trace_images(context, model, images, task.is_dense, record);
  for (const TraceTest& test : task.tests) trace_test(context, model, test, record);
  if (!task.train.empty()) trace_training(context, task, input, model, record);
  record.write();
}

template void trace<float>(const TraceTask& task);
template void trace<double>(const TraceTask& task);

}  // namespace cli
