// SPDX-License-Identifier: MIT
// moeclip trace: every intermediate of the model on recorded inputs, for teaching, debugging and comparing.

#include <algorithm>

#include "adapter_flags.hpp"
#include "commands.hpp"
#include "trace.hpp"

namespace cli {
namespace {

TraceTest parse_test(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string domain = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (domain != "industrial" && domain != "medical")
    throw UsageError("--test wants NAME:industrial or NAME:medical, not '" + text + "'");
  return {text.substr(0, colon), domain == "medical" ? moeclip::Domain::medical : moeclip::Domain::industrial};
}

std::vector<std::string> class_list(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end == begin) throw UsageError("--train wants NAME,NAME, not '" + text + "'");
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

}  // namespace

int run_trace(Words words) {
  TraceTask task;
  std::string activation = "gelu", scalar = "f32", recipe = "released";
  std::vector<std::string> tests;
  std::string train;
  std::int64_t images = 0, threads = 0, steps = 1;
  AdapterFlags adapter_flags;
  bool is_forced = false;
  Options options(
      "trace",
      "Run the model on recorded inputs and write every intermediate to a safetensors file, under the names\n"
      "that shared/golden uses. The input holds inputs/image (B,3,S,S), normalised, and text/NAME/tokens\n"
      "(rows,S): the first 6 rows of a class are normal sentences, the others abnormal.");
  options.value("clip", task.clip, "FILE", "weights of the CLIP");
  options.value("adapter", task.adapter, "FILE", "MoECLIP adapter; without it, plain CLIP");
  options.value("input", task.input, "IN", "safetensors file with images and tokens");
  options.value("out", task.output, "OUT", "safetensors file to write");
  options.choice("recipe", recipe, {"released", "paper"},
                 "released: experts see only the tokens sent to them; paper: all experts see all tokens, as it trains");
  options.choice("activation", activation, {"gelu", "quick_gelu"}, "of the CLIP's blocks; the released code runs gelu");
  options.choice("scalar", scalar, {"f32", "f64"}, "arithmetic: the fast kernels, or the double reference");
  options.value("images", images, "N", "intermediates of the first N images; default all");
  options.repeated("test", tests, "NAME:DOMAIN", "scores of all images as one class, DOMAIN industrial or medical");
  options.value(
      "train", train, "NAME,NAME",
      "losses and gradients of a step on the first images, one class each, with inputs/mask and inputs/label");
  options.value("steps", steps, "N", "steps of Adam after that, all on the same images; default 1");
  adapter_flags.add_to(options);
  options.value("threads", threads, "N", "default: one per core");
  options.flag("force", is_forced, "replace OUT if it exists");
  if (!options.parse(words)) return kOk;
  if (task.clip.empty() || task.input.empty() || task.output.empty())
    throw UsageError("--clip, --input and --out are needed");
  adapter_flags.check(!task.adapter.empty());
  if (steps < 0) throw UsageError("--steps is a count");
  if (!train.empty() && task.adapter.empty()) throw UsageError("--train needs an --adapter");
  if (images < 0 || threads < 0 || threads > 4096) throw UsageError("--images and --threads are counts");
  for (const std::string& test : tests) task.tests.push_back(parse_test(test));
  for (std::size_t i = 1; i < task.tests.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (task.tests[i].domain == task.tests[j].domain)
        throw UsageError("one --test per domain: their results have the same names");
  adapter_flags.apply(task.adapter_options);
  task.activation =
      activation == "gelu" ? moeclip::kernels::Activation::gelu : moeclip::kernels::Activation::quick_gelu;
  task.is_dense = recipe == "paper";
  if (!train.empty()) task.train = class_list(train);
  task.train_steps = steps;
  task.images = images;
  task.threads = static_cast<int>(threads);
  expect_writable(task.output, is_forced);
  adapter_flags.say_assumed(task.adapter);
  scalar == "f32" ? trace<float>(task) : trace<double>(task);
  return kOk;
}

}  // namespace cli
