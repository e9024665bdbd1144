// SPDX-License-Identifier: MIT
// moeclip-infer: judges pictures by a model file, and nothing else: small enough, linked statically, to be all that a
// machine has. A JSON line for each picture goes to stdout.
//
// usage: moeclip-infer [--class NAME] MODEL PICTURE...
// exit codes: 0 all is well; 1 at least one picture could not be judged; 2 usage; 3 the model could not be loaded.

#include <cstdio>
#include <moeclip/infer.hpp>
#include <span>
#include <string>
#include <vector>

#include "../program_words.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace {

using moeclip::Json;

Json detection_json(const moeclip::PartModel& model, const std::string& path, const moeclip::Detection& detection) {
  Json regions = Json::array();
  for (const moeclip::Region& region : detection.regions)
    regions.push_back(Json::object()
                          .set("x", region.x)
                          .set("y", region.y)
                          .set("width", region.width)
                          .set("height", region.height)
                          .set("peak", region.peak));
  return Json::object()
      .set("image", path)
      .set("score", detection.score)
      .set("is_anomalous", model.has_verdict() ? Json(detection.is_anomalous) : Json())
      .set("threshold", model.has_verdict() ? Json(detection.threshold) : Json())
      .set("regions", std::move(regions));
}

/// Prints a line for each picture. Returns how many could not be judged.
int judge(const moeclip::PartModel& model, const std::string& class_name, std::span<const std::string> paths) {
  moeclip::Context context;
  moeclip::Detection detection;
  int failures = 0;
  for (const std::string& path : paths) {
    Json json;
    try {
      model.detect(context, moeclip::read_image(path, model.images).view(), detection, class_name);
      json = detection_json(model, path, detection);
    } catch (const moeclip::Error& error) {
      ++failures;
      json = Json::object().set("image", path).set("error", error.what());
    }
    std::puts(moeclip::dump_json(json).c_str());
    std::fflush(stdout);
  }
  return failures;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words = words_of_program(argc, argv);
  const std::size_t options = !words.empty() && words[0] == "--class" ? 2 : 0;
  if (words.size() < options + 2) {
    std::fputs("usage: moeclip-infer [--class NAME] MODEL PICTURE...\n", stderr);
    return 2;
  }
#if defined(__GLIBC__)
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);  // what loading has freed shall not stay
#endif
  try {
    const moeclip::PartModel model = moeclip::PartModel::load(words[options]);
    const std::string class_name = options != 0 ? words[1] : "";
    static_cast<void>(model.anchors_of(class_name));
    return judge(model, class_name, std::span(words).subspan(options + 1)) == 0 ? 0 : 1;
  } catch (const moeclip::Error& error) {
    std::fputs(moeclip::concat("moeclip-infer: ", error.what(), "\n").c_str(), stderr);
    return 3;
  }
}
