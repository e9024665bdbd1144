// SPDX-License-Identifier: MIT
#pragma once
// What a program can do with the library, from a drawn picture to a verdict and from a training step to a file, as one
// text with all bits in it. The file that includes this decides where the library's code is: in itself, or elsewhere.

#include <cstdint>
#include <moeclip/anomaly/seeded.hpp>
#include <moeclip/image/png.hpp>
#include <moeclip/image/read_image.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/train/trainer.hpp>
#include <string>
#include <vector>

namespace {

template <class Element>
std::uint64_t bits_of(const Element* data, moeclip::index_t count) {
  return moeclip::fnv1a64({reinterpret_cast<const char*>(data), static_cast<std::size_t>(count) * sizeof(Element)});
}

/// A picture through PNG and back, and what the detector says of it.
inline moeclip::Json detection(const moeclip::Detector& detector) {
  using namespace moeclip;
  const Sample sample =
      synthesize({.category = std::string(synthetic_categories()[0]), .defect = "", .seed = 3, .size = 64});
  const std::vector<std::byte> png = encode_png(sample.picture.view());
  const Image picture = decode_image(png, "results");
  Context context({.threads = 2});
  const Detection found = detector.detect(context, picture.view(), detector.anchors(sample.class_name));
  return Json::object()
      .set("class", sample.class_name)
      .set("png", bits_of(png.data(), std::ssize(png)))
      .set("score", found.score)
      .set("class score", found.class_score)
      .set("map", bits_of(found.map.data(), found.map.size()))
      .set("regions", std::ssize(found.regions));
}

/// Two steps on drawn pictures: losses, and all weights after them.
inline moeclip::Json training(const moeclip::Clip<float>& clip) {
  using namespace moeclip;
  Json all = Json::object();
  const SampleSource source(drawn_samples(
      plan_synthetic({.categories = {std::string(adapter_categories()[0])}, .count = 4, .size = 64, .seed = 7})));
  Trainer<float> trainer(clip, Recipe::moeclip(), {.batch = 2, .image_size = 56, .threads = 2});
  trainer.set_classes(source.classes());
  trainer.fit(source, {.epochs = 1, .checkpoint_seconds = 0, .ahead = 1},
              [&](const StepReport& report) { all.set(concat("loss ", report.step), report.loss.total); });
  visit_parameters(trainer.adapter(), "", [&](const std::string& name, const Tensor<float>& tensor) {
    all.set(name, bits_of(tensor.data(), tensor.size()));
  });
  return all;
}

inline std::string results() {
  using namespace moeclip;
  const Detector detector = make_seeded_detector(1);
  Json all = Json::object();
  all.set("isa", kernels::to_string(kernels::active_isa()));
  all.set("detection", detection(detector)).set("training", training(detector.clip()));
  const Json read = parse_json(dump_json(all), "results");
  return dump_json(read, 1);
}

}  // namespace
